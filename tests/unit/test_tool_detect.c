#include "fake_model.h"
#include "picture.h"
#include "studio.h"
#include "test.h"

#include <string.h>
#include <unistd.h>

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
	assert_non_null(strstr(s.err.msg, "the parameter \"model\""));
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

/* ---- with a model: a fake backend inside this test ---- */

static const char *description;         /* what it says of the model */
static float answer[5 * 100];           /* what the model finds: [1,5,100], one class */
static const char *answer_shape;
static float seen[3 * 64 * 64];         /* what it was given */

static const float *answered;
static size_t nanswered;

static int backend(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	(void)ctx, (void)err;
	if (fake_describes(question, description, ret, ret_fd))
		return 0;
	assert_true(pread(fd, seen, sizeof seen, 0) == sizeof seen);
	fake_answer(&(struct fake_tensor){ "out", answer_shape, answered, nanswered }, 1, ret, ret_fd);
	return 0;
}

#define MODEL(in, card) "{\"model\":{\"inputs\":[" in "],\"outputs\":[{\"name\":\"out\",\"datatype\":\"FP32\",\"shape\":[1,5,100]}]}," \
	"\"card\":" card "}"
#define IMAGES(type, shape) "{\"name\":\"images\",\"datatype\":\"" type "\",\"shape\":" shape "}"
#define PLAIN MODEL(IMAGES("FP32", "[-1,3,64,64]"), "{}")

static void find(int i, float cx, float cy, float w, float h, float score)
{
	const float values[] = { cx, cy, w, h, score };

	for (int k = 0; k < 5; k++)
		answer[k * 100 + i] = values[k];
}

static void run_model(struct shot *s, const char *says, const char *params, int width, int height)
{
	description = says;
	answer_shape = "[1,5,100]";
	answered = answer;
	nanswered = countof(answer);
	memset(answer, 0, sizeof answer);
	s->ask = backend;
	find(3, 32, 32, 16, 9, 0.8f);
	find(4, 33, 32, 16, 9, 0.7f);           /* the same thing */
	find(5, 0, 14, 16, 9, 0.6f);            /* half of it outside */
	studio_run(s, "detect", params, studio_file(studio_plain(width, height, 255, 0, 51), "a.png"), NULL);
}

/* 320 x 180 in 64 x 64 is scaled by 0.2, 14 down. Box 3 is 24..40 x 27.5..36.5 there: 120..200 x 67.5..112.5. */
TEST(detect_gives_a_models_boxes_in_pixels_of_the_picture)
{
	struct shot s = { 0 };
	json_t *want = json_loads("{\"items\":[{\"label\":\"0\",\"score\":0.8,\"box\":[120.0,67.5,80.0,45.0]},"
		"{\"label\":\"0\",\"score\":0.6,\"box\":[0.0,0.0,40.0,22.5]}],\"width\":320,\"height\":180,\"backend\":\"triton\","
		"\"model\":\"m\",\"device\":\"triton\"}", 0, NULL);

	run_model(&s, PLAIN, "{\"backend\":\"triton\",\"model\":\"m\"}", 320, 180);
	if (s.result < 0)
		fail_msg("%s", s.err.msg);
	assert_true(json_equal(s.data, want));
	assert_float_equal((double)seen[20 * 64], 1, 1e-6);
	assert_float_equal((double)seen[2 * 4096 + 20 * 64], 0.2, 1e-6);
	assert_float_equal((double)seen[0], 114.0 / 255, 1e-6);
	json_decref(want);
	studio_done(&s);
}

TEST(detect_names_classes_by_the_models_card_and_takes_its_size)
{
	struct shot s = { 0 }, none = { 0 };
	const char *model = MODEL(IMAGES("FP32", "[-1,3,-1,-1]"), "{\"labels\":[\"cat\"],\"size\":[64,64]}");

	run_model(&s, model, "{\"backend\":\"triton\",\"model\":\"m\",\"label_in\":[\"cat\"],\"max_items\":1,\"version\":\"3\"}", 320, 180);
	if (s.result < 0)
		fail_msg("%s", s.err.msg);
	assert_int_equal(json_array_size(json_object_get(s.data, "items")), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(s.data, "items"), 0), "label")), "cat");
	assert_string_equal(json_string_value(json_object_get(s.data, "version")), "3");
	run_model(&none, model, "{\"backend\":\"triton\",\"model\":\"m\",\"label_in\":[\"dog\"]}", 320, 180);
	assert_int_equal(json_array_size(json_object_get(none.data, "items")), 0);
	studio_done(&s);
	studio_done(&none);
}

TEST(detect_knows_the_names_of_coco_for_a_yolo_of_80_classes)
{
	static float columns[84 * 100];
	static const struct { const char *card, *label; } cases[] = { { "{\"kind\":\"yolo\"}", "toothbrush" }, { "{}", "79" } };

	for (size_t i = 0; i < countof(cases); i++) {
		scoped(free_p) char *says = xasprintf("{\"model\":{\"inputs\":[" IMAGES("FP32", "[1,3,64,64]") "],\"outputs\":[{\"name\":\"out\","
			"\"datatype\":\"FP32\",\"shape\":[1,84,100]}]},\"card\":%s}", cases[i].card);
		struct shot s = { .ask = backend };

		description = says;
		answer_shape = "[1,84,100]";
		answered = columns;
		nanswered = countof(columns);
		for (size_t k = 0; k < 4; k++)
			columns[k * 100] = 16;
		columns[83 * 100] = 0.9f;
		studio_run(&s, "detect", "{\"model\":\"m\"}", studio_file(studio_plain(64, 64, 1, 2, 3), "a.png"), NULL);
		if (s.result < 0)
			fail_msg("%s", s.err.msg);
		assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(s.data, "items"), 0), "label")), cases[i].label);
		studio_done(&s);
	}
}

