#include "picture.h"
#include "studio.h"
#include "test.h"

TEST(smartcrop_has_exactly_the_size_and_the_pixels_of_vips_thumbnail)
{
	static const struct { const char *params; VipsInteresting crop; } cases[] = {
		{ "{\"width\":90,\"height\":90,\"format\":\"png\"}", VIPS_INTERESTING_ATTENTION },
		{ "{\"width\":90,\"height\":90,\"format\":\"png\",\"interesting\":\"entropy\"}", VIPS_INTERESTING_ENTROPY },
		{ "{\"width\":90,\"height\":90,\"format\":\"png\",\"interesting\":\"low\"}", VIPS_INTERESTING_LOW },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct shot s = { 0 };
		const char *path = test_path("a.jpg");
		int fd = studio_file(studio_photo(800, 500), "a.jpg");
		VipsImage *want, *got;

		assert_int_equal(vips_thumbnail(path, &want, 90, "height", 90, "crop", cases[i].crop, NULL), 0);
		studio_run(&s, "smartcrop", cases[i].params, fd, NULL);
		got = studio_output(&s, 0);
		assert_int_equal(got->Xsize, 90);
		assert_int_equal(got->Ysize, 90);
		assert_true(studio_difference(want, got) == 0);
		image_unref(want);
		image_unref(got);
		studio_done(&s);
	}
}

TEST(smartcrop_fills_the_box_from_a_smaller_picture_too)
{
	struct shot s = { 0 };

	studio_run(&s, "smartcrop", "{\"width\":90,\"height\":20}", studio_file(studio_photo(40, 50), "a.png"), NULL);
	assert_int_equal(s.outs[0].width, 90);
	assert_int_equal(s.outs[0].height, 20);
	studio_done(&s);
}
