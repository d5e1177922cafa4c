#include "preprocess.h"
#include "studio.h"
#include "test.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fitted {
	struct preprocess how;
	struct placed at;
	struct tensor t;
};

static void fitted_done(struct fitted *f)
{
	tensor_done(&f->t);
}

static struct fitted fit(VipsImage *take_image, const char *name, const struct preprocess *kind, int width, int height)
{
	struct fitted f = { .how = *kind };
	struct picture p = { 0 };
	struct err err;
	int fd = studio_file(take_image, name);

	f.how.width = width;
	f.how.height = height;
	assert_int_equal(picture_open_fd(fd, 100000000, &p, &err), 0);
	if (preprocess_picture(&p, &f.how, &f.t, &f.at, &err) < 0)
		fail_msg("%s", err.msg);
	picture_close(&p);
	close(fd);
	return f;
}

/* As a byte again. */
static double value(const struct fitted *f, int channel, int x, int y)
{
	size_t at = ((size_t)channel * (size_t)f->how.height + (size_t)y) * (size_t)f->how.width + (size_t)x;

	return ((double)((const float *)f->t.bytes)[at] * f->how.std[channel] + f->how.mean[channel]) * f->how.scale;
}

static void is_color(const struct fitted *f, int x, int y, double r, double g, double b)
{
	assert_float_equal(value(f, 0, x, y), r, 0.6);
	assert_float_equal(value(f, 1, x, y), g, 0.6);
	assert_float_equal(value(f, 2, x, y), b, 0.6);
}

static void is_placed(const struct fitted *f, int left, int top, int inner_width, int inner_height)
{
	assert_int_equal(f->at.left, left);
	assert_int_equal(f->at.top, top);
	assert_int_equal(f->at.inner_width, inner_width);
	assert_int_equal(f->at.inner_height, inner_height);
}

/* ---- fitting ---- */

/* 320 x 180 into 64 x 64: scaled by 0.2 to 64 x 36, bars of 14 above and below. */
TEST(preprocess_letterbox_centres_the_picture_between_grey_bars)
{
	scoped(fitted_done) struct fitted f = fit(studio_plain(320, 180, 250, 100, 30), "a.png", &preprocess_yolo, 64, 64);

	is_placed(&f, 0, 14, 64, 36);
	is_color(&f, 0, 13, 114, 114, 114);
	is_color(&f, 0, 14, 250, 100, 30);
	is_color(&f, 63, 49, 250, 100, 30);
	is_color(&f, 63, 50, 114, 114, 114);
}

/* 30 x 99 into 64 x 64: scaled by 0.6465 to 19 x 64; 45 columns are left: round(22.5 - 0.1) = 22 to the left, 23 to the right. */
TEST(preprocess_letterbox_puts_the_odd_column_to_the_right)
{
	scoped(fitted_done) struct fitted f = fit(studio_plain(30, 99, 10, 20, 200), "a.png", &preprocess_yolo, 64, 64);

	is_placed(&f, 22, 0, 19, 64);
	is_color(&f, 21, 30, 114, 114, 114);
	is_color(&f, 22, 30, 10, 20, 200);
	is_color(&f, 40, 30, 10, 20, 200);
	is_color(&f, 41, 30, 114, 114, 114);
}

TEST(preprocess_letterbox_enlarges_and_takes_inputs_that_are_no_squares)
{
	scoped(fitted_done) struct fitted f = fit(studio_plain(20, 10, 1, 2, 3), "a.png", &preprocess_yolo, 96, 64);

	is_placed(&f, 0, 8, 96, 48);
	is_color(&f, 95, 55, 1, 2, 3);
	is_color(&f, 95, 56, 114, 114, 114);
}

