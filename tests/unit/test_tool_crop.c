#include "picture.h"
#include "studio.h"
#include "test.h"

#include <string.h>

TEST(crop_cuts_the_rectangle_out)
{
	struct shot s = { 0 };
	VipsImage *photo = studio_photo(100, 80), *want, *got;

	assert_int_equal(vips_crop(photo, &want, 10, 20, 50, 60, NULL), 0);
	studio_run(&s, "crop", "{\"left\":10,\"top\":20,\"width\":50,\"height\":60}", studio_file(photo, "a.png"), NULL);
	got = studio_output(&s, 0);
	assert_true(studio_difference(want, got) == 0);
	image_unref(want);
	image_unref(got);
	studio_done(&s);
}

TEST(crop_counts_from_the_upright_picture)
{
	struct shot s = { 0 };
	VipsImage *turned = studio_turned(studio_photo(100, 80), 6), *upright, *want, *got;

	assert_int_equal(vips_autorot(turned, &upright, NULL), 0);
	assert_int_equal(vips_crop(upright, &want, 0, 60, 80, 40, NULL), 0);
	studio_run(&s, "crop", "{\"top\":60,\"width\":80,\"height\":40}", studio_file(turned, "a.tif"), NULL);
	got = studio_output(&s, 0);
	assert_true(studio_difference(want, got) == 0);
	image_unref(upright);
	image_unref(want);
	image_unref(got);
	studio_done(&s);
}

TEST(crop_outside_of_the_picture_is_refused_with_the_numbers)
{
	struct shot s = { 0 };

	studio_run(&s, "crop", "{\"left\":60,\"width\":50,\"height\":60}", studio_file(studio_photo(100, 80), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "50 x 60 pixels at 60,0 is not inside of the picture of 100 x 80"));
	studio_done(&s);
}
