#include "picture.h"
#include "studio.h"
#include "test.h"

#include <stdlib.h>

static void expect_same(const char *params, VipsImage *take_image, VipsImage *take_want)
{
	struct shot s = { 0 };
	VipsImage *got;

	studio_run(&s, "rotate", params, studio_file(take_image, "a.png"), NULL);
	got = studio_output(&s, 0);
	assert_true(studio_difference(take_want, got) == 0);
	image_unref(take_want);
	image_unref(got);
	studio_done(&s);
}

TEST(rotate_by_right_angles_is_exact)
{
	static const struct { const char *params; VipsAngle angle; } cases[] = {
		{ "{\"angle\":90}", VIPS_ANGLE_D90 }, { "{\"angle\":180}", VIPS_ANGLE_D180 },
		{ "{\"angle\":-90}", VIPS_ANGLE_D270 }, { "{\"angle\":360}", VIPS_ANGLE_D0 }, { "{}", VIPS_ANGLE_D0 },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		VipsImage *photo = studio_photo(60, 40), *want;

		assert_int_equal(vips_rot(photo, &want, cases[i].angle, NULL), 0);
		expect_same(cases[i].params, photo, want);
	}
}

TEST(rotate_mirrors_after_turning)
{
	VipsImage *photo = studio_photo(60, 40), *turned, *want;

	assert_int_equal(vips_rot(photo, &turned, VIPS_ANGLE_D90, NULL), 0);
	assert_int_equal(vips_flip(turned, &want, VIPS_DIRECTION_HORIZONTAL, NULL), 0);
	image_unref(turned);
	expect_same("{\"angle\":90,\"flip\":\"horizontal\"}", photo, want);
	photo = studio_photo(60, 40);
	assert_int_equal(vips_flip(photo, &want, VIPS_DIRECTION_VERTICAL, NULL), 0);
	expect_same("{\"flip\":\"vertical\"}", photo, want);
}

static double *corner(const char *params, VipsImage *take_image, int bands)
{
	struct shot s = { 0 };
	VipsImage *got;
	double *pixel;
	int n;

	studio_run(&s, "rotate", params, studio_file(take_image, "a.png"), NULL);
	got = studio_output(&s, 0);
	assert_true(got->Xsize > 60 && got->Ysize > 40);
	assert_int_equal(vips_getpoint(got, &pixel, &n, 0, 0, NULL), 0);
	assert_int_equal(n, bands);
	image_unref(got);
	studio_done(&s);
	return pixel;
}

TEST(rotate_fills_the_corners)
{
	double *p = corner("{\"angle\":30,\"background\":\"#010203\"}", studio_photo(60, 40), 3);

	assert_true(p[0] == 1 && p[1] == 2 && p[2] == 3);
	g_free(p);
	p = corner("{\"angle\":30,\"background\":\"#010203\"}", studio_with_alpha(60, 40), 4);
	assert_true(p[3] == 0);
	g_free(p);
	p = corner("{\"angle\":-12.5,\"background\":\"#ff0000\"}", studio_wide(60, 40), 3);
	assert_true(p[0] == 65535 && p[1] == 0);
	g_free(p);
}
