#include "submission.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#define PIPE "\"pipeline\":{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"}]}"

/* What is wrong with it, in words; NULL when nothing is. */
static char *wrong_with(const char *text, size_t len)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;
	struct buf b = { 0 };
	int rc = submission_parse(NULL, text, len, "/pics:/more", &s, problems);

	assert_int_equal(rc < 0, json_array_size(problems) > 0);
	assert_int_equal(rc == 0, s != NULL);
	if (rc == 0)
		return NULL;
	problems_text(problems, &b);
	return buf_take(&b);
}

TEST(a_submission_is_read_with_all_its_members)
{
	static const char text[] = "{\"id\":\"order-7\"," PIPE ",\"images\":[\"/pics/a.jpg\",\"https://example.org/b.png\"],\"priority\":\"high\","
		"\"deadline_s\":2.5,\"labels\":{\"album\":\"x\"},\"params\":{\"a\":{}}}";
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;

	assert_int_equal(submission_parse(NULL, text, sizeof text - 1, "/pics", &s, problems), 0);
	assert_string_equal(s->client_id, "order-7");
	assert_int_equal(s->items, 2);
	assert_true(s->high);
	assert_true(s->deadline_s > 2.4);
	assert_non_null(s->definition);
}

TEST(a_submission_without_pictures_has_one_item)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;

	assert_int_equal(submission_parse(NULL, "{" PIPE "}", strlen("{" PIPE "}"), "", &s, problems), 0);
	assert_int_equal(s->items, 1);
}

TEST(the_serving_shape_is_accepted)
{
	static const char text[] = "{\"input_urls\":[\"http://example.org/a.png\"],\"steps\":{\"resize\":{\"params\":{\"width\":9}},\"phash\":{}}}";
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;

	assert_int_equal(submission_parse(NULL, text, sizeof text - 1, "", &s, problems), 0);
	assert_int_equal(s->definition->nnodes, 3);
}

TEST(a_callback_url_adds_a_last_step)
{
	static const char text[] = "{" PIPE ",\"callback_url\":\"https://example.org/done\"}";
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;

	assert_int_equal(submission_parse(NULL, text, sizeof text - 1, "", &s, problems), 0);
	assert_true(s->definition->nodes[definition_find(s->definition, "callback")].always);
}

TEST(the_same_body_has_the_same_digest_in_any_order_of_members)
{
	static const char one[] = "{\"id\":\"x\"," PIPE "}", two[] = "{" PIPE ", \"id\" : \"x\"}", other[] = "{\"id\":\"y\"," PIPE "}";
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *a = NULL, *b = NULL, *c = NULL;

	assert_int_equal(submission_parse(NULL, one, sizeof one - 1, "", &a, problems), 0);
	assert_int_equal(submission_parse(NULL, two, sizeof two - 1, "", &b, problems), 0);
	assert_int_equal(submission_parse(NULL, other, sizeof other - 1, "", &c, problems), 0);
	assert_memory_equal(a->digest, b->digest, 32);
	assert_memory_not_equal(a->digest, c->digest, 32);
}

