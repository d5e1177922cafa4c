/* JSON from outside: a value or a problem; and what is written of a value is read as the same text. */
#include "fuzz.h"

#include "submission.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(json_decref_p) json_t *problems = json_array(), *again = NULL;
	scoped(json_decref_p) json_t *value = json_parse_strict((const char *)data, size, SUBMISSION_MAX_DEPTH, problems);
	scoped(buf_free) struct buf once = { 0 }, twice = { 0 };

	must((value == NULL) == (json_array_size(problems) == 1));
	fuzz_check_problems(problems);
	if (!value)
		return 0;
	buf_json(&once, value);
	again = json_parse_strict(once.text, once.len, SUBMISSION_MAX_DEPTH, problems);
	must(again != NULL);
	buf_json(&twice, again);
	must(strcmp(once.text, twice.text) == 0);
	return 0;
}
