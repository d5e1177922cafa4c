/* A gallery's report: what Python writes where JSON has no word, and then a vector, or the reason why it is none. */
#include "fuzz.h"

#include "embedding.h"
#include "submission.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(buf_free) struct buf body = { 0 }, literal = { 0 };
	scoped(json_decref_p) json_t *problems = json_array(), *value = NULL;
	struct err err = { 0 };

	buf_add(&body, data, size);
	embedding_spell(&body);
	value = json_parse_strict(body.text, body.len, SUBMISSION_MAX_DEPTH, problems);
	if (embedding_read(json_object_get(value, "embedding"), SIZE, "SETTING", &literal, &err) < 0) {
		fuzz_check_refusal(&err);
		return 0;
	}
	must(literal.text[0] == '{' && literal.text[literal.len - 1] == '}');
	must(strspn(literal.text + 1, "0123456789+-.e,") == literal.len - 2);
	return 0;
}