/* 100 x 75: 224 x 100 / 75 = 298.67, of which 298 are taken: (298 - 224) / 2 = 37 are cut off on each side. */
TEST(preprocess_crop_rounds_the_longer_edge_down_and_takes_the_middle)
{
	scoped(fitted_done) struct fitted wide = fit(studio_photo(100, 75), "a.png", &preprocess_clip, 224, 224);
	scoped(fitted_done) struct fitted tall = fit(studio_photo(75, 101), "b.png", &preprocess_clip, 224, 224);
	scoped(fitted_done) struct fitted oblong = fit(studio_photo(75, 100), "c.png", &preprocess_clip, 100, 200);

	is_placed(&wide, -37, 0, 298, 224);
	is_placed(&tall, 0, -38, 224, 301);     /* 301.65; 77 too many, 38 above and 39 below */
	is_placed(&oblong, -25, 0, 150, 200);
}

/* 100 x 75: 64 x 0.75 = 48. 101 x 76: 48.16, down to 48. */
TEST(preprocess_top_left_leaves_bytes_of_zero_below_and_to_the_right)
{
	scoped(fitted_done) struct fitted wide = fit(studio_plain(101, 76, 200, 100, 50), "a.png", &preprocess_scrfd, 64, 64);
	scoped(fitted_done) struct fitted tall = fit(studio_plain(76, 101, 200, 100, 50), "b.png", &preprocess_scrfd, 64, 64);

	is_placed(&wide, 0, 0, 64, 48);
	is_color(&wide, 63, 47, 200, 100, 50);
	is_color(&wide, 0, 48, 0, 0, 0);
	is_placed(&tall, 0, 0, 48, 64);
	is_color(&tall, 47, 63, 200, 100, 50);
	is_color(&tall, 48, 63, 0, 0, 0);
	assert_float_equal((double)((float *)wide.t.bytes)[64 * 64 - 1], -127.5 / 128, 1e-6);
}

TEST(preprocess_squash_keeps_no_shape)
{
	scoped(fitted_done) struct fitted f = fit(studio_plain(300, 20, 9, 99, 199), "a.png", &preprocess_blip, 48, 32);

	is_placed(&f, 0, 0, 48, 32);
	is_color(&f, 0, 0, 9, 99, 199);
	is_color(&f, 47, 31, 9, 99, 199);
}

TEST(preprocess_survives_the_extreme_shapes)
{
	static const struct preprocess *const kinds[] = { &preprocess_clip, &preprocess_blip, &preprocess_yolo, &preprocess_scrfd };

	for (size_t i = 0; i < countof(kinds); i++) {
		scoped(fitted_done) struct fitted dot = fit(studio_plain(1, 1, 50, 60, 70), "a.png", kinds[i], 64, 64);
		scoped(fitted_done) struct fitted line = fit(studio_plain(4000, 1, 50, 60, 70), "b.png", kinds[i], 64, 64);
		scoped(fitted_done) struct fitted post = fit(studio_plain(1, 4000, 50, 60, 70), "c.png", kinds[i], 64, 64);

		is_color(&dot, 0, 0, 50, 60, 70);
		is_color(&line, line.at.left > 0 ? line.at.left : 0, line.at.top > 0 ? line.at.top : 0, 50, 60, 70);
		is_color(&post, post.at.left > 0 ? post.at.left : 0, post.at.top > 0 ? post.at.top : 0, 50, 60, 70);
	}
}

/* ---- files ---- */

TEST(preprocess_takes_grey_transparent_and_deep_pictures)
{
	scoped(fitted_done) struct fitted grey = fit(studio_grey(64, 64), "a.png", &preprocess_yolo, 64, 64);
	scoped(fitted_done) struct fitted clear = fit(studio_with_alpha(64, 64), "b.png", &preprocess_yolo, 64, 64);
	scoped(fitted_done) struct fitted deep = fit(studio_wide(64, 64), "d.png", &preprocess_yolo, 64, 64);
	scoped(fitted_done) struct fitted cmyk = fit(studio_cmyk(64, 64), "e.jpg", &preprocess_yolo, 64, 64);
	scoped(fitted_done) struct fitted plain = fit(studio_photo(64, 64), "f.png", &preprocess_yolo, 64, 64);

	assert_true(fabs(value(&grey, 0, 5, 5) - value(&grey, 2, 5, 5)) < 1e-6);
	is_color(&clear, 0, 0, 255, 255, 255);
	assert_float_equal(value(&clear, 1, 50, 40), value(&plain, 1, 50, 40), 0.6);
	for (int c = 0; c < 3; c++) {
		assert_float_equal(value(&deep, c, 60, 5), value(&plain, c, 60, 5), 1.1);
		assert_float_equal(value(&cmyk, c, 60, 5), value(&plain, c, 60, 5), 30);
	}
}

