#include "picture.h"
#include "studio.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static VipsImage *inpaint(struct shot *s, const char *params, VipsImage *take_image)
{
	studio_run(s, "inpaint", params, studio_file(take_image, "a.png"), NULL);
	if (s->result < 0)
		fail_msg("%s", s->err.msg);
	return studio_output(s, 0);
}

static double pixel(VipsImage *image, int x, int y, int band)
{
	double *p, v;
	int n;

	assert_int_equal(vips_getpoint(image, &p, &n, x, y, NULL), 0);
	assert_true(band < n);
	v = p[band];
	g_free(p);
	return v;
}

/* Greatest difference of the pixels of which the mask, the tool's second output, is black. */
static double difference_outside(struct shot *s, VipsImage *was, VipsImage *now)
{
	VipsImage *mask = studio_output(s, 1), *no_hole, *kept[2], *black;
	double most;

	assert_true(mask->Bands == 1 && mask->Xsize == was->Xsize && mask->Ysize == was->Ysize);
	assert_int_equal(vips_black(&black, was->Xsize, was->Ysize, NULL), 0);
	assert_int_equal(vips_equal(mask, black, &no_hole, NULL), 0);
	assert_int_equal(vips_ifthenelse(no_hole, was, black, &kept[0], NULL), 0);
	assert_int_equal(vips_ifthenelse(no_hole, now, black, &kept[1], NULL), 0);
	most = studio_difference(kept[0], kept[1]);
	image_unref(mask);
	image_unref(black);
	image_unref(no_hole);
	image_unref(kept[0]);
	image_unref(kept[1]);
	return most;
}

static size_t filled(const struct shot *s)
{
	return (size_t)json_integer_value(json_object_get(s->data, "filled"));
}

#define SAVED "\"save_mask\":true,\"format\":\"png\""

TEST(inpaint_fills_a_region_and_changes_nothing_else)
{
	VipsImage *was = studio_plain(80, 60, 40, 90, 140), *got;
	struct shot s = { 0 };

	assert_int_equal(vips_draw_rect(was, (double[]){ 255, 0, 0 }, 3, 20, 15, 10, 8, "fill", TRUE, NULL), 0);
	got = inpaint(&s, "{\"regions\":[{\"box\":[20,15,10,8]}]," SAVED "}", g_object_ref(was));
	assert_true(pixel(got, 25, 18, 0) == 40 && pixel(got, 20, 15, 1) == 90 && pixel(got, 29, 22, 2) == 140);
	assert_true(difference_outside(&s, was, got) == 0);
	assert_int_equal(filled(&s), 80);
	assert_string_equal(s.outs[0].name, "image");
	assert_string_equal(json_string_value(json_object_get(s.data, "method")), "fast_marching");
	assert_int_equal(json_integer_value(json_object_get(s.data, "regions")), 1);
	image_unref(was);
	image_unref(got);
	studio_done(&s);
}

/* Each kind of picture, with shapes that reach beyond it. */
TEST(inpaint_leaves_every_pixel_outside_of_the_hole_as_it_was)
{
	static VipsImage *(*const make[])(int, int) = { studio_photo, studio_with_alpha, studio_wide, studio_grey };
	static const char *const params[] = {
		"{\"regions\":[{\"box\":[10,10,30,12]},{\"box\":[60,40,1e9,1e9]}],\"dilate\":3," SAVED "}",
		"{\"regions\":[{\"points\":[5,5,60,20,40,70]},{\"points\":[-50,-50,20,-9,10,15,-1e300,1e300]}],\"feather\":4," SAVED "}",
		"{\"regions\":[{\"box\":[30,30,40,20]}],\"mask_from\":\"text\",\"radius\":3," SAVED "}",
	};

	for (size_t i = 0; i < countof(make); i++)
		for (size_t k = 0; k < countof(params); k++) {
			struct shot s = { 0 };
			VipsImage *was = make[i](100, 80), *got = inpaint(&s, params[k], g_object_ref(was));

			assert_true(filled(&s) > 0);
			assert_int_equal(got->Bands, was->Bands);
			assert_int_equal(got->BandFmt, was->BandFmt);
			assert_true(difference_outside(&s, was, got) == 0);
			image_unref(was);
			image_unref(got);
			studio_done(&s);
		}
}

