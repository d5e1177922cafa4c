/* test_tool_convert.c - see test_picture_write.c for the formats themselves. */
#include "picture.h"
#include "studio.h"
#include "test.h"

TEST(convert_without_loss_keeps_every_pixel)
{
	static const char *const params[] = { "{\"format\":\"png\"}", "{\"format\":\"tiff\"}", "{\"format\":\"webp\",\"lossless\":true}" };

	for (size_t i = 0; i < countof(params); i++) {
		struct shot s = { 0 };
		VipsImage *photo = studio_photo(123, 77), *got;

		studio_run(&s, "convert", params[i], studio_file(g_object_ref(photo), "a.png"), NULL);
		got = studio_output(&s, 0);
		assert_true(studio_difference(photo, got) == 0);
		assert_int_equal(s.outs[0].width, 123);
		assert_int_equal(s.outs[0].height, 77);
		image_unref(photo);
		image_unref(got);
		studio_done(&s);
	}
}

TEST(convert_writes_the_picture_upright)
{
	struct shot s = { 0 };
	VipsImage *got;

	studio_run(&s, "convert", "{\"keep_metadata\":true}", studio_file(studio_turned(studio_photo(60, 40), 8), "a.jpg"), NULL);
	got = studio_output(&s, 0);
	assert_int_equal(got->Xsize, 40);
	assert_int_equal(vips_image_get_orientation(got), 1);
	image_unref(got);
	studio_done(&s);
}