/* Each of the eight ways to hold a camera: the same tensor as of the picture that was turned before. */
TEST(preprocess_turns_the_picture_upright_before_it_cuts)
{
	static const struct preprocess *const kinds[] = { &preprocess_clip, &preprocess_scrfd, &preprocess_yolo };

	for (int orientation = 1; orientation <= 8; orientation++)
		for (size_t i = 0; i < countof(kinds); i++) {
			VipsImage *file = studio_turned(studio_photo(150, 97), orientation), *turned;
			scoped(fitted_done) struct fitted a = { 0 }, b = { 0 };
			double worst = 0;

			assert_int_equal(vips_autorot(file, &turned, NULL), 0);
			a = fit(file, "a.tif", kinds[i], 40, 40);
			b = fit(turned, "b.tif", kinds[i], 40, 40);
			assert_memory_equal(&a.at, &b.at, sizeof a.at);
			for (int k = 0; k < 3 * 40 * 40; k++)
				worst = max_of(worst, fabs(value(&a, k / 1600, k % 40, k / 40 % 40) - value(&b, k / 1600, k % 40, k / 40 % 40)));
			if (worst > 1.1)
				fail_msg("orientation %d: off by %.1f", orientation, worst);
		}
}

/* What was made smaller at first is compared with the same pixels of the file, all of them, to a 64th. */
static double off_from_all_pixels(const struct fitted *f, const char *name)
{
	struct picture p = { 0 };
	struct pixels all, small = { .width = 64, .height = 64 };
	VipsImage *image;
	struct err err;
	double sum = 0;
	int fd = open(test_path(name), O_RDONLY | O_CLOEXEC);

	assert_int_equal(picture_open_fd(fd, 100000000, &p, &err), 0);
	assert_int_equal(picture_load(&p, true, &image, &err), 0);
	all = (struct pixels){ VIPS_IMAGE_ADDR(image, 0, 0), image->Xsize, image->Ysize, 3 };
	resample(&all, &(struct resample){ .kernel = KERNEL_CUBIC, .left = 16, .whole_width = 96, .whole_height = 64 }, &small);
	for (int k = 0; k < 3 * 64 * 64; k++)
		sum += fabs(value(f, k % 3, k / 3 % 64, k / 192) - small.bytes[k]);
	pixels_done(&small);
	image_unref(image);
	picture_close(&p);
	close(fd);
	return sum / (3 * 64 * 64);
}

TEST(preprocess_of_what_the_decoder_made_smaller_is_near_to_that_of_all_pixels)
{
	static const char *const names[] = { "a.jpg", "b.png", "c.webp" };

	for (size_t i = 0; i < countof(names); i++) {
		scoped(fitted_done) struct fitted f = fit(studio_photo(1503, 1001), names[i], &preprocess_clip, 64, 64);
		double off = off_from_all_pixels(&f, names[i]);

		is_placed(&f, -16, 0, 96, 64);
		if (off > 0.5)
			fail_msg("%s: off by %.3f of 255 in the mean", names[i], off);
	}
}

/* ---- the card ---- */

static struct model described(const char *shape, const char *card)
{
	struct model m = { .nin = 1, .in = { { .name = "in", .datatype = "FP32", .rank = 4 } }, .card = json_loads(card, 0, NULL) };
	json_t *list = json_loads(shape, 0, NULL);

	assert_non_null(m.card);
	m.in[0].rank = json_array_size(list);
	for (size_t i = 0; i < m.in[0].rank; i++)
		m.in[0].shape[i] = json_integer_value(json_array_get(list, i));
	json_decref(list);
	return m;
}