/* [1,N,6]: corners, score, class; it has left out doubles by itself. */
TEST(detect_takes_boxes_that_the_model_has_chosen_itself)
{
	static const float chosen[] = { 8, 8, 24, 40, 0.9f, 1, 9, 8, 24, 40, 0.8f, 1, 0, 0, 0, 0, 0, 0 };
	struct shot s = { .ask = backend };
	json_t *want = json_loads("[{\"label\":\"dog\",\"score\":0.9,\"box\":[16.0,16.0,32.0,64.0]},"
		"{\"label\":\"dog\",\"score\":0.8,\"box\":[18.0,16.0,30.0,64.0]}]", 0, NULL);

	description = MODEL(IMAGES("FP32", "[1,3,64,64]"), "{\"labels\":[\"cat\",\"dog\"]}");
	answer_shape = "[1,3,6]";
	answered = chosen;
	nanswered = countof(chosen);
	studio_run(&s, "detect", "{\"model\":\"m\"}", studio_file(studio_plain(128, 128, 1, 2, 3), "a.png"), NULL);
	if (s.result < 0)
		fail_msg("%s", s.err.msg);
	assert_true(json_equal(json_object_get(s.data, "items"), want));
	json_decref(want);
	studio_done(&s);
}

TEST(detect_draws_what_it_found_in_the_pictures_own_format)
{
	struct shot s = { 0 };
	VipsImage *drawn;
	const VipsPel *p;

	run_model(&s, PLAIN, "{\"model\":\"m\",\"draw\":true}", 320, 180);
	drawn = studio_output(&s, 0);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.outs[0].name, "drawn");
	assert_string_equal(s.outs[0].media_type, "image/png");
	p = VIPS_IMAGE_ADDR(drawn, 160, 112);   /* the box is 120..200 x 67.5..112.5 */
	assert_int_equal(p[0], 0xff);
	assert_int_equal(p[1], 0x3b);
	assert_int_equal(p[2], 0x30);
	p = VIPS_IMAGE_ADDR(drawn, 160, 100);
	assert_int_equal(p[1], 0);
	assert_int_equal(json_array_size(json_object_get(s.data, "items")), 2);
	assert_true(s.asked_memory >= 320 * 180 * 3 + (12 << 20));
	image_unref(drawn);
	studio_done(&s);
}

TEST(detect_with_a_model_that_does_not_fit_names_both_sides)
{
	static const struct { const char *model, *says; } bad[] = {
		{ MODEL(IMAGES("BYTES", "[1,3,64,64]"), "{}"), "'images' BYTES [1,3,64,64], detect gives FP32 [1,3,height,width]" },
		{ MODEL(IMAGES("FP32", "[1,64,64,3]"), "{}"), "[1,64,64,3]" },
		{ MODEL(IMAGES("FP32", "[3,64,64]"), "{}"), "[3,64,64]" },
		{ MODEL(IMAGES("FP32", "[8,3,64,64]"), "{}"), "[8,3,64,64]" },
		{ MODEL(IMAGES("FP32", "[1,3,64,100000]"), "{}"), "[1,3,64,100000]" },
		{ MODEL(IMAGES("FP32", "[1,3,64,64]") "," IMAGES("FP32", "[1]"), "{}"), "takes 2 inputs, detect gives one" },
		{ MODEL(IMAGES("FP32", "[1,3,64,64]"), "{\"labels\":[\"a\",\"b\"]}"), "gives 1 classes, its model.json has 2 labels" },
		{ "{\"model\":{\"inputs\":[" IMAGES("FP32", "[1,3,64,64]") "],\"outputs\":[]},\"card\":{}}", "no output" },
		{ "{\"error\":{\"kind\":\"reject\",\"message\":\"PIXELFLEET_TRITON_URL is empty\"}}", "PIXELFLEET_TRITON_URL is empty" },
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct shot s = { 0 };

		run_model(&s, bad[i].model, "{\"backend\":\"triton\",\"model\":\"m\"}", 320, 180);
		assert_int_equal(s.result, -1);
		assert_int_equal(s.err.kind, ERR_REJECT);
		if (!strstr(s.err.msg, bad[i].says))
			fail_msg("'%s' does not say '%s'", s.err.msg, bad[i].says);
		studio_done(&s);
	}
}

TEST(detect_never_invents_when_a_model_cannot_be_asked)
{
	struct shot s = { 0 };

	studio_run(&s, "detect", "{\"backend\":\"triton\",\"model\":\"m\"}", studio_file(studio_photo(60, 40), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_null(s.data);
	assert_non_null(strstr(s.err.msg, "worker"));
	studio_done(&s);
}
