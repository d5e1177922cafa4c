#include "fake_model.h"
#include "picture.h"
#include "studio.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum { SIDE = 32 };

static const char *description, *shape;
static float scores[4 * SIDE * SIDE];
static size_t nscores;
static float seen[3 * SIDE * SIDE];

static int backend(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	(void)ctx, (void)err;
	if (fake_describes(question, description, ret, ret_fd))
		return 0;
	fake_input(question, fd, seen, sizeof seen);
	assert_string_equal(json_string_value(json_array_get(json_object_get(question, "outputs"), 0)), "out");
	fake_answer(&(struct fake_tensor){ "out", shape, scores, nscores }, 1, ret, ret_fd);
	return 0;
}

#define MODEL(card) "{\"model\":{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,3,32,32]}]," \
	"\"outputs\":[{\"name\":\"out\",\"datatype\":\"FP32\",\"shape\":[1,-1,-1,-1]},{\"name\":\"more\",\"datatype\":\"FP32\",\"shape\":[1]}]}," \
	"\"card\":" card ",\"device\":\"cpu\"}"

/* Each class its score in a quarter: `tops` to the left above, then right above, left below, right below. */
static void quarters(size_t class, float a, float b, float c, float d)
{
	for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
		bool is_right = i % SIDE >= SIDE / 2, is_low = i / SIDE >= SIDE / 2;

		scores[class * SIDE * SIDE + i] = is_low ? (is_right ? d : c) : is_right ? b : a;
	}
	nscores = (class + 1) * SIDE * SIDE;
}

static void segment(struct shot *s, const char *card, const char *params, VipsImage *take_image)
{
	description = card;
	s->ask = backend;
	studio_run(s, "segment", params, studio_file(take_image, "a.png"), "png");
}

static void at(VipsImage *image, int x, int y, int value)
{
	assert_int_equal(*(const uint8_t *)VIPS_IMAGE_ADDR(image, x, y), value);
}

TEST(segment_of_one_class_gives_a_mask_of_the_pictures_size_and_its_share)
{
	struct shot s = { 0 };
	json_t *want = json_loads("{\"width\":100,\"height\":60,\"classes\":[{\"label\":\"foreground\",\"value\":255,\"area\":1500,"
		"\"share\":0.25}],\"backend\":\"onnx\",\"model\":\"m\",\"device\":\"cpu\"}", 0, NULL);
	VipsImage *mask;

	shape = "[1,1,32,32]";
	quarters(0, 0, 1, 0, 0);
	segment(&s, MODEL("{}"), "{\"model\":\"m\"}", studio_plain(100, 60, 255, 0, 51));
	mask = studio_output(&s, 0);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.outs[0].name, "mask");
	assert_string_equal(s.outs[0].media_type, "image/png");
	assert_string_equal(s.outs[0].origin, "png");
	assert_int_equal(mask->Bands, 1);
	assert_int_equal(mask->BandFmt, VIPS_FORMAT_UCHAR);
	at(mask, 49, 0, 0);
	at(mask, 50, 29, 255);
	at(mask, 50, 30, 0);
	assert_true(json_equal(s.data, want));
	assert_float_equal(seen[0], (1 - 0.485) / 0.229, 1e-5);
	assert_float_equal(seen[2 * SIDE * SIDE], (0.2 - 0.406) / 0.225, 1e-5);
	image_unref(mask);
	json_decref(want);
	studio_done(&s);
}

/* 0.4 is under the threshold as a probability, and over it as what becomes one: 1 / (1 + e^-0.4) = 0.6. */
TEST(segment_makes_probabilities_of_what_is_outside_of_them)
{
	static const struct { float other; const char *params; int value; } cases[] = {
		{ 0, "{\"model\":\"m\"}", 0 }, { 0, "{\"model\":\"m\",\"threshold\":0.3}", 255 }, { -3, "{\"model\":\"m\"}", 255 },
		{ 3, "{\"model\":\"m\",\"threshold\":0.7}", 0 },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct shot s = { 0 };
		VipsImage *mask;

		shape = "[1,32,32]";
		quarters(0, 0.4f, cases[i].other, 0, 0);
		segment(&s, MODEL("{\"labels\":[\"rest\",\"cat\"]}"), cases[i].params, studio_plain(40, 40, 1, 2, 3));
		mask = studio_output(&s, 0);
		at(mask, 5, 5, cases[i].value);
		assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(s.data, "classes"), 0), "label")), "cat");
		image_unref(mask);
		studio_done(&s);
	}
}