TEST(preprocess_plan_takes_sizes_from_the_model_then_the_card_then_the_kind)
{
	static const struct { const char *shape, *card; int width, height; } cases[] = {
		{ "[-1,3,-1,-1]", "{}", 224, 224 },
		{ "[1,3,336,300]", "{}", 300, 336 },
		{ "[-1,3,-1,-1]", "{\"size\":[336,200]}", 336, 200 },
		{ "[-1,-1,64,-1]", "{\"size\":[32,64]}", 32, 64 },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct model m = described(cases[i].shape, cases[i].card);
		struct preprocess how;
		struct err err;

		if (preprocess_plan(&m, "clip_embed", &preprocess_clip, &how, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(how.width, cases[i].width);
		assert_int_equal(how.height, cases[i].height);
		assert_string_equal(how.name, "in");
		model_done(&m);
	}
}

TEST(preprocess_plan_does_what_the_card_says)
{
	struct model m = described("[1,3,64,64]", "{\"preprocess\":{\"resize\":\"squash\",\"kernel\":\"linear\",\"mean\":[1,2,3],\"std\":[4,5,6],"
		"\"scale\":1,\"pad\":7,\"order\":\"bgr\",\"antialias\":false}}");
	scoped(fitted_done) struct fitted f = { 0 };
	struct preprocess how;
	struct err err;

	assert_int_equal(preprocess_plan(&m, "detect", &preprocess_yolo, &how, &err), 0);
	assert_true(how.fit == FIT_SQUASH && how.kernel == KERNEL_LINEAR && how.is_bgr && how.is_sparse);
	assert_int_equal(how.pad, 7);
	f = fit(studio_plain(64, 64, 10, 20, 30), "a.png", &how, 64, 64);
	assert_float_equal((double)((float *)f.t.bytes)[0], (30 - 1) / 4.0, 1e-6);
	assert_float_equal((double)((float *)f.t.bytes)[2 * 4096], (10 - 3) / 6.0, 1e-6);
	model_done(&m);
}

/* 256 for 224: 342 would be 341.33, of which 59 are cut off on the left and 58 on the right; 16 above and below. */
TEST(preprocess_crop_cuts_the_middle_out_of_a_longer_edge)
{
	scoped(fitted_done) struct fitted wide = fit(studio_photo(100, 75), "a.png", &preprocess_classify, 224, 224);
	struct model m = described("[1,3,112,112]", "{}"), n = described("[1,3,112,112]", "{\"preprocess\":{\"edge\":120}}"),
		small = described("[1,3,112,112]", "{\"preprocess\":{\"edge\":111}}");
	struct preprocess how;
	struct err err;

	is_placed(&wide, -58, -16, 341, 256);
	assert_int_equal(preprocess_plan(&m, "classify", &preprocess_classify, &how, &err), 0);
	assert_int_equal(how.edge, 128);
	assert_int_equal(preprocess_plan(&n, "classify", &preprocess_classify, &how, &err), 0);
	assert_int_equal(how.edge, 120);
	assert_int_equal(preprocess_plan(&small, "classify", &preprocess_classify, &how, &err), -1);
	assert_non_null(strstr(err.msg, "/preprocess/edge: allowed is a whole number from 112"));
	model_done(&m);
	model_done(&n);
	model_done(&small);
}

TEST(preprocess_gives_bytes_to_a_model_that_takes_bytes)
{
	struct model m = described("[1,3,64,64]", "{}"), n = described("[1,3,64,64]", "{\"preprocess\":{\"scale\":2}}");
	struct model *both[] = { &m, &n };

	for (size_t i = 0; i < countof(both); i++) {
		scoped(fitted_done) struct fitted f = { 0 };
		struct preprocess how;
		struct err err;

		memcpy(both[i]->in[0].datatype, "UINT8", 6);
		assert_int_equal(preprocess_plan(both[i], "detect", &preprocess_clip, &how, &err), 0);
		f = fit(studio_plain(64, 64, 10, 20, 255), "a.png", &how, 64, 64);
		assert_string_equal(f.t.is.datatype, "FP32");
		assert_true(((float *)f.t.bytes)[0] == (i ? 5 : 10) && ((float *)f.t.bytes)[3 * 4096 - 1] == (i ? 127.5f : 255));
		model_done(both[i]);
	}
}

TEST(preprocess_plan_names_what_does_not_fit)
{
	static const struct { const char *shape, *card, *says; } bad[] = {
		{ "[3,64,64]", "{}", "it takes 'in' FP32 [3,64,64], clip_embed gives FP32 [1,3,height,width] of 16 to 2048 pixels a side" },
		{ "[1,64,64,3]", "{}", "[1,64,64,3]" },
		{ "[8,3,64,64]", "{}", "[8,3,64,64]" },
		{ "[1,3,64,4096]", "{}", "[1,3,64,4096]" },
		{ "[1,3,64,64]", "{\"size\":[64,32]}", "its model.json says \"size\": [64,32], that is width and height" },
		{ "[1,3,-1,-1]", "{\"size\":[64,4]}", "/size: allowed is [width,height], each from 16 to 2048" },
		{ "[1,3,64,64]", "{\"preprocess\":[]}", "/preprocess: allowed is an object" },
		{ "[1,3,64,64]", "{\"preprocess\":{\"resize\":\"stretch\"}}", "/preprocess/resize: allowed is \"crop\", \"squash\"" },
		{ "[1,3,64,64]", "{\"preprocess\":{\"kernel\":1}}", "/preprocess/kernel" },
		{ "[1,3,64,64]", "{\"preprocess\":{\"order\":\"rbg\"}}", "/preprocess/order: allowed is \"rgb\" or \"bgr\"" },
		{ "[1,3,64,64]", "{\"preprocess\":{\"antialias\":0}}", "/preprocess/antialias" },
		{ "[1,3,64,64]", "{\"preprocess\":{\"mean\":[1,2]}}", "/preprocess/mean: allowed is a number or three" },
		{ "[1,3,64,64]", "{\"preprocess\":{\"std\":[1,2,0]}}", "/preprocess/std: allowed is a number or three, and none of them 0" },
		{ "[1,3,64,64]", "{\"preprocess\":{\"scale\":0}}", "/preprocess/scale" },
		{ "[1,3,64,64]", "{\"preprocess\":{\"pad\":256}}", "/preprocess/pad: allowed is a whole number from 0 to 255" },
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct model m = described(bad[i].shape, bad[i].card);
		struct preprocess how;
		struct err err;

		assert_int_equal(preprocess_plan(&m, "clip_embed", &preprocess_clip, &how, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
		model_done(&m);
	}
}

/* ---- back ---- */

TEST(placed_back_undoes_scale_and_bars_and_cuts_off)
{
	const struct placed l = { .width = 64, .height = 64, .left = 0, .top = 14, .inner_width = 64, .inner_height = 36,
		.picture_width = 320, .picture_height = 180 };
	struct box b = { 16, 23, 32, 32, 1, 0 }, out = { -5, 0, 70, 64, 1, 0 }, none = { NAN, NAN, NAN, NAN, 1, 0 };
	float x = -1, y = 14;

	placed_back(&l, &b);
	assert_float_equal((double)b.left, 80, 1e-4);           /* 16 / 0.2 */
	assert_float_equal((double)b.top, 45, 1e-4);            /* (23 - 14) / 0.2 */
	assert_float_equal((double)b.right, 160, 1e-4);
	assert_float_equal((double)b.bottom, 90, 1e-4);
	placed_back(&l, &out);
	assert_float_equal((double)out.left, 0, 0);
	assert_float_equal((double)out.top, 0, 0);
	assert_float_equal((double)out.right, 320, 0);
	assert_float_equal((double)out.bottom, 180, 0);
	placed_back(&l, &none);
	assert_float_equal((double)none.left, 0, 0);
	placed_point_back(&l, &x, &y);
	assert_float_equal((double)x, -5, 1e-4);
	assert_float_equal((double)y, 0, 1e-4);
}
