/* A pipeline definition in any of its shapes becomes one that is its own normal form, or there are problems. */
#include "fuzz.h"

#include "submission.h"

#include <stdlib.h>
#include <string.h>

static void parse(const json_t *body, const struct definition_use *use)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(definition_unref_p) struct definition *d = definition_parse(body, "", use, problems);

	must((d != NULL) == (json_array_size(problems) == 0));
	fuzz_check_problems(problems);
	if (d)
		fuzz_check_definition(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct definition_use use = { .callback_url = "https://example.org/done" };
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(json_decref_p) json_t *body = json_parse_strict((const char *)data, size, SUBMISSION_MAX_DEPTH, problems);

	if (!body)
		return 0;
	parse(body, NULL);
	parse(body, &use);
	return 0;
}
