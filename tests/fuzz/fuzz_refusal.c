/* The letter about a submission that was not taken is JSON, whatever was submitted. */
#include "fuzz.h"

#include "deadletter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(json_decref_p) json_t *letter = NULL;
	scoped(submission_free_p) struct submission *s = NULL;
	scoped(buf_free) struct buf text = { 0 };

	if (submission_parse(NULL, (const char *)data, size, "", &s, problems) == 0)
		return 0;
	refusal_text("01890a5d-ac96-774b-bcce-b302099a8057", "2026-01-02T03:04:05.678901Z", (const char *)data, size, problems, &text);
	letter = fuzz_must_be_json(text.text, text.len);
	must(json_string_length(json_object_get(json_object_get(letter, "error"), "message")) > 0);
	must(json_object_get(letter, "submission") || json_object_get(letter, "head"));
	return 0;
}
