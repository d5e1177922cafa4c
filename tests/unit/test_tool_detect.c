#include "studio.h"
#include "test.h"

#include <string.h>

static json_t *detect(const char *params, int fd)
{
	struct shot s = { 0 };
	json_t *data;

	studio_run(&s, "detect", params, fd, NULL);
	if (s.result < 0)
		fail_msg("%s", s.err.msg);
	data = json_incref(s.data);
	studio_done(&s);
	return data;
}

TEST(detect_without_a_model_says_what_to_do)
{
	struct shot s = { 0 };

	studio_run(&s, "detect", "{}", studio_file(studio_photo(60, 40), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "no model backend"));
	assert_non_null(strstr(s.err.msg, "\"simulate\": true"));
	studio_done(&s);
}

TEST(detect_simulated_is_marked_and_always_the_same)
{
	json_t *a = detect("{\"simulate\":true}", studio_file(studio_photo(600, 400), "a.png"));
	json_t *b = detect("{\"simulate\":true}", studio_file(studio_photo(600, 400), "b.png"));
	json_t *c = detect("{\"simulate\":true}", studio_file(studio_photo(400, 600), "c.png"));

	assert_true(json_equal(a, b));
	assert_false(json_equal(json_object_get(a, "items"), json_object_get(c, "items")));
	assert_true(json_is_true(json_object_get(a, "simulated")));
	assert_string_equal(json_string_value(json_object_get(a, "model")), "simulated");
	assert_int_equal(json_integer_value(json_object_get(a, "width")), 600);
	json_decref(a);
	json_decref(b);
	json_decref(c);
}

TEST(detect_simulated_boxes_are_inside_and_best_first)
{
	json_t *data = detect("{\"simulate\":true,\"score_threshold\":0}", studio_file(studio_photo(600, 400), "a.png")), *item;
	double last = 1;
	size_t i;

	assert_true(json_array_size(json_object_get(data, "items")) >= 4);
	json_array_foreach(json_object_get(data, "items"), i, item) {
		const json_t *box = json_object_get(item, "box");
		double score = json_number_value(json_object_get(item, "score")), v[4];

		for (size_t k = 0; k < 4; k++)
			v[k] = json_number_value(json_array_get(box, k));
		assert_true(v[0] >= 0 && v[1] >= 0 && v[2] > 0 && v[3] > 0);
		assert_true(v[0] + v[2] <= 600 && v[1] + v[3] <= 400);
		assert_true(score <= last && score > 0 && score < 1);
		last = score;
	}
	json_decref(data);
}

TEST(detect_leaves_out_what_was_not_wanted)
{
	json_t *all = detect("{\"simulate\":true,\"score_threshold\":0}", studio_file(studio_photo(600, 400), "a.png"));
	json_t *first = json_array_get(json_object_get(all, "items"), 0);
	scoped(free_p) char *only = xasprintf("{\"simulate\":true,\"score_threshold\":0,\"label_in\":[\"%s\"]}",
		json_string_value(json_object_get(first, "label")));
	json_t *some, *item;
	size_t i;

	some = detect(only, studio_file(studio_photo(600, 400), "a.png"));
	assert_true(json_array_size(json_object_get(some, "items")) >= 1);
	json_array_foreach(json_object_get(some, "items"), i, item)
		assert_true(json_equal(json_object_get(item, "label"), json_object_get(first, "label")));
	json_decref(some);
	some = detect("{\"simulate\":true,\"score_threshold\":0,\"max_items\":2}", studio_file(studio_photo(600, 400), "a.png"));
	assert_int_equal(json_array_size(json_object_get(some, "items")), 2);
	json_decref(some);
	some = detect("{\"simulate\":true,\"score_threshold\":1}", studio_file(studio_photo(600, 400), "a.png"));
	assert_int_equal(json_array_size(json_object_get(some, "items")), 0);
	json_decref(some);
	json_decref(all);
}
