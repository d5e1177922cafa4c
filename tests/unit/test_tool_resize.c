#include "picture.h"
#include "studio.h"
#include "test.h"

#include <string.h>

static void expect_size(const char *params, int fd, int width, int height)
{
	struct shot s = { 0 };
	VipsImage *got;

	studio_run(&s, "resize", params, fd, NULL);
	got = studio_output(&s, 0);
	assert_int_equal(got->Xsize, width);
	assert_int_equal(got->Ysize, height);
	assert_int_equal(s.outs[0].width, width);
	assert_int_equal(s.outs[0].height, height);
	image_unref(got);
	studio_done(&s);
}

TEST(resize_fits_inside_of_width_and_height)
{
	expect_size("{\"width\":64,\"height\":64}", studio_file(studio_photo(200, 100), "a.jpg"), 64, 32);
	expect_size("{\"width\":64,\"height\":64}", studio_file(studio_photo(100, 200), "a.webp"), 32, 64);
	expect_size("{\"width\":50}", studio_file(studio_photo(200, 100), "a.png"), 50, 25);
	expect_size("{\"height\":50}", studio_file(studio_photo(200, 100), "a.tif"), 100, 50);
	expect_size("{\"width\":1,\"height\":1}", studio_file(studio_photo(400, 3), "a.png"), 1, 1);
}

TEST(resize_to_exactly_that_size_when_aspect_is_not_kept)
{
	expect_size("{\"width\":64,\"height\":64,\"keep_aspect\":false}", studio_file(studio_photo(200, 100), "a.jpg"), 64, 64);
	expect_size("{\"width\":64,\"height\":300,\"keep_aspect\":false,\"enlarge\":false}", studio_file(studio_photo(200, 100), "a.jpg"), 64, 100);
	expect_size("{\"width\":64,\"height\":64,\"keep_aspect\":false,\"kernel\":\"linear\"}", studio_file(studio_photo(200, 100), "a.png"), 64, 64);
	expect_size("{\"width\":64,\"keep_aspect\":false}", studio_file(studio_photo(200, 100), "a.jpg"), 64, 32);
}

TEST(resize_enlarges_unless_told_not_to)
{
	expect_size("{\"width\":300}", studio_file(studio_photo(200, 100), "a.png"), 300, 150);
	expect_size("{\"width\":300,\"enlarge\":false}", studio_file(studio_photo(200, 100), "a.png"), 200, 100);
	expect_size("{\"width\":300,\"enlarge\":false,\"kernel\":\"cubic\"}", studio_file(studio_photo(200, 100), "a.png"), 200, 100);
}

TEST(resize_counts_from_the_upright_picture)
{
	expect_size("{\"width\":50}", studio_file(studio_turned(studio_photo(200, 100), 6), "a.jpg"), 50, 100);
	expect_size("{\"width\":50,\"kernel\":\"nearest\"}", studio_file(studio_turned(studio_photo(200, 100), 6), "a.jpg"), 50, 100);
}

/* What `vips thumbnail` makes of the same file. */
static void expect_as_thumbnail(VipsImage *take_image, const char *name, const char *profile)
{
	struct shot s = { 0 };
	VipsImage *want, *got;
	const char *path = test_path(name);
	int fd = studio_file(take_image, name);
	double most;

	assert_int_equal(vips_thumbnail(path, &want, 100, "height", 100, profile ? "export_profile" : NULL, profile, NULL), 0);
	studio_run(&s, "resize", "{\"width\":100,\"height\":100,\"format\":\"png\"}", fd, NULL);
	got = studio_output(&s, 0);
	most = studio_difference(want, got);        /* once: it streams from the file */
	if (most != 0)
		fail_msg("%s: differs by %g", name, most);
	image_unref(want);
	image_unref(got);
	studio_done(&s);
}