TEST(malformed_submissions_are_refused_with_a_reason)
{
	static const struct { const char *text, *word; } rows[] = {
		{ "", "empty" }, { "nonsense", "byte" }, { "{\"a\":1,\"a\":2}", "duplicate" }, { "[1]", "an object" }, { "{}", "/pipeline" },
		{ "{\"pipeline\":7}", "/pipeline" }, { "{" PIPE ",\"imgs\":[]}", "/imgs" }, { "{" PIPE ",\"images\":\"/pics/a\"}", "/images" },
		{ "{" PIPE ",\"images\":[7]}", "/images/0" }, { "{" PIPE ",\"images\":[\"/etc/passwd\"]}", "PIXELFLEET_ALLOWED_ROOTS" },
		{ "{" PIPE ",\"images\":[\"/pics/../etc/passwd\"]}", "without .." }, { "{" PIPE ",\"images\":[\"/picsx/a.jpg\"]}", "/images/0" },
		{ "{" PIPE ",\"images\":[\"ftp://x/a\"]}", "http" }, { "{" PIPE ",\"images\":[\"\"]}", "/images/0" },
		{ "{" PIPE ",\"priority\":\"urgent\"}", "/priority" }, { "{" PIPE ",\"deadline_s\":-1}", "/deadline_s" },
		{ "{" PIPE ",\"deadline_s\":\"1\"}", "/deadline_s" }, { "{" PIPE ",\"callback_url\":\"file:///x\"}", "/callback_url" },
		{ "{" PIPE ",\"labels\":[]}", "/labels" }, { "{" PIPE ",\"labels\":{\"a\":1}}", "/labels/a" }, { "{" PIPE ",\"id\":\"\"}", "/id" },
		{ "{" PIPE ",\"id\":3}", "/id" }, { "{" PIPE ",\"params\":{\"z\":{}}}", "/params/z" }, { "{" PIPE ",\"params\":3}", "/params" },
		{ "{" PIPE ",\"params\":{\"a\":{\"x\":1}}}", "/params/a/x" }, { "{\"steps\":[{\"name\":\"resize\"}]}", "/images" },
		{ "{" PIPE ",\"steps\":[]}", "/pipeline" }, { "{" PIPE ",\"labels\":{\"a\":1.7976931348623157e308}}", "1e308" },
		{ "{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"},{\"id\":\"b\",\"tool\":\"noop\",\"needs\":[\"a\"],\"join\":2}]}", "/b/join" }, { "\"\xff\xfe\"", "byte" }, { "{" PIPE ",\"images\":[],\"input_urls\":[]}", "/input_urls" },
	};

	for (size_t k = 0; k < countof(rows); k++) {
		scoped(free_p) char *why = wrong_with(rows[k].text, strlen(rows[k].text));

		assert_non_null(why);
		if (!strstr(why, rows[k].word))
			fail_msg("%s: '%s' is not in '%s'", rows[k].text, rows[k].word, why);
	}
}

TEST(a_number_of_hundreds_of_digits_is_not_taken)
{
	scoped(buf_free) struct buf text = { 0 };
	scoped(free_p) char *why = NULL;

	buf_puts(&text, "{\"labels\":{\"a\":");
	for (int i = 0; i < 309; i++)
		buf_puts(&text, i ? "2" : "1");
	buf_puts(&text, ".5}}");
	why = wrong_with(text.text, text.len);
	assert_non_null(strstr(why, "1e308"));
}

TEST(a_document_that_nests_too_deep_is_not_parsed)
{
	scoped(free_p) char *deep = xcalloc(200001, 1), *why = NULL;

	memset(deep, '[', 200000);
	why = wrong_with(deep, 200000);
	assert_non_null(strstr(why, "at most 32 deep"));
}

TEST(a_document_that_is_too_big_is_not_parsed)
{
	scoped(free_p) char *big = xcalloc(SUBMISSION_MAX_BYTES + 2, 1), *why = NULL;

	memset(big, ' ', SUBMISSION_MAX_BYTES + 1);
	why = wrong_with(big, SUBMISSION_MAX_BYTES + 1);
	assert_non_null(strstr(why, "1048576 bytes"));
}

TEST(a_directory_stands_for_the_pictures_in_it)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;
	scoped(free_p) char *text = xasprintf("{" PIPE ",\"images\":[\"%s\"]}", test_dir());
	static const char *const names[] = { "b.PNG", "a.jpg", "notes.txt", ".hidden.jpg" };

	for (size_t k = 0; k < countof(names); k++)
		close(open(test_path(names[k]), O_CREAT | O_WRONLY, 0600));
	assert_int_equal(submission_parse(NULL, text, strlen(text), test_dir(), &s, problems), 0);
	assert_int_equal(s->items, 2);
	assert_non_null(strstr(json_string_value(json_array_get(s->images, 0)), "/a.jpg"));
}

TEST(submission_with_a_hundred_thousand_mistakes_lists_the_first_hundred_and_says_that_there_are_more)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;
	scoped(buf_free) struct buf text = { 0 };
	const json_t *last;

	buf_puts(&text, "{");
	for (int i = 0; i < 70000; i++)
		buf_printf(&text, "%s\"m%d\":1", i ? "," : "", i);
	buf_puts(&text, "}");
	assert_int_equal(submission_parse(NULL, text.text, text.len, "", &s, problems), -1);
	assert_int_equal(json_array_size(problems), 101);
	last = json_array_get(problems, 100);
	assert_non_null(strstr(json_string_value(json_object_get(last, "allowed")), "more problems"));
}