TEST(segment_of_classes_numbers_and_names_them)
{
	struct shot s = { 0 };
	json_t *want = json_loads("[{\"label\":\"background\",\"value\":0,\"area\":400,\"share\":0.25},"
		"{\"label\":\"sky\",\"value\":2,\"area\":1200,\"share\":0.75}]", 0, NULL);
	VipsImage *mask;

	shape = "[1,3,32,32]";
	quarters(0, 5, -5, 0, 0);
	quarters(1, 0, -9, 0, 0);
	quarters(2, 0, 0, 1, 7);
	segment(&s, MODEL("{\"labels\":[\"background\",\"sea\",\"sky\"]}"), "{\"model\":\"m\"}", studio_plain(40, 40, 1, 2, 3));
	mask = studio_output(&s, 0);
	at(mask, 5, 5, 0);
	at(mask, 35, 5, 2);
	at(mask, 5, 35, 2);
	if (!json_equal(json_object_get(s.data, "classes"), want))
		fail_msg("%s", json_dumps(s.data, 0));
	image_unref(mask);
	json_decref(want);
	studio_done(&s);
}

TEST(segment_lays_the_mask_over_the_picture_in_its_own_format)
{
	struct shot s = { 0 };
	VipsImage *over;
	const uint8_t *p;

	shape = "[1,1,32,32]";
	quarters(0, 0, 1, 0, 0);
	segment(&s, MODEL("{}"), "{\"model\":\"m\",\"overlay\":true,\"color\":\"#0000ff\",\"alpha\":0.25}", studio_with_alpha(100, 60));
	over = studio_output(&s, 1);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.outs[1].name, "overlay");
	assert_string_equal(s.outs[1].media_type, "image/png");
	assert_int_equal(over->Bands, 4);
	image_unref(over);
	studio_done(&s);

	s = (struct shot){ 0 };
	segment(&s, MODEL("{}"), "{\"model\":\"m\",\"overlay\":true,\"color\":\"#0000ff\",\"alpha\":0.25}", studio_plain(100, 60, 200, 100, 0));
	over = studio_output(&s, 1);
	p = VIPS_IMAGE_ADDR(over, 80, 10);
	assert_int_equal(p[0], 150);
	assert_int_equal(p[1], 75);
	assert_int_equal(p[2], 64);
	p = VIPS_IMAGE_ADDR(over, 20, 10);
	assert_int_equal(p[0], 200);
	image_unref(over);
	studio_done(&s);
}

TEST(segment_colours_classes_and_leaves_the_background_alone)
{
	static const struct { const char *card; int background; } cases[] = {
		{ MODEL("{}"), 100 }, { MODEL("{\"labels\":[\"wall\",\"sky\"]}"), 50 },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct shot s = { 0 };
		VipsImage *over;
		const uint8_t *p;

		shape = "[1,2,32,32]";
		quarters(0, 5, 0, 5, 5);
		quarters(1, 0, 5, 0, 0);
		segment(&s, cases[i].card, "{\"model\":\"m\",\"overlay\":true}", studio_plain(100, 60, 100, 100, 100));
		over = studio_output(&s, 1);
		p = VIPS_IMAGE_ADDR(over, 80, 10);
		assert_int_equal(p[0], (100 + 128) / 2);        /* VOC's first colour is 128,0,0 */
		assert_int_equal(p[1], 50);
		p = VIPS_IMAGE_ADDR(over, 20, 10);
		assert_int_equal(p[0], cases[i].background);
		image_unref(over);
		studio_done(&s);
	}
}

