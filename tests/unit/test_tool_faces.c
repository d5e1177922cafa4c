#include "fake_model.h"
#include "picture.h"
#include "studio.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum { SIDE = 64, CROP = 3 * 112 * 112 };

/* The detector takes 64 x 64; scores, boxes and landmarks of the strides 8, 16 and 32. */
static const char *const shapes[] = { "[128,1]", "[32,1]", "[8,1]", "[128,4]", "[32,4]", "[8,4]", "[128,10]", "[32,10]", "[8,10]" };
static const size_t sizes[] = { 128, 32, 8, 512, 128, 32, 1280, 320, 80 };
static float found[9][1280], seen[3 * SIDE * SIDE], crops[3][CROP];
static const char *detector, *embedder;
static int embeds, rows;

static void answer_faces(json_t **ret, int *ret_fd)
{
	static const char *const names[] = { "448", "471", "494", "451", "474", "497", "454", "477", "500" };
	struct fake_tensor t[9];

	for (size_t i = 0; i < 9; i++)
		t[i] = (struct fake_tensor){ names[i], shapes[i], found[i], sizes[i] };
	fake_answer(t, 9, ret, ret_fd);
}

/* Of each crop: its first value, its middle one, and how many crops there were before. */
static void answer_embeddings(const json_t *question, int fd, json_t **ret, int *ret_fd)
{
	float v[3][3];
	char shape[16];

	rows = fake_rows(question);
	assert_true(rows >= 1 && rows <= 3);
	fake_input(question, fd, crops, (size_t)rows * sizeof *crops);
	snprintf(shape, sizeof shape, "[%d,3]", rows);
	for (int i = 0; i < rows; i++) {
		v[i][0] = crops[i][0];
		v[i][1] = crops[i][56 * 112 + 56];
		v[i][2] = (float)embeds++;
	}
	fake_answer(&(struct fake_tensor){ "683", shape, v[0], (size_t)rows * 3 }, 1, ret, ret_fd);
}

static int backend(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	bool is_detector = strcmp(fake_part(question), "detect") == 0;

	(void)ctx, (void)err;
	assert_true(is_detector || strcmp(fake_part(question), "embed") == 0);
	if (fake_describes(question, is_detector ? detector : embedder, ret, ret_fd))
		return 0;
	if (is_detector) {
		fake_input(question, fd, seen, sizeof seen);
		answer_faces(ret, ret_fd);
	} else {
		answer_embeddings(question, fd, ret, ret_fd);
	}
	return 0;
}

#define OUT(name, n) "{\"name\":\"" name "\",\"datatype\":\"FP32\",\"shape\":[-1," n "]}"
#define NINE OUT("448", "1") "," OUT("471", "1") "," OUT("494", "1") "," OUT("451", "4") "," OUT("474", "4") "," OUT("497", "4") "," \
	OUT("454", "10") "," OUT("477", "10") "," OUT("500", "10")
#define MODEL(in, out, card) "{\"model\":{\"inputs\":[{\"name\":\"input.1\",\"datatype\":\"FP32\",\"shape\":" in "}]," \
	"\"outputs\":[" out "]},\"card\":" card ",\"device\":\"cpu\"}"
#define DETECTOR MODEL("[1,3,-1,-1]", NINE, "{\"size\":[64,64]}")
#define EMBEDDER(n) MODEL("[" n ",3,112,112]", OUT("683", "512"), "{}")

static void set_up(void)
{
	memset(found, 0, sizeof found);
	embeds = rows = 0;
	detector = DETECTOR;
	embedder = EMBEDDER("-1");
}

/* A face of size x size at left, top of the 64 x 64, its landmarks where the recogniser wants them, from an anchor of stride 8. */
static void put(size_t anchor, float left, float top, float size, float score)
{
	static const float template[10] = {
		38.2946f, 51.6963f, 73.5318f, 51.5014f, 56.0252f, 71.7366f, 41.5493f, 92.3655f, 70.7299f, 92.2041f,
	};
	float x = (float)(anchor / 2 % 8 * 8), y = (float)(anchor / 16 * 8);

	found[0][anchor] = score;
	found[3][anchor * 4] = (x - left) / 8;
	found[3][anchor * 4 + 1] = (y - top) / 8;
	found[3][anchor * 4 + 2] = (left + size - x) / 8;
	found[3][anchor * 4 + 3] = (top + size - y) / 8;
	for (size_t i = 0; i < 10; i++)
		found[6][anchor * 10 + i] = (i % 2 ? top + template[i] / 112 * size - y : left + template[i] / 112 * size - x) / 8;
}

static void faces(struct shot *s, const char *params, VipsImage *take_image)
{
	s->ask = backend;
	studio_run(s, "faces", params, studio_file(take_image, "a.png"), "png");
}

static json_t *items_of(const struct shot *s)
{
	if (s->result < 0)
		fail_msg("%s", s->err.msg);
	return json_object_get(s->data, "items");
}

