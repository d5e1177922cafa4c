#include "picture.h"
#include "studio.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- a model inside of this test: every pixel that is to be filled becomes `fill`, all others 0 ---- */

static const char *description;
static float fill;                      /* of each value of the answer */
static const char *answer_shape;        /* NULL: the image's */
static size_t asked, seen_width, seen_height, seen_masked, seen_keeps;

static int backend(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	const json_t *inputs = json_object_get(question, "inputs"), *shape = NULL;
	size_t offset = 0, mask_at = 0, n;
	float *planes;

	(void)ctx, (void)err;
	*ret_fd = -1;
	if (strcmp(json_string_value(json_object_get(question, "ask")), "model") == 0) {
		*ret = json_loads(description, 0, NULL);
		assert_non_null(*ret);
		return 0;
	}
	asked++;
	seen_keeps = (size_t)json_integer_value(json_object_get(question, "keeps"));
	for (size_t i = 0; i < 2; i++) {
		const json_t *in = json_array_get(inputs, i);
		bool is_mask = json_integer_value(json_array_get(json_object_get(in, "shape"), 1)) == 1;

		assert_string_equal(json_string_value(json_object_get(in, "name")), is_mask ? "mask" : "image");
		if (is_mask)
			mask_at = offset;
		else
			shape = json_object_get(in, "shape");
		offset += (size_t)json_integer_value(json_object_get(in, "bytes"));
	}
	seen_height = (size_t)json_integer_value(json_array_get(shape, 2));
	seen_width = (size_t)json_integer_value(json_array_get(shape, 3));
	n = seen_width * seen_height;
	assert_int_equal(offset, 4 * n * sizeof *planes);
	planes = xcalloc(3 * n, sizeof *planes);
	assert_int_equal(pread(fd, planes, n * sizeof *planes, (off_t)mask_at), n * sizeof *planes);
	seen_masked = 0;
	for (size_t i = 0; i < n; i++) {
		assert_true(planes[i] == 0 || planes[i] == 1);
		seen_masked += planes[i] == 1;
	}
	for (size_t i = 0; i < 3 * n; i++)
		planes[i] = fill;
	*ret_fd = memfd_create("answer", MFD_CLOEXEC);
	assert_int_equal(write(*ret_fd, planes, 3 * n * sizeof *planes), 3 * n * sizeof *planes);
	free(planes);
	*ret = json_pack("{s:[{s:s,s:s,s:o,s:i,s:I}]}", "outputs", "name", "output", "datatype", "FP32", "shape",
		answer_shape ? json_loads(answer_shape, 0, NULL) : json_deep_copy(shape), "offset", 0, "bytes",
		(json_int_t)(3 * n * sizeof *planes));
	return 0;
}

#define MODEL(inputs) "{\"model\":{\"inputs\":[" inputs "],\"outputs\":[{\"name\":\"output\",\"datatype\":\"FP32\",\"shape\":[-1,3,-1,-1]}]}," \
	"\"card\":{\"size\":[96,96]},\"device\":\"cpu\"}"
#define PICTURE(shape) "{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":" shape "}"
#define MASK(shape) "{\"name\":\"mask\",\"datatype\":\"FP32\",\"shape\":" shape "}"
#define FIXED MODEL(PICTURE("[-1,3,64,64]") "," MASK("[-1,1,64,64]"))
#define FREE MODEL(MASK("[1,1,-1,-1]") "," PICTURE("[1,3,-1,-1]"))

static double worst_inside(VipsImage *got, double value, int left, int top, int width, int height)
{
	VipsImage *part, *off, *abs;
	double most;

	assert_int_equal(vips_extract_area(got, &part, left, top, width, height, NULL), 0);
	assert_int_equal(vips_linear1(part, &off, 1, -value, NULL), 0);
	assert_int_equal(vips_abs(off, &abs, NULL), 0);
	assert_int_equal(vips_max(abs, &most, NULL), 0);
	image_unref(part);
	image_unref(off);
	image_unref(abs);
	return most;
}

/* The picture with the box 20, 10, 30 x 20 filled; the pixels outside are checked. */
static VipsImage *filled_by(const char *model, float value, const char *strategy, VipsImage *take_was)
{
	scoped(free_p) char *params = xasprintf("{\"model\":\"m\",\"strategy\":\"%s\",\"feather\":0,\"format\":\"png\","
		"\"regions\":[{\"box\":[20,10,30,20]}]}", strategy);
	struct shot s = { .ask = backend };
	VipsImage *was = g_object_ref(take_was), *got, *kept = g_object_ref(take_was), *cut;
	double black[4] = { 0 };

	description = model;
	fill = value;
	asked = 0;
	studio_run(&s, "inpaint", params, studio_file(take_was, "a.png"), NULL);
	if (s.result < 0)
		fail_msg("%s", s.err.msg);
	got = studio_output(&s, 0);
	assert_string_equal(json_string_value(json_object_get(s.data, "method")), "lama");
	assert_string_equal(json_string_value(json_object_get(s.data, "device")), "cpu");
	assert_int_equal(json_integer_value(json_object_get(s.data, "filled")), 600);
	cut = studio_output(&s, 0);
	assert_int_equal(vips_draw_rect(cut, black, got->Bands, 20, 10, 30, 20, "fill", TRUE, NULL), 0);
	assert_int_equal(vips_draw_rect(kept, black, got->Bands, 20, 10, 30, 20, "fill", TRUE, NULL), 0);
	assert_true(studio_difference(cut, kept) == 0);
	image_unref(was);
	image_unref(kept);
	image_unref(cut);
	studio_done(&s);
	return got;
}