/* 100 x 50 in 32 x 32, in the middle: lines 8 to 24 are the picture. */
TEST(segment_of_a_letterboxed_model_takes_the_bars_away)
{
	struct shot s = { 0 };
	VipsImage *mask;

	shape = "[1,1,32,32]";
	quarters(0, 1, 0, 0, 1);
	for (size_t i = 0; i < 8 * SIDE; i++)
		scores[i] = scores[24 * SIDE + i] = 1;  /* in the bars */
	segment(&s, MODEL("{\"preprocess\":{\"resize\":\"letterbox\"}}"), "{\"model\":\"m\"}", studio_plain(100, 50, 1, 2, 3));
	mask = studio_output(&s, 0);
	at(mask, 49, 24, 255);
	at(mask, 49, 26, 0);
	at(mask, 51, 24, 0);
	at(mask, 51, 26, 255);
	at(mask, 99, 2, 0);
	image_unref(mask);
	studio_done(&s);
}

TEST(segment_with_a_model_that_does_not_fit_names_both_sides)
{
	static const struct { const char *card, *shape; size_t n; const char *says; } bad[] = {
		{ MODEL("{}"), "[1,32,32,1]", 1024, NULL },             /* 32 classes, one pixel wide */
		{ MODEL("{}"), "[2,1,16,32]", 1024, "'out' FP32 [2,1,16,32]" },
		{ MODEL("{}"), "[1,1024]", 1024, "segment needs FP32 [1,classes,height,width] of 1 to 256 classes" },
		{ MODEL("{}"), "[1,512,1,2]", 1024, "[1,512,1,2]" },
		{ MODEL("{\"labels\":[\"a\",\"b\",\"c\"]}"), "[1,2,16,32]", 1024, "gives 2 classes, its model.json has 3 labels" },
		{ MODEL("{\"preprocess\":{\"resize\":\"crop\"}}"), "[1,1,32,32]", 1024, "segment needs all of the picture" },
		{ MODEL("{\"size\":7}"), "[1,1,32,32]", 1024, "/size" },
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct shot s = { 0 };

		shape = bad[i].shape;
		nscores = bad[i].n;
		segment(&s, bad[i].card, "{\"model\":\"m\"}", studio_plain(40, 40, 1, 2, 3));
		assert_int_equal(s.result, bad[i].says ? -1 : 0);
		if (bad[i].says && !strstr(s.err.msg, bad[i].says))
			fail_msg("'%s' does not say '%s'", s.err.msg, bad[i].says);
		studio_done(&s);
	}
}

/* Four megapixels: as many bytes for the mask, and three times as many besides for the overlay. The decoder gives the model's
 * picture at an eighth, which is next to nothing. */
TEST(segment_asks_for_the_memory_of_its_mask_and_of_the_overlay)
{
	struct shot mask = { 0 }, both = { 0 };

	shape = "[1,1,32,32]";
	quarters(0, 1, 0, 0, 1);
	mask.ask = both.ask = backend;
	description = MODEL("{}");
	studio_run(&mask, "segment", "{\"model\":\"m\"}", studio_file(studio_plain(2000, 2000, 1, 2, 3), "a.jpg"), "png");
	studio_run(&both, "segment", "{\"model\":\"m\",\"overlay\":true}", studio_file(studio_plain(2000, 2000, 1, 2, 3), "a.jpg"), "png");
	assert_int_equal(mask.asked_memory, 4000000 + (12 << 20));
	assert_true(both.asked_memory >= mask.asked_memory + 12000000);
	assert_int_equal(both.result, 0);
	studio_done(&mask);
	studio_done(&both);
}

TEST(segment_refuses_scores_that_are_no_numbers)
{
	struct shot s = { 0 };

	shape = "[1,1,32,32]";
	quarters(0, 1, 0, 0, 1);
	scores[77] = INFINITY;
	segment(&s, MODEL("{}"), "{\"model\":\"m\"}", studio_plain(40, 40, 1, 2, 3));
	assert_int_equal(s.result, -1);
	assert_non_null(strstr(s.err.msg, "no number (inf, at 77)"));
	studio_done(&s);
}