static double score_of(const struct shot *s, size_t i)
{
	return json_number_value(json_object_get(json_array_get(items_of(s), i), "score"));
}

static void is_near(const json_t *list, size_t i, double want)
{
	assert_float_equal(json_number_value(json_array_get(list, i)), want, 0.011);
}

/* 256 x 128 in 64 x 64 is a quarter of it, at the top: everything is four times as large in the picture. */
TEST(faces_have_boxes_and_landmarks_in_pixels_of_the_picture_best_first)
{
	struct shot s = { 0 };
	const json_t *item, *box, *nose;

	set_up();
	put(4, 8, 4, 14, 0.6f);
	put(36, 30, 10, 28, 0.9f);
	put(37, 30, 11, 28, 0.8f);              /* the same face */
	put(40, 50, 10, 10, 0.4f);              /* not certain enough */
	faces(&s, "{}", studio_plain(256, 128, 255, 0, 51));
	assert_int_equal(json_array_size(items_of(&s)), 2);
	item = json_array_get(items_of(&s), 0);
	box = json_object_get(item, "box");
	nose = json_array_get(json_object_get(item, "landmarks"), 2);
	assert_string_equal(json_string_value(json_object_get(item, "label")), "face");
	assert_float_equal(score_of(&s, 0), 0.9, 1e-6);
	assert_float_equal(score_of(&s, 1), 0.6, 1e-6);
	is_near(box, 0, 120);
	is_near(box, 1, 40);
	is_near(box, 2, 112);
	is_near(box, 3, 128 - 40);              /* cut off at the picture's edge */
	is_near(nose, 0, 120 + 56.0252);
	is_near(nose, 1, 40 + 71.7366);
	assert_int_equal(json_array_size(json_object_get(item, "landmarks")), 5);
	assert_string_equal(json_string_value(json_object_get(s.data, "model")), "buffalo_l");
	assert_string_equal(json_string_value(json_object_get(s.data, "device")), "cpu");
	assert_int_equal(json_integer_value(json_object_get(s.data, "width")), 256);
	assert_float_equal(seen[0], (255 - 127.5) / 128, 1e-6);
	assert_float_equal(seen[40 * SIDE], -127.5 / 128, 1e-6);        /* under the picture */
	studio_done(&s);
}

/* The crop of a face of 112 pixels is the picture itself, and black outside of it. */
TEST(faces_are_aligned_from_the_picture_and_embedded_in_one_batch)
{
	struct shot s = { 0 };
	VipsImage *photo = studio_photo(256, 128);
	const VipsPel *pixel = VIPS_IMAGE_ADDR(photo, 120 + 56, 10 + 56);
	float middle[3] = { pixel[0], pixel[1], pixel[2] };
	const json_t *embedding;
	double length = 0;

	set_up();
	put(4, 8, 4, 14, 0.6f);
	put(36, 30, 2.5f, 28, 0.9f);
	put(60, 58, 1, 6, 0.7f);
	faces(&s, "{}", photo);
	assert_int_equal(json_array_size(items_of(&s)), 3);
	assert_int_equal(rows, 3);
	for (int c = 0; c < 3; c++)
		assert_float_equal(crops[0][c * 112 * 112 + 56 * 112 + 56], (middle[c] - 127.5f) / 127.5f, 1e-5);
	embedding = json_object_get(json_array_get(items_of(&s), 2), "embedding");
	assert_int_equal(json_array_size(embedding), 3);
	for (size_t i = 0; i < 3; i++)
		length += pow(json_number_value(json_array_get(embedding, i)), 2);
	assert_float_equal(length, 1, 1e-6);
	assert_true(json_number_value(json_array_get(embedding, 2)) > 0.8);     /* it was the third: 2, beside two under 1 */
	studio_done(&s);
}

TEST(faces_are_embedded_one_by_one_where_the_batch_is_fixed_or_the_card_says_so)
{
	static const char *const models[] = {
		EMBEDDER("1"), MODEL("[-1,3,112,112]", OUT("683", "512"), "{\"parts\":{\"embed\":{\"max_batch\":1}}}"),
	};

	for (size_t i = 0; i < countof(models); i++) {
		struct shot s = { 0 };

		set_up();
		embedder = models[i];
		put(4, 8, 4, 14, 0.6f);
		put(36, 30, 2.5f, 28, 0.9f);
		faces(&s, "{}", studio_photo(256, 128));
		assert_int_equal(json_array_size(items_of(&s)), 2);
		assert_int_equal(embeds, 2);
		assert_int_equal(rows, 1);
		studio_done(&s);
	}
}

TEST(faces_of_a_picture_with_none_are_an_empty_list)
{
	struct shot s = { 0 };

	set_up();
	faces(&s, "{}", studio_photo(256, 128));
	assert_int_equal(json_array_size(items_of(&s)), 0);
	assert_true(json_is_array(items_of(&s)));
	assert_int_equal(embeds, 0);
	studio_done(&s);
}