/* ---- with a cache ---- */

struct outcome {
	struct submission *s;
	char *why;
};

static struct outcome parse(struct definition_cache *cache, const char *text)
{
	scoped(json_decref_p) json_t *problems = json_array();
	struct buf why = { 0 };
	struct outcome o = { 0 };
	int rc = submission_parse(cache, text, strlen(text), "/pics", &o.s, problems);

	assert_int_equal(rc < 0, o.s == NULL);
	assert_int_equal(rc < 0, json_array_size(problems) > 0);
	if (rc < 0)
		problems_text(problems, &why);
	o.why = buf_take(&why);
	return o;
}

static void outcome_done(struct outcome *o)
{
	submission_free(o->s);
	free(o->why);
}

/* Whatever the cache has seen, what comes of a text is what comes of it without one. */
static void check_same(struct definition_cache *cache, const char *text)
{
	scoped(outcome_done) struct outcome plain = parse(NULL, text), cached = parse(cache, text), again = parse(cache, text);
	const struct outcome *others[] = { &cached, &again };

	for (size_t k = 0; k < countof(others); k++) {
		const struct outcome *o = others[k];

		assert_string_equal(plain.why, o->why);
		if (!plain.s) {
			assert_null(o->s);
			continue;
		}
		assert_non_null(o->s);
		assert_true(json_equal(plain.s->images, o->s->images));
		assert_int_equal(plain.s->items, o->s->items);
		assert_int_equal(plain.s->definition == NULL, o->s->definition == NULL);
		if (plain.s->definition)
			assert_string_equal(plain.s->definition->text, o->s->definition->text);
		if (plain.s->client_id)
			assert_memory_equal(plain.s->digest, o->s->digest, 32);
	}
}

TEST(a_submission_whose_definition_is_known_is_read_as_any_other)
{
	static const char *const texts[] = {
		"{" PIPE "}", "{" PIPE ",\"images\":[\"http://x.example/1\"]}",
		"{ " PIPE " , \"id\":\"a\",\"labels\":{\"l\":\"\\u00e9\"}}", "{\"id\":\"b\"," PIPE "}",
		"{\"id\":\"c\",\"steps\":[{\"name\":\"noop\"}],\"name\":\"n\",\"images\":[]}",
		"{\"name\":\"n\",\"steps\":[{\"name\":\"noop\"}],\"id\":\"c\"}",
		"{\"id\":\"c\",\"steps\":[{\"name\":\"noop\"}]}", "{\"name\":7,\"steps\":[{\"name\":\"noop\"}]}",
		"{" PIPE ",\"steps\":[{\"name\":\"noop\"}]}", "{" PIPE ",\"name\":7}", "{" PIPE "," PIPE "}", "{" PIPE ",\"pipelin\\u0065\":1}",
		"{" PIPE ",\"images\":7}", "{" PIPE "", "{" PIPE "}}", "{" PIPE "x}",
		"{" PIPE ",\"priority\":\"\xff\"}", "{" PIPE ",\"nonsense\":0}",
		"{" PIPE ",\"callback_url\":\"http://x.example/a\"}", "{" PIPE ",\"callback_url\":\"http://x.example/b\"}", "{" PIPE ",\"callback_url\":7}",
		"{" PIPE ",\"params\":{\"a\":{}}}", "{" PIPE ",\"params\":{\"b\":{}}}", "{\"pipeline\":\"stored\"}", "{\"pipeline\":0}", "[" PIPE "]",
		"{\"pipeline\":{\"steps\":[{\"id\":\"b\",\"tool\":\"noop\"}]}}", "{\"pipeline\":{\"steps\":[{\"id\":\"a\",\"tool\":\"nope\"}]}}",
	};
	struct definition_cache *cache = definition_cache_new();

	for (size_t round = 0; round < 2; round++)
		for (size_t k = 0; k < countof(texts); k++)
			check_same(cache, texts[k]);
	definition_cache_free(cache);
}

