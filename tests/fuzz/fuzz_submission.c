/* A submission as it is pushed or posted: it is taken, or there are problems. */
#include "fuzz.h"

#include "submission.h"

#include <stdlib.h>
#include <string.h>

static const char stored[] = "{\"name\":\"stored\",\"steps\":[{\"id\":\"small\",\"tool\":\"resize\",\"params\":{\"width\":8}},"
	"{\"id\":\"numbers\",\"tool\":\"stats\"}]}";

static void resolve(struct definition_cache *cache, struct submission *s, json_t *problems)
{
	must((submission_resolve(cache, s, stored, problems) == 0) == (json_array_size(problems) == 0));
	fuzz_check_problems(problems);
}

static struct submission *parse(struct definition_cache *cache, const uint8_t *data, size_t size, json_t *problems)
{
	struct submission *s = NULL;
	int rc = submission_parse(cache, (const char *)data, size, "/nowhere/photos:/nowhere/more/", &s, problems);

	must((rc == 0) == (json_array_size(problems) == 0));
	must((rc == 0) == (s != NULL));
	fuzz_check_problems(problems);
	return s;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Whatever was there before, a cache changes nothing. */
static void check_cached(const struct submission *plain, const json_t *problems, const uint8_t *data, size_t size)
{
	static struct definition_cache *cache;
	scoped(json_decref_p) json_t *others = json_array();
	scoped(submission_free_p) struct submission *s = NULL;

	if (!cache)
		cache = definition_cache_new();
	s = parse(cache, data, size, others);
	must(json_equal(problems, others));
	must((s == NULL) == (plain == NULL));
	if (!s)
		return;
	must(same_text(s->client_id, plain->client_id) && same_text(s->pipeline, plain->pipeline) && same_text(s->callback_url, plain->callback_url));
	must(json_equal(s->images, plain->images) && s->items == plain->items && s->high == plain->high);
	must(!s->client_id || memcmp(s->digest, plain->digest, sizeof s->digest) == 0);
	if (!s->definition)
		resolve(cache, s, others);
	else
		must(plain->definition && strcmp(s->definition->text, plain->definition->text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = parse(NULL, data, size, problems);

	check_cached(s, problems, data, size);
	check_cached(s, problems, data, size);
	if (!s)
		return 0;
	must(s->items >= 1 || s->pipeline);
	must((s->pipeline == NULL) != (s->definition == NULL));
	must(json_array_size(s->images) <= SUBMISSION_MAX_IMAGES);
	if (s->definition)
		fuzz_check_definition(s->definition);
	else
		resolve(NULL, s, problems);
	return 0;
}
