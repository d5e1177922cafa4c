#include "sharing.h"
#include "test.h"

#include <string.h>

static struct definition *parse(const char *steps)
{
	scoped(json_decref_p) json_t *body = json_loads(steps, 0, NULL);
	scoped(json_decref_p) json_t *problems = json_array();
	struct definition *d = definition_parse(body, "", NULL, problems);

	assert_non_null(body);
	if (!d)
		fail_msg("%s", json_dumps(problems, 0));
	return d;
}

static const char *shared(const struct definition *d, const char *id)
{
	return d->nodes[definition_find(d, id)].shared;
}

#define SRC "{\"steps\":[{\"id\":\"src\",\"tool\":\"fetch\"},"
#define STEP(id, tool, params) "{\"id\":\"" id "\",\"tool\":\"" tool "\",\"needs\":[\"src\"],\"params\":" params "}"

TEST(sharing_tells_each_step_the_largest_box_of_all)
{
	scoped(definition_unref_p) struct definition *d = parse(SRC STEP("big", "resize", "{\"width\":640,\"height\":640}") ","
		STEP("thumb", "thumbnail", "{\"width\":250}") "," STEP("mean", "stats", "{\"size\":32}") "," STEP("what", "metadata", "{}") "]}");

	assert_string_equal(shared(d, "big"), "{\"steps\":3,\"fit\":[{\"width\":640,\"height\":640}]}");
	assert_string_equal(shared(d, "thumb"), shared(d, "big"));
	assert_string_equal(shared(d, "mean"), shared(d, "big"));
	assert_null(shared(d, "what"));
	assert_null(shared(d, "src"));
}

TEST(sharing_keeps_what_wants_every_pixel_apart)
{
	scoped(definition_unref_p) struct definition *d = parse(SRC STEP("a", "crop", "{\"width\":9,\"height\":9}") ","
		STEP("b", "rotate", "{\"angle\":90}") "," STEP("c", "resize", "{\"width\":99,\"kernel\":\"cubic\"}") ","
		STEP("d", "stats", "{}") "," STEP("e", "thumbnail", "{\"width\":250}") "]}");

	assert_string_equal(shared(d, "a"), "{\"steps\":4}");
	assert_string_equal(shared(d, "d"), "{\"steps\":4}");
	assert_null(shared(d, "e"));
}

TEST(sharing_is_of_one_queue_and_one_picture)
{
	scoped(definition_unref_p) struct definition *d = parse(SRC STEP("a", "thumbnail", "{\"width\":99}") ","
		"{\"id\":\"b\",\"tool\":\"thumbnail\",\"needs\":[\"src\"],\"queue\":\"slow\"},"
		"{\"id\":\"c\",\"tool\":\"thumbnail\",\"needs\":[\"a\"]},{\"id\":\"d\",\"tool\":\"phash\",\"needs\":[\"a\"]}]}");

	assert_null(shared(d, "a"));
	assert_null(shared(d, "b"));
	assert_string_equal(shared(d, "c"), shared(d, "d"));
	assert_string_equal(shared(d, "d"), "{\"steps\":2,\"fit\":[{\"width\":250,\"height\":250},{\"width\":32,\"height\":32,\"cover\":true}]}");
}

/* A box that is filled needs more than one of its size that is fitted into. */
TEST(sharing_leaves_out_the_boxes_that_others_suffice_for)
{
	scoped(definition_unref_p) struct definition *d = parse(SRC
		STEP("a", "thumbnail", "{\"sizes\":[{\"width\":100,\"height\":300},{\"width\":50,\"fit\":\"cover\"},{\"width\":300,\"height\":100}]}") ","
		STEP("b", "smartcrop", "{\"width\":60,\"height\":60}") "," STEP("c", "resize", "{\"height\":90}") "]}");

	assert_string_equal(shared(d, "a"), "{\"steps\":3,\"fit\":[{\"width\":100,\"height\":300},{\"width\":300,\"height\":100},"
		"{\"width\":60,\"height\":60,\"cover\":true},{\"width\":10000000,\"height\":90}]}");
}

TEST(sharing_leaves_a_fast_box_out_only_when_another_is_as_fine)
{
	scoped(definition_unref_p) struct definition *d = parse(SRC STEP("a", "resize", "{\"width\":640,\"height\":640,\"fast_shrink\":true}") ","
		STEP("b", "thumbnail", "{\"width\":250}") "," STEP("c", "thumbnail", "{\"width\":99,\"fast_shrink\":true}") "]}");

	assert_string_equal(shared(d, "a"), "{\"steps\":3,\"fit\":[{\"width\":640,\"height\":640,\"fast\":true},{\"width\":250,\"height\":250}]}");
}

TEST(sharing_follows_the_parameters_of_a_submission)
{
	scoped(definition_unref_p) struct definition *d = parse(SRC STEP("a", "thumbnail", "{\"width\":100}") "," STEP("b", "stats", "{}") "]}");
	scoped(json_decref_p) json_t *params = json_pack("{s:{s:i},s:{s:i}}", "b", "size", 32, "a", "width", 200);
	scoped(free_p) char *with = sharing_text(d, definition_find(d, "b"), params);
	scoped(free_p) char *without = sharing_text(d, definition_find(d, "b"), NULL);
	scoped(json_decref_p) json_t *odd = json_pack("{s:i,s:{s:s}}", "a", 7, "b", "size", "x");
	scoped(free_p) char *of_odd = sharing_text(d, definition_find(d, "b"), odd);

	assert_string_equal(with, "{\"steps\":2,\"fit\":[{\"width\":200,\"height\":200}]}");
	assert_null(without);
	assert_null(of_odd);
}

/* What goes into every envelope may not grow with the definition. */
TEST(sharing_of_very_many_boxes_is_one_that_suffices_for_all)
{
	scoped(buf_free) struct buf steps = { 0 };
	scoped(definition_unref_p) struct definition *d = NULL;

	buf_puts(&steps, SRC);
	for (int i = 0; i < 100; i++)
		buf_printf(&steps, "%s{\"id\":\"t%d\",\"tool\":\"thumbnail\",\"needs\":[\"src\"],\"params\":{\"width\":%d,\"height\":%d}}",
			i ? "," : "", i, 100 + i, 300 - i);
	buf_puts(&steps, "]}");
	d = parse(steps.text);
	assert_string_equal(shared(d, "t50"), "{\"steps\":100,\"fit\":[{\"width\":199,\"height\":300}]}");
}
