/* A submission as it is pushed or posted: it is taken, or there are problems. */
#include "fuzz.h"

#include "submission.h"

#include <stdlib.h>
#include <string.h>

static const char stored[] = "{\"name\":\"stored\",\"steps\":[{\"id\":\"small\",\"tool\":\"resize\",\"params\":{\"width\":8}},"
	"{\"id\":\"numbers\",\"tool\":\"stats\"}]}";

static void resolve(struct submission *s, json_t *problems)
{
	must((submission_resolve(NULL, s, stored, problems) == 0) == (json_array_size(problems) == 0));
	fuzz_check_problems(problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;
	int rc = submission_parse(NULL, (const char *)data, size, "/nowhere/photos:/nowhere/more/", &s, problems);

	must((rc == 0) == (json_array_size(problems) == 0));
	must((rc == 0) == (s != NULL));
	fuzz_check_problems(problems);
	if (!s)
		return 0;
	must(s->items >= 1 || s->pipeline);
	must((s->pipeline == NULL) != (s->definition == NULL));
	must(json_array_size(s->images) <= SUBMISSION_MAX_IMAGES);
	if (s->definition)
		fuzz_check_definition(s->definition);
	else
		resolve(s, problems);
	return 0;
}
