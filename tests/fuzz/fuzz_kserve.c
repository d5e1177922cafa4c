/* What a model server answers. The first line is the header that says where the JSON ends; the body follows. */
#include "fuzz.h"

#include "kserve.h"

#include <stdlib.h>
#include <string.h>

static void check_outputs(const json_t *outputs, const struct buf *bytes)
{
	size_t end = 0;

	for (size_t i = 0; i < json_array_size(outputs); i++) {
		const json_t *o = json_array_get(outputs, i);
		json_int_t offset = json_integer_value(json_object_get(o, "offset")), n = json_integer_value(json_object_get(o, "bytes"));

		must(json_string_length(json_object_get(o, "name")) > 0 && json_string_length(json_object_get(o, "datatype")) > 0);
		must(json_is_array(json_object_get(o, "shape")) && n >= 0 && offset >= 0 && (size_t)offset == end);
		end += (size_t)n;
	}
	must(end == bytes->len && end <= 2 * KSERVE_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *header = fuzz_line(&data, &size);
	scoped(buf_free) struct buf body = { 0 }, bytes = { 0 };
	json_t *outputs = NULL;
	struct err err;

	buf_add(&body, data, size);
	if (kserve_answer(&body, header, &outputs, &bytes, &err) == 0) {
		check_outputs(outputs, &bytes);
		json_decref(outputs);
		return 0;
	}
	must(err.kind == ERR_RETRY && !outputs && !bytes.text);
	must(fuzz_is_utf8(err.msg, strlen(err.msg)));
	return 0;
}