TEST(faces_that_are_too_small_or_too_many_are_left_out)
{
	static const struct { const char *params; size_t n; double last; } cases[] = {
		{ "{\"min_size\":57}", 1, 0.8 }, { "{\"min_size\":56}", 2, 0.6 }, { "{\"max_faces\":2}", 2, 0.8 },
		{ "{\"score_threshold\":0.7}", 2, 0.8 },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct shot s = { 0 };

		set_up();
		put(4, 8, 4, 14, 0.6f);                 /* 56 pixels of the picture */
		put(36, 30, 2.5f, 28, 0.8f);
		put(60, 58, 1, 6, 0.9f);
		faces(&s, cases[i].params, studio_photo(256, 128));
		assert_int_equal(json_array_size(items_of(&s)), cases[i].n);
		assert_float_equal(score_of(&s, cases[i].n - 1), cases[i].last, 1e-6);
		studio_done(&s);
	}
}

TEST(faces_of_a_turned_picture_are_where_one_sees_them)
{
	struct shot s = { 0 };
	VipsImage *turned = studio_turned(studio_photo(128, 256), 6), *upright;
	const VipsPel *pixel;

	assert_int_equal(vips_autorot(turned, &upright, NULL), 0);
	assert_int_equal(vips_image_wio_input(upright), 0);
	pixel = VIPS_IMAGE_ADDR(upright, 120 + 56, 10 + 56);
	set_up();
	put(36, 30, 2.5f, 28, 0.9f);
	s.ask = backend;
	studio_run(&s, "faces", "{}", studio_file(turned, "a.tif"), "tiff");
	assert_int_equal(json_array_size(items_of(&s)), 1);
	assert_int_equal(json_integer_value(json_object_get(s.data, "width")), 256);
	assert_float_equal(crops[0][56 * 112 + 56], ((float)pixel[0] - 127.5f) / 127.5f, 1e-5);
	image_unref(upright);
	studio_done(&s);
}

/* All of the picture when there are faces, and only then. */
TEST(faces_ask_for_the_memory_of_the_picture_at_full_size)
{
	struct shot none = { 0 }, one = { 0 };

	set_up();
	none.ask = one.ask = backend;
	studio_run(&none, "faces", "{}", studio_file(studio_plain(2000, 1000, 1, 2, 3), "a.jpg"), "jpeg");
	put(36, 30, 2.5f, 28, 0.9f);
	studio_run(&one, "faces", "{}", studio_file(studio_plain(2000, 1000, 1, 2, 3), "a.jpg"), "jpeg");
	assert_int_equal(json_array_size(items_of(&one)), 1);
	assert_true(none.asked_memory > 0 && one.asked_memory >= none.asked_memory + 5000000);
	studio_done(&none);
	studio_done(&one);
}

TEST(faces_with_models_that_do_not_fit_names_both_sides)
{
	static const struct { const char *detector, *embedder, *says; } bad[] = {
		{ MODEL("[1,3,-1,-1]", OUT("448", "1"), "{}"), EMBEDDER("-1"), "/detect' gives 1 outputs, an SCRFD with landmarks 9" },
		{ MODEL("[1,3,-1,-1]", NINE, "{\"size\":[48,64]}"), EMBEDDER("-1"), "48 x 64, whose sides are no multiples of 32" },
		{ MODEL("[1,1,9,9]", NINE, "{}"), EMBEDDER("-1"), "[1,1,9,9]" },
		{ DETECTOR, MODEL("[-1,3,160,160]", OUT("683", "512"), "{}"), "[-1,3,160,160], faces gives FP32 [N,3,112,112]" },
		{ DETECTOR, MODEL("[-1,3,112,112]", "", "{}"), "1 inputs and 0 outputs" },
		{ "{\"error\":{\"kind\":\"reject\",\"message\":\"there is no such directory\"}}", EMBEDDER("-1"), "there is no such directory" },
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct shot s = { 0 };

		set_up();
		detector = bad[i].detector;
		embedder = bad[i].embedder;
		faces(&s, "{}", studio_plain(64, 64, 1, 2, 3));
		assert_int_equal(s.result, -1);
		assert_int_equal(s.err.kind, ERR_REJECT);
		if (!strstr(s.err.msg, bad[i].says))
			fail_msg("'%s' does not say '%s'", s.err.msg, bad[i].says);
		studio_done(&s);
	}
}

TEST(faces_whose_landmarks_are_one_point_are_refused)
{
	struct shot s = { 0 };

	set_up();
	found[0][0] = 0.9f;
	faces(&s, "{}", studio_plain(64, 64, 1, 2, 3));
	assert_int_equal(s.result, -1);
	assert_non_null(strstr(s.err.msg, "are one point"));
	studio_done(&s);
}