TEST(inpaint_of_nothing_gives_the_picture_as_it_was)
{
	static const char *const params[] = { "{\"format\":\"png\"}", "{\"format\":\"png\",\"regions\":[]}",
		"{\"format\":\"png\",\"regions\":[{\"box\":[500,500,20,20]}]}", "{\"format\":\"png\",\"regions\":[{\"box\":[5,5,0,9]}]}",
		"{\"format\":\"png\",\"regions\":[{\"box\":[9,9,-4,-4]}],\"mask_from\":\"text\"}" };

	for (size_t i = 0; i < countof(params) - 1; i++) {
		struct shot s = { 0 };
		VipsImage *was = studio_photo(50, 40), *got = inpaint(&s, params[i], g_object_ref(was));

		assert_int_equal(filled(&s), 0);
		assert_true(studio_difference(was, got) == 0);
		image_unref(was);
		image_unref(got);
		studio_done(&s);
	}
}

static void refused(const char *params, VipsImage *take_image, const char *why)
{
	struct shot s = { 0 };

	studio_run(&s, "inpaint", params, studio_file(take_image, "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	if (!strstr(s.err.msg, why))
		fail_msg("'%s' is not in: %s", why, s.err.msg);
	assert_int_equal(s.n, 0);
	studio_done(&s);
}

TEST(inpaint_of_everything_is_refused)
{
	refused("{\"regions\":[{\"box\":[-5,-5,1e6,1e6]}]}", studio_photo(50, 40), "all of the picture's 2000 pixels");
	refused("{\"regions\":[{\"box\":[0,0,1,1]}]}", studio_photo(1, 1), "all of the picture's 1 pixels");
	refused("{\"regions\":[{}]}", studio_photo(9, 9), "no \"box\" of four numbers and no \"points\"");
	refused("{\"method\":\"lama\",\"regions\":[{\"box\":[0,0,1,1]}]}", studio_photo(9, 9), "needs the parameter \"model\"");
}

static char *many(size_t n, const char *region)
{
	struct buf b = { 0 };

	buf_puts(&b, "{\"format\":\"png\",\"regions\":[");
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s", i ? "," : "", region);
	buf_puts(&b, "]}");
	return buf_take(&b);
}

TEST(inpaint_bounds_what_is_asked_of_it)
{
	scoped(free_p) char *most = many(10000, "{\"box\":[3,3,2,2]}"), *large = many(5000, "{\"box\":[0,0,290,290]}");
	struct shot s = { 0 };
	json_t *items = json_object(), *list = json_array();
	VipsImage *got = inpaint(&s, most, studio_photo(50, 40));

	assert_int_equal(filled(&s), 4);
	image_unref(got);
	studio_done(&s);
	refused(large, studio_photo(300, 300), "together they are over 40 times as large");
	for (size_t i = 0; i < 10001; i++)
		json_array_append_new(list, json_pack("{s:[i,i,i,i]}", "box", 3, 3, 1, 1));
	json_object_set_new(items, "items", list);
	s = (struct shot){ .items = items };
	studio_run(&s, "inpaint", "{}", studio_file(studio_photo(50, 40), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_non_null(strstr(s.err.msg, "more than 10000 regions"));
	studio_done(&s);
	json_decref(items);
}

TEST(inpaint_takes_the_items_of_a_need_at_their_size)
{
	json_t *items = json_loads("{\"width\":40,\"height\":30,\"items\":[{\"label\":\"cat\",\"box\":[10,5,10,10]},{\"label\":\"no place\"},"
		"{\"points\":[[30,20],[35,20],[35,25]]},7,{\"box\":[1,2,\"x\",4]}]}", 0, NULL);
	struct shot s = { .items = items };
	VipsImage *was = studio_photo(80, 60), *got = inpaint(&s, "{\"dilate\":0," SAVED "}", g_object_ref(was)), *mask = studio_output(&s, 1);

	assert_int_equal(json_integer_value(json_object_get(s.data, "regions")), 2);
	assert_true(pixel(mask, 20, 10, 0) == 255 && pixel(mask, 39, 29, 0) == 255 && pixel(mask, 19, 10, 0) == 0 && pixel(mask, 40, 29, 0) == 0);
	assert_true(difference_outside(&s, was, got) == 0);
	image_unref(mask);
	image_unref(was);
	image_unref(got);
	studio_done(&s);
	json_decref(items);
}

/* A line of letters as ocr says it: only they are filled, and they are gone. */
TEST(inpaint_takes_letters_out_and_leaves_what_is_between_them)
{
	VipsImage *clean = studio_photo(420, 120), *letters, *was, *got;
	json_t *items = json_loads("{\"items\":[{\"label\":\"Hello there\",\"line\":0,\"box\":[30,32,330,52],"
		"\"points\":[[30,32],[360,32],[360,84],[30,84]]}]}", 0, NULL);
	struct shot s = { .items = items };

	assert_int_equal(vips_text(&letters, "Hello there", "font", "DejaVu Sans Bold 50", "dpi", 72, NULL), 0);
	was = studio_photo(420, 120);
	assert_int_equal(vips_draw_mask(was, (double[]){ 250, 250, 240 }, 3, letters, 32, 40, NULL), 0);
	got = inpaint(&s, "{" SAVED "}", g_object_ref(was));
	assert_true(filled(&s) > 2000 && filled(&s) < 330 * 52 * 95 / 100);
	assert_true(difference_outside(&s, was, got) == 0);
	assert_true(studio_psnr(clean, got) > studio_psnr(clean, was) + 10);
	assert_true(studio_psnr(clean, got) > 28);
	image_unref(clean);
	image_unref(letters);
	image_unref(was);
	image_unref(got);
	studio_done(&s);
	json_decref(items);
}

/* Only the first word was read. */
TEST(inpaint_takes_letters_that_follow_a_line_out_too)
{
	VipsImage *clean = studio_plain(520, 120, 90, 120, 140), *letters, *was = studio_plain(520, 120, 90, 120, 140), *got;
	json_t *items = json_loads("{\"items\":[{\"label\":\"Hello\",\"line\":0,\"points\":[[30,38],[180,38],[180,82],[30,82]]}]}", 0, NULL);
	struct shot s = { .items = items };

	assert_int_equal(vips_text(&letters, "Hello there", "font", "DejaVu Sans Bold 50", "dpi", 72, NULL), 0);
	assert_int_equal(vips_draw_mask(was, (double[]){ 250, 250, 240 }, 3, letters, 32, 40, NULL), 0);
	got = inpaint(&s, "{" SAVED "}", g_object_ref(was));
	assert_true(studio_difference(clean, got) <= 2);
	assert_true(studio_difference(clean, was) > 100);
	image_unref(clean);
	image_unref(letters);
	image_unref(was);
	image_unref(got);
	studio_done(&s);
	json_decref(items);
}

static VipsImage *mask_with(int width, int height, int left, int top, int w, int h, double value)
{
	VipsImage *lazy, *mask;

	studio_start();
	assert_int_equal(vips_black(&lazy, width, height, NULL), 0);
	mask = vips_image_copy_memory(lazy);
	image_unref(lazy);
	mask->Type = VIPS_INTERPRETATION_B_W;
	if (w > 0)
		assert_int_equal(vips_draw_rect(mask, &value, 1, left, top, w, h, "fill", TRUE, NULL), 0);
	return mask;
}

TEST(inpaint_stretches_a_mask_and_takes_class_numbers)
{
	static const double values[] = { 255, 3, 128 };

	for (size_t i = 0; i < countof(values); i++) {
		struct shot s = { .mask = mask_with(40, 30, 10, 5, 10, 10, values[i]) };
		VipsImage *was = studio_photo(80, 60), *got = inpaint(&s, "{\"dilate\":0," SAVED "}", g_object_ref(was)), *mask = studio_output(&s, 1);

		assert_int_equal(filled(&s), 400);
		assert_int_equal(got->Xsize, 80);
		assert_true(pixel(mask, 20, 10, 0) == 255 && pixel(mask, 39, 29, 0) == 255 && pixel(mask, 40, 29, 0) == 0);
		assert_true(difference_outside(&s, was, got) == 0);
		image_unref(s.mask);
		image_unref(mask);
		image_unref(was);
		image_unref(got);
		studio_done(&s);
	}
}

TEST(inpaint_does_without_a_hole_in_a_mask_and_refuses_one_of_nothing_else)
{
	struct shot s = { .mask = mask_with(40, 30, 0, 0, 0, 0, 0) };
	VipsImage *was = studio_photo(80, 60), *got = inpaint(&s, "{\"format\":\"png\"}", g_object_ref(was));

	assert_int_equal(filled(&s), 0);
	assert_true(studio_difference(was, got) == 0);
	image_unref(s.mask);
	image_unref(was);
	image_unref(got);
	studio_done(&s);
	s = (struct shot){ .mask = mask_with(3, 3, 0, 0, 3, 3, 255) };
	studio_run(&s, "inpaint", "{}", studio_file(studio_photo(50, 40), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	image_unref(s.mask);
	studio_done(&s);
	s = (struct shot){ .mask = mask_with(3, 3, 0, 0, 3, 3, 255) };
	studio_run(&s, "inpaint", "{}", -1, NULL);
	assert_int_equal(s.result, -1);
	assert_non_null(strstr(s.err.msg, "there is no picture among"));
	image_unref(s.mask);
	studio_done(&s);
}