TEST(definitions_that_differ_in_one_byte_are_not_taken_for_each_other)
{
	struct definition_cache *cache = definition_cache_new();
	scoped(outcome_done) struct outcome a = parse(cache, "{" PIPE "}"), same = parse(cache, "{" PIPE ",\"id\":\"x\"}");
	scoped(outcome_done) struct outcome b = parse(cache, "{\"pipeline\":{\"steps\":[{\"id\":\"b\",\"tool\":\"noop\"}]}}");
	scoped(outcome_done) struct outcome blank = parse(cache, "{\"pipeline\":{\"steps\":[{\"id\":\"a\", \"tool\":\"noop\"}]}}");

	assert_ptr_equal(a.s->definition, same.s->definition);
	assert_string_equal(b.s->definition->nodes[0].id, "b");
	assert_ptr_not_equal(a.s->definition, blank.s->definition);
	assert_string_equal(a.s->definition->text, blank.s->definition->text);
	assert_int_equal(definition_cache_size(cache), 3);
	definition_cache_free(cache);
}

#define NEEDS_PARAMS "{\"images\":[\"http://x.example/1\"],\"pipeline\":{\"steps\":[{\"id\":\"a\",\"tool\":\"crop\"}]}"

TEST(a_known_definition_still_needs_the_parameters_that_it_leaves_to_the_submission)
{
	struct definition_cache *cache = definition_cache_new();
	scoped(outcome_done) struct outcome with = parse(cache, NEEDS_PARAMS ",\"params\":{\"a\":{\"width\":8,\"height\":8}}}");
	scoped(outcome_done) struct outcome without = parse(cache, NEEDS_PARAMS "}");
	scoped(outcome_done) struct outcome half = parse(cache, NEEDS_PARAMS ",\"params\":{\"a\":{\"width\":8}}}");

	assert_non_null(with.s);
	assert_false(with.s->definition->is_complete);
	assert_non_null(strstr(without.why, "/pipeline/steps/0/params/width"));
	assert_non_null(strstr(half.why, "/pipeline/steps/0/params/height"));
	definition_cache_free(cache);
}

TEST(the_digest_of_a_body_stays_what_it_is_because_it_is_stored)
{
	static const char text[] = "{\"images\":[\"http://x.example/1\"],\"id\":\"order-7\"," PIPE
		",\"deadline_s\":2.5,\"labels\":{\"b\":\"\\u00e9\",\"a\":\"1\"}}";
	struct definition_cache *cache = definition_cache_new();
	char hex[65];

	for (int k = 0; k < 2; k++) {
		scoped(outcome_done) struct outcome o = parse(cache, text);

		sodium_bin2hex(hex, sizeof hex, o.s->digest, 32);
		assert_string_equal(hex, "6a62bce4ce6b0ee5d6d21dbfc33def7021d2f1ab13fee8e3c731d506d99396bb");
	}
	definition_cache_free(cache);
}

static void resolve(struct definition_cache *cache, const char *text, const char *stored, const char *want)
{
	scoped(outcome_done) struct outcome o = parse(cache, text);
	scoped(json_decref_p) json_t *problems = json_array();

	assert_non_null(o.s);
	assert_int_equal(submission_resolve(cache, o.s, stored, problems), want ? 0 : -1);
	if (want)
		assert_string_equal(o.s->definition->nodes[o.s->definition->nnodes - 1].id, want);
}

TEST(what_is_stored_under_a_name_may_change)
{
	static const char one[] = "{\"steps\":[{\"id\":\"one\",\"tool\":\"noop\"}]}", two[] = "{\"steps\":[{\"id\":\"two\",\"tool\":\"noop\"}]}";
	struct definition_cache *cache = definition_cache_new();

	for (int k = 0; k < 2; k++) {
		resolve(cache, "{\"pipeline\":\"p\"}", one, "one");
		resolve(cache, "{\"pipeline\":\"p\"}", two, "two");
		resolve(cache, "{\"pipeline\":\"p\",\"callback_url\":\"http://x.example/\"}", one, "callback");
		resolve(cache, "{\"pipeline\":\"p\",\"params\":{\"one\":{\"x\":1}}}", one, NULL);
	}
	definition_cache_free(cache);
}
