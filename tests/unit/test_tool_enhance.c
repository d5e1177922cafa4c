#include "picture.h"
#include "studio.h"
#include "test.h"

#include <string.h>

static VipsImage *enhance(const char *params, VipsImage *take_image)
{
	struct shot s = { 0 };
	VipsImage *got;

	studio_run(&s, "enhance", params, studio_file(take_image, "a.png"), NULL);
	got = studio_output(&s, 0);
	studio_done(&s);
	return got;
}

static void expect_same(const char *params, VipsImage *take_photo, VipsImage *take_want)
{
	VipsImage *got = enhance(params, take_photo), *as_bytes;

	assert_int_equal(vips_cast(take_want, &as_bytes, VIPS_FORMAT_UCHAR, NULL), 0);
	assert_true(studio_difference(as_bytes, got) == 0);
	image_unref(take_want);
	image_unref(as_bytes);
	image_unref(got);
}

TEST(enhance_gives_the_pixels_of_the_vips_operation)
{
	VipsImage *photo = studio_photo(90, 70), *want, *emboss;

	assert_int_equal(vips_gaussblur(photo, &want, 2.5, NULL), 0);
	expect_same("{\"effect\":\"blur\",\"sigma\":2.5}", photo, want);
	photo = studio_photo(90, 70);
	assert_int_equal(vips_sharpen(photo, &want, "sigma", 1.5, NULL), 0);
	expect_same("{\"effect\":\"sharpen\"}", photo, want);
	photo = studio_photo(90, 70);
	assert_int_equal(vips_sobel(photo, &want, NULL), 0);
	expect_same("{\"effect\":\"edge\"}", photo, want);
	photo = studio_photo(90, 70);
	emboss = vips_image_new_matrixv(3, 3, -2.0, -1.0, 0.0, -1.0, 1.0, 1.0, 0.0, 1.0, 2.0);
	assert_int_equal(vips_conv(photo, &want, emboss, NULL), 0);
	image_unref(emboss);
	expect_same("{\"effect\":\"emboss\"}", photo, want);
	photo = studio_photo(90, 70);
	assert_int_equal(vips_colourspace(photo, &want, VIPS_INTERPRETATION_B_W, NULL), 0);
	expect_same("{\"effect\":\"grayscale\"}", photo, want);
}

TEST(enhance_blurs_over_more_lines_than_are_read_at_once)
{
	VipsImage *photo = studio_photo(40, 1500), *want;

	assert_int_equal(vips_gaussblur(photo, &want, 80.0, NULL), 0);
	expect_same("{\"effect\":\"blur\",\"sigma\":80}", photo, want);
}

TEST(enhance_keeps_depth_and_alpha)
{
	static const char *const effects[] = { "blur", "sharpen", "edge", "emboss", "grayscale" };

	for (size_t i = 0; i < countof(effects); i++) {
		scoped(free_p) char *params = xasprintf("{\"effect\":\"%s\"}", effects[i]);
		bool grey = strcmp(effects[i], "grayscale") == 0;
		VipsImage *got = enhance(params, studio_with_alpha(60, 40));

		assert_int_equal(got->Bands, grey ? 2 : 4);
		assert_true(vips_image_hasalpha(got));
		assert_int_equal(got->BandFmt, VIPS_FORMAT_UCHAR);
		image_unref(got);
		got = enhance(params, studio_wide(60, 40));
		assert_int_equal(got->BandFmt, VIPS_FORMAT_USHORT);
		image_unref(got);
		got = enhance(params, studio_grey(60, 40));
		assert_int_equal(got->Bands, 1);
		image_unref(got);
	}
}

TEST(enhance_refuses_an_unknown_effect)
{
	struct shot s = { 0 };

	studio_run(&s, "enhance", "{\"effect\":\"sparkle\"}", studio_file(studio_photo(20, 20), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "sparkle"));
	studio_done(&s);
}
