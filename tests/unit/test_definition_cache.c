#include "definition_cache.h"
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct definition *compiled(const char *id)
{
	scoped(json_decref_p) json_t *body = json_pack("{s:[{s:s, s:s}]}", "steps", "id", id, "tool", "noop"), *problems = json_array();
	struct definition *d = definition_parse(body, "", NULL, problems);

	assert_non_null(d);
	return d;
}

static void put(struct definition_cache *c, const char *key, const char *id)
{
	scoped(definition_unref_p) struct definition *d = compiled(id);

	definition_cache_put(c, key, strlen(key), d, NULL);
}

/* The id of the first step of what is known under this key, or NULL. */
static const char *known(struct definition_cache *c, const char *key)
{
	static char id[80];
	scoped(json_decref_p) json_t *members = NULL;
	scoped(definition_unref_p) struct definition *d = definition_cache_get(c, key, strlen(key), &members);

	if (d)
		snprintf(id, sizeof id, "%s", d->nodes[0].id);
	return d ? id : NULL;
}

TEST(a_definition_is_known_by_each_byte_of_its_key)
{
	struct definition_cache *c = definition_cache_new();

	put(c, "one", "first");
	put(c, "onf", "second");
	assert_string_equal(known(c, "one"), "first");
	assert_string_equal(known(c, "onf"), "second");
	assert_null(known(c, "on"));
	assert_null(known(c, "one "));
	assert_null(known(c, ""));
	put(c, "one", "another");
	assert_string_equal(known(c, "one"), "first");
	definition_cache_free(c);
}

TEST(what_is_kept_along_with_a_definition_comes_back_with_it)
{
	struct definition_cache *c = definition_cache_new();
	scoped(definition_unref_p) struct definition *d = compiled("a");
	scoped(json_decref_p) json_t *members = json_pack("{s:s}", "steps", "text"), *found = NULL;
	struct definition *again;

	definition_cache_put(c, "key", 3, d, members);
	again = definition_cache_get(c, "key", 3, &found);
	assert_ptr_equal(again, d);
	assert_ptr_equal(found, members);
	definition_unref(again);
	definition_cache_free(c);
}

TEST(the_cache_is_full_at_its_number_of_entries_and_the_one_that_was_not_used_goes)
{
	struct definition_cache *c = definition_cache_new();
	char key[32];

	put(c, "used", "used");
	put(c, "unused", "unused");
	for (int i = 0; i < DEFINITION_CACHE_ENTRIES + 50; i++) {
		snprintf(key, sizeof key, "key-%d", i);
		put(c, key, "x");
		assert_non_null(known(c, "used"));
		assert_non_null(known(c, key));
	}
	assert_int_equal(definition_cache_size(c), DEFINITION_CACHE_ENTRIES);
	assert_null(known(c, "unused"));
	assert_null(known(c, "key-0"));
	definition_cache_free(c);
}

TEST(the_cache_is_full_at_its_number_of_bytes)
{
	struct definition_cache *c = definition_cache_new();
	size_t len = DEFINITION_CACHE_KEY - 1, most = DEFINITION_CACHE_BYTES / len;
	scoped(free_p) char *key = xcalloc(len + 3, 1);

	memset(key, 'x', len + 2);
	for (size_t i = 0; i < 3 * most; i++) {
		key[len] = '\0';
		key[0] = (char)('0' + i);
		put(c, key, "x");
		assert_int_equal(definition_cache_size(c), min_of(i + 1, most));
		assert_non_null(known(c, key));
	}
	key[len] = 'x';
	key[len + 1] = 'x';             /* longer than any that is kept */
	put(c, key, "x");
	assert_null(known(c, key));
	assert_int_equal(definition_cache_size(c), most);
	definition_cache_free(c);
}

static void *use(void *arg)
{
	static char wrong[] = "another key's definition";
	struct definition_cache *c = arg;
	char key[32];

	for (int i = 0; i < 4000; i++) {
		const char *id;
		json_t *members = NULL;
		struct definition *d;

		snprintf(key, sizeof key, "k%d", i % (DEFINITION_CACHE_ENTRIES + 40));
		d = definition_cache_get(c, key, strlen(key), &members);
		id = d ? d->nodes[0].id : key;
		if (strcmp(id, key) != 0)
			return wrong;
		definition_unref(d);
		if (!d)
			put(c, key, key);
	}
	return NULL;
}

TEST(threads_share_a_cache_that_is_too_small_for_them)
{
	struct definition_cache *c = definition_cache_new();
	pthread_t threads[3];
	void *wrong;

	for (size_t t = 0; t < countof(threads); t++)
		assert_int_equal(pthread_create(&threads[t], NULL, use, c), 0);
	for (size_t t = 0; t < countof(threads); t++) {
		assert_int_equal(pthread_join(threads[t], &wrong), 0);
		assert_null(wrong);
	}
	definition_cache_free(c);
}