TEST(lama_fills_in_bytes_or_in_shares_of_one)
{
	static const struct {
		float value;
		double byte;
	} answers[] = { { 0.5f, 128 }, { 1, 255 }, { 128, 128 }, { 300, 255 }, { -7, 0 } };

	for (size_t i = 0; i < countof(answers); i++) {
		VipsImage *got = filled_by(FIXED, answers[i].value, "crop", studio_photo(200, 150));

		assert_true(worst_inside(got, answers[i].byte, 20, 10, 30, 20) == 0);
		assert_int_equal(asked, 1);
		assert_true(seen_width == 64 && seen_height == 64);
		image_unref(got);
	}
}

TEST(lama_fills_grey_and_16_bits_and_leaves_alpha)
{
	VipsImage *got = filled_by(FIXED, 100, "crop", studio_grey(200, 150)), *alpha;

	assert_true(got->Bands == 1 && worst_inside(got, 100, 20, 10, 30, 20) == 0);
	image_unref(got);
	got = filled_by(FIXED, 100, "crop", studio_wide(200, 150));
	assert_true(worst_inside(got, 25700, 20, 10, 30, 20) == 0);
	image_unref(got);
	got = filled_by(FIXED, 100, "crop", studio_with_alpha(200, 150));       /* it is transparent there */
	assert_int_equal(vips_extract_band(got, &alpha, 3, NULL), 0);
	assert_true(worst_inside(alpha, 0, 20, 10, 30, 20) == 0);
	image_unref(alpha);
	image_unref(got);
}

TEST(lama_sees_what_the_strategy_says)
{
	image_unref(filled_by(FREE, 9, "original", studio_photo(201, 150)));
	assert_true(seen_width == 208 && seen_height == 152 && seen_masked >= 600);
	image_unref(filled_by(FREE, 9, "resize", studio_photo(201, 150)));
	assert_true(seen_width == 96 && seen_height == 72 && seen_masked < 300);
	image_unref(filled_by(FREE, 9, "crop", studio_photo(400, 300)));
	assert_true(seen_width <= 96 && seen_height <= 96 && seen_masked >= 100);
	image_unref(filled_by(FIXED, 9, "resize", studio_photo(201, 150)));
	assert_true(seen_width == 64 && seen_height == 64);
	image_unref(filled_by(FIXED, 9, "original", studio_photo(52, 50)));     /* the rest mirrors it */
	assert_true(seen_masked > 600);
}

TEST(lama_tells_what_it_keeps_of_the_picture_meanwhile)
{
	image_unref(filled_by(FREE, 9, "crop", studio_photo(400, 300)));
	assert_in_range(seen_keeps, 400 * 300 * (3 + 3 + 1), 400 * 300 * 12);   /* as it is, as it was, and the hole */
	image_unref(filled_by(FREE, 9, "crop", studio_photo(800, 300)));
	assert_true(seen_keeps > 800 * 300 * (3 + 3 + 1));
}

TEST(lama_fills_each_part_from_around_it)
{
	struct shot s = { .ask = backend };

	description = FREE;
	fill = 50;
	asked = 0;
	studio_run(&s, "inpaint", "{\"model\":\"m\",\"regions\":[{\"box\":[5,5,10,10]},{\"box\":[300,200,10,10]},{\"box\":[308,200,10,10]}]}",
		studio_file(studio_photo(400, 300), "a.png"), NULL);
	assert_int_equal(s.result, 0);
	assert_int_equal(asked, 2);
	studio_done(&s);
}

static void refused(const char *model, const char *params, const char *why)
{
	struct shot s = { .ask = backend };

	description = model;
	fill = 50;
	studio_run(&s, "inpaint", params, studio_file(studio_photo(200, 150), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	if (!strstr(s.err.msg, why))
		fail_msg("'%s' is not in: %s", why, s.err.msg);
	studio_done(&s);
}

TEST(lama_refuses_models_of_another_kind)
{
#define BOX "\"regions\":[{\"box\":[5,5,10,10]}]}"
	refused(MODEL(PICTURE("[1,3,64,64]")), "{\"model\":\"m\"," BOX, "takes 1 inputs ('image' FP32 [1,3,64,64]), inpaint gives two");
	refused(MODEL(PICTURE("[1,3,64,64]") "," MASK("[1,1,32,32]")), "{\"model\":\"m\"," BOX, "inpaint gives two");
	refused(MODEL(PICTURE("[1,3,64]") "," MASK("[1,1,64]")), "{\"model\":\"m\"," BOX, "inpaint gives two");
	refused(FIXED, "{\"model\":\"m\",\"strategy\":\"original\"," BOX, "model 'm' takes 64 x 64");
	answer_shape = "[1,1,64,192]";
	refused(FIXED, "{\"model\":\"m\"," BOX, "gave 'output' FP32 [1,1,64,192], inpaint needs FP32 [1,3,64,64]");
	answer_shape = NULL;
}