TEST(resize_gives_the_pixels_of_vips_thumbnail)
{
	VipsImage *photo, *p3;

	expect_as_thumbnail(studio_photo(2000, 1500), "large.jpg", NULL);
	expect_as_thumbnail(studio_photo(900, 700), "middle.jpg", NULL);
	expect_as_thumbnail(studio_photo(430, 320), "small.jpg", NULL);
	expect_as_thumbnail(studio_photo(50, 40), "tiny.jpg", NULL);
	expect_as_thumbnail(studio_photo(900, 700), "a.webp", NULL);
	expect_as_thumbnail(studio_with_alpha(900, 700), "alpha.png", NULL);
	expect_as_thumbnail(studio_with_alpha(900, 700), "alpha.webp", NULL);
	expect_as_thumbnail(studio_grey(900, 700), "grey.jpg", NULL);
	expect_as_thumbnail(studio_turned(studio_photo(900, 700), 5), "turned.jpg", NULL);
	expect_as_thumbnail(studio_cmyk(900, 700), "cmyk.jpg", "srgb");  /* libvips writes it with a profile */
	photo = studio_photo(900, 700);
	assert_int_equal(vips_icc_transform(photo, &p3, "p3", "input_profile", "srgb", NULL), 0);
	image_unref(photo);
	expect_as_thumbnail(p3, "p3.jpg", "srgb");
}

TEST(resize_with_fast_shrink_leaves_all_it_can_to_the_decoder)
{
	struct shot s = { 0 };
	VipsImage *quarter, *want, *got;
	int fd = studio_file(studio_photo(2000, 1500), "large.jpg");

	assert_int_equal(vips_jpegload(test_path("large.jpg"), &quarter, "shrink", 4, NULL), 0);
	assert_int_equal(vips_thumbnail_image(quarter, &want, 400, "height", 400, NULL), 0);
	studio_run(&s, "resize", "{\"width\":400,\"height\":400,\"fast_shrink\":true,\"format\":\"png\"}", fd, NULL);
	got = studio_output(&s, 0);
	assert_true(studio_difference(want, got) == 0);
	image_unref(quarter);
	image_unref(want);
	image_unref(got);
	studio_done(&s);
}

TEST(resize_gives_the_pixels_of_vips_resize_for_other_kernels)
{
	static const struct { const char *params; VipsKernel kernel; } cases[] = {
		{ "{\"width\":100,\"kernel\":\"nearest\",\"format\":\"png\"}", VIPS_KERNEL_NEAREST },
		{ "{\"width\":100,\"kernel\":\"cubic\",\"format\":\"png\"}", VIPS_KERNEL_CUBIC },
		{ "{\"width\":100,\"kernel\":\"mitchell\",\"format\":\"png\"}", VIPS_KERNEL_MITCHELL },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct shot s = { 0 };
		VipsImage *photo = studio_photo(250, 200), *want, *got;

		assert_int_equal(vips_resize(photo, &want, 0.4, "kernel", cases[i].kernel, NULL), 0);
		studio_run(&s, "resize", cases[i].params, studio_file(photo, "a.png"), NULL);
		got = studio_output(&s, 0);
		assert_true(studio_difference(want, got) == 0);
		image_unref(want);
		image_unref(got);
		studio_done(&s);
	}
}

TEST(resize_keeps_16_bits)
{
	struct shot s = { 0 };
	VipsImage *wide = studio_wide(250, 200), *want, *got;

	assert_int_equal(vips_resize(wide, &want, 0.4, NULL), 0);
	studio_run(&s, "resize", "{\"width\":100}", studio_file(wide, "a.png"), NULL);
	got = studio_output(&s, 0);
	assert_int_equal(got->BandFmt, VIPS_FORMAT_USHORT);
	assert_true(studio_difference(want, got) == 0);
	image_unref(want);
	image_unref(got);
	studio_done(&s);
}

TEST(resize_lets_no_invisible_colour_bleed_in)
{
	struct shot s = { 0 };
	VipsImage *got;
	double *pixel;
	int n;

	studio_run(&s, "resize", "{\"width\":32,\"kernel\":\"linear\"}", studio_file(studio_with_alpha(128, 96), "a.png"), NULL);
	got = studio_output(&s, 0);
	assert_int_equal(vips_getpoint(got, &pixel, &n, 2, 10, NULL), 0);
	assert_int_equal(n, 4);
	assert_true(pixel[3] == 0);
	g_free(pixel);
	image_unref(got);
	studio_done(&s);
}

TEST(resize_without_a_size_is_refused)
{
	struct shot s = { 0 };

	studio_run(&s, "resize", "{}", studio_file(studio_photo(20, 20), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "'width' or 'height'"));
	studio_done(&s);
}
