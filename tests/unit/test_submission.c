#include "submission.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE "\"pipeline\":{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"}]}"

/* What is wrong with it, in words; NULL when nothing is. */
static char *wrong_with(const char *text, size_t len)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;
	struct buf b = { 0 };
	int rc = submission_parse(text, len, "/pics:/more", &s, problems);

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

	assert_int_equal(submission_parse(text, sizeof text - 1, "/pics", &s, problems), 0);
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

	assert_int_equal(submission_parse("{" PIPE "}", strlen("{" PIPE "}"), "", &s, problems), 0);
	assert_int_equal(s->items, 1);
}

TEST(the_serving_shape_is_accepted)
{
	static const char text[] = "{\"input_urls\":[\"http://example.org/a.png\"],\"steps\":{\"resize\":{\"params\":{\"width\":9}},\"phash\":{}}}";
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;

	assert_int_equal(submission_parse(text, sizeof text - 1, "", &s, problems), 0);
	assert_int_equal(s->definition->nnodes, 3);
}

TEST(a_callback_url_adds_a_last_step)
{
	static const char text[] = "{" PIPE ",\"callback_url\":\"https://example.org/done\"}";
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;

	assert_int_equal(submission_parse(text, sizeof text - 1, "", &s, problems), 0);
	assert_true(s->definition->nodes[definition_find(s->definition, "callback")].always);
}

TEST(the_same_body_has_the_same_digest_in_any_order_of_members)
{
	static const char one[] = "{\"id\":\"x\"," PIPE "}", two[] = "{" PIPE ", \"id\" : \"x\"}", other[] = "{\"id\":\"y\"," PIPE "}";
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *a = NULL, *b = NULL, *c = NULL;

	assert_int_equal(submission_parse(one, sizeof one - 1, "", &a, problems), 0);
	assert_int_equal(submission_parse(two, sizeof two - 1, "", &b, problems), 0);
	assert_int_equal(submission_parse(other, sizeof other - 1, "", &c, problems), 0);
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
	assert_int_equal(submission_parse(text, strlen(text), test_dir(), &s, problems), 0);
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
	assert_int_equal(submission_parse(text.text, text.len, "", &s, problems), -1);
	assert_int_equal(json_array_size(problems), 101);
	last = json_array_get(problems, 100);
	assert_non_null(strstr(json_string_value(json_object_get(last, "allowed")), "more problems"));
}
