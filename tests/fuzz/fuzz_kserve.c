/* What a model server answers, and what a runner does with that. The first line is the header that says where the JSON ends;
 * the body follows. When the first line is "ask", the rest is what a runner asks for, which a picture may have taken over. */
#include "fuzz.h"

#include "classes.h"
#include "kserve.h"
#include "tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* The same tensors as a binary answer are the same tensors. */
static void check_binary(json_t *outputs, const struct buf *bytes)
{
	scoped(buf_free) struct buf body = { 0 }, again = { 0 };
	json_t *list = json_array(), *head, *parsed = NULL;
	struct err err;
	char header[32];

	for (size_t i = 0; i < json_array_size(outputs); i++) {
		const json_t *o = json_array_get(outputs, i);

		json_array_append_new(list, json_pack("{s:O, s:O, s:O, s:{s:O}}", "name", json_object_get(o, "name"), "datatype",
			json_object_get(o, "datatype"), "shape", json_object_get(o, "shape"), "parameters", "binary_data_size",
			json_object_get(o, "bytes")));
	}
	head = json_pack("{s:o}", "outputs", list);
	buf_json(&body, head);
	snprintf(header, sizeof header, "%zu", body.len);
	buf_add(&body, bytes->text, bytes->len);
	must(kserve_answer(&body, header, &parsed, &again, &err) == 0);
	must(json_equal(parsed, outputs) && again.len == bytes->len && (!again.len || memcmp(again.text, bytes->text, again.len) == 0));
	json_decref(head);
	json_decref(parsed);
}

static void read_texts(const struct tensor *t, size_t elements)
{
	scoped(free_p) struct class_score *list = NULL;
	size_t at = 0, n = 0, len, found;
	const char *text;
	struct err err;

	while (tensor_next_text(t, &at, &text, &len)) {
		must(text >= (const char *)t->bytes && text + len <= (const char *)t->bytes + t->size);
		n++;
	}
	must(at == t->size && n == elements);
	if (classes_of_texts(t, &list, &found, &err) < 0) {
		must(fuzz_is_utf8(err.msg, strlen(err.msg)));
		return;
	}
	must(found == n);
	classes_as_shares(list, found);
	classes_sort(list, found);
	for (size_t i = 0; i < found; i++) {
		must(isfinite(list[i].score) && (i == 0 || list[i].score <= list[i - 1].score));
		must(!list[i].label || list[i].label + list[i].label_len <= (const char *)t->bytes + t->size);
	}
}

/* As the runner reads them. */
static void check_tensors(const json_t *outputs, const struct buf *bytes)
{
	for (size_t i = 0; i < json_array_size(outputs); i++) {
		const json_t *o = json_array_get(outputs, i), *shape = json_object_get(o, "shape");
		struct tensor t = { .size = (size_t)json_integer_value(json_object_get(o, "bytes")), .is.rank = json_array_size(shape) };
		size_t elements = 1;
		struct err err;

		must(t.is.rank <= TENSOR_RANK);
		snprintf(t.is.datatype, sizeof t.is.datatype, "%s", json_string_value(json_object_get(o, "datatype")));
		for (size_t k = 0; k < t.is.rank; k++)
			elements *= (size_t)(t.is.shape[k] = json_integer_value(json_array_get(shape, k)));
		t.bytes = xcalloc(t.size ? t.size : 1, 1);
		memcpy(t.bytes, t.size ? bytes->text + json_integer_value(json_object_get(o, "offset")) : "", t.size);
		if (strcmp(t.is.datatype, "BYTES") == 0)
			read_texts(&t, elements);
		else if (tensor_as_floats(&t, &err) == 0)
			must(strcmp(t.is.datatype, "FP32") != 0 || t.size == elements * sizeof(float));
		else
			must(err.kind == ERR_REJECT && strstr(err.msg, "at most"));
		tensor_done(&t);
	}
}

static void ask(const char *text, size_t n)
{
	scoped(json_decref_p) json_t *said = json_loadb(n ? text : "", n, 0, NULL), *head = NULL;
	scoped(close_p) int fd = memfd_create("tensors", MFD_CLOEXEC);
	scoped(buf_free) struct buf body = { 0 };
	size_t header = 0;
	struct err err;

	must(fd >= 0 && write(fd, "0123456789abcdef", 16) == 16);
	if (!said)
		return;
	if (kserve_request(said, fd, &body, &header, &err) < 0) {
		must(err.kind == ERR_REJECT && fuzz_is_utf8(err.msg, strlen(err.msg)));
		return;
	}
	must(header <= body.len && body.len - header <= 16);
	head = json_loadb(body.text, header, JSON_REJECT_DUPLICATES, NULL);
	must(json_array_size(json_object_get(head, "inputs")) == json_array_size(json_object_get(said, "inputs")));
	must(json_array_size(json_object_get(head, "outputs")) == json_array_size(json_object_get(said, "outputs")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *header = fuzz_line(&data, &size);
	scoped(buf_free) struct buf body = { 0 }, bytes = { 0 };
	json_t *outputs = NULL;
	struct err err;

	if (strcmp(header, "ask") == 0) {
		ask((const char *)data, size);
		return 0;
	}
	buf_add(&body, data, size);
	if (kserve_answer(&body, header, &outputs, &bytes, &err) == 0) {
		check_outputs(outputs, &bytes);
		check_binary(outputs, &bytes);
		check_tensors(outputs, &bytes);
		json_decref(outputs);
		return 0;
	}
	must(err.kind == ERR_RETRY && !outputs && !bytes.text);
	must(fuzz_is_utf8(err.msg, strlen(err.msg)));
	return 0;
}
