#include "picture.h"
#include "studio.h"
#include "test.h"

#include <string.h>

static VipsImage *draw(const char *params, VipsImage *take_image, const char *items)
{
	json_t *data = items ? json_loads(items, 0, NULL) : NULL;
	struct shot s = { .items = data };
	VipsImage *got;

	studio_run(&s, "draw", params, studio_file(take_image, "a.png"), NULL);
	got = studio_output(&s, 0);
	studio_done(&s);
	json_decref(data);
	return got;
}

static bool is_color(VipsImage *image, int x, int y, double r, double g, double b)
{
	double *p;
	int n;
	bool same;

	assert_int_equal(vips_getpoint(image, &p, &n, x, y, NULL), 0);
	same = n >= 3 && p[0] == r && p[1] == g && p[2] == b;
	g_free(p);
	return same;
}

TEST(draw_frames_the_box_inwards)
{
	VipsImage *got = draw("{\"boxes\":[{\"box\":[10,20,30,25]}],\"color\":\"#ff0000\",\"line_width\":2,\"labels\":false}",
		studio_plain(100, 80, 5, 5, 5), NULL);

	assert_true(is_color(got, 10, 20, 255, 0, 0));
	assert_true(is_color(got, 39, 44, 255, 0, 0));
	assert_true(is_color(got, 11, 30, 255, 0, 0));
	assert_true(is_color(got, 12, 30, 5, 5, 5));
	assert_true(is_color(got, 9, 30, 5, 5, 5));
	assert_true(is_color(got, 40, 30, 5, 5, 5));
	image_unref(got);
}

TEST(draw_scales_the_items_of_another_size)
{
	VipsImage *got = draw("{\"color\":\"#00ff00\",\"line_width\":1,\"labels\":false}", studio_plain(200, 100, 5, 5, 5),
		"{\"width\":100,\"height\":50,\"items\":[{\"label\":\"cat\",\"score\":0.9,\"box\":[10,10,20,20]}]}");

	assert_true(is_color(got, 20, 20, 0, 255, 0));
	assert_true(is_color(got, 59, 59, 0, 255, 0));
	assert_true(is_color(got, 10, 10, 5, 5, 5));
	image_unref(got);
}

TEST(draw_writes_labels_on_a_bar)
{
	VipsImage *got = draw("{\"color\":\"#ff0000\"}", studio_plain(300, 200, 5, 5, 5),
		"{\"items\":[{\"label\":\"<cat> & dog\",\"score\":0.9,\"box\":[40,100,50,50]}]}");
	VipsImage *plain = draw("{\"color\":\"#ff0000\",\"labels\":false}", studio_plain(300, 200, 5, 5, 5),
		"{\"items\":[{\"label\":\"<cat> & dog\",\"score\":0.9,\"box\":[40,100,50,50]}]}");

	/* Over the box only a label can be; without any font on the machine there is none. */
	assert_true(is_color(plain, 42, 97, 5, 5, 5));
	if (studio_difference(got, plain) != 0)
		assert_true(is_color(got, 41, 98, 255, 0, 0));
	image_unref(got);
	image_unref(plain);
}

TEST(draw_labels_boxes_also_after_one_whose_label_is_blank)
{
	VipsImage *alone = draw("{\"boxes\":[{\"box\":[40,100,50,50],\"label\":\"cat\"}]}", studio_plain(300, 200, 5, 5, 5), NULL);
	VipsImage *got = draw("{\"boxes\":[{\"box\":[40,100,50,50],\"label\":\" \"},{\"box\":[40,100,50,50],\"label\":\"cat\"}]}",
		studio_plain(300, 200, 5, 5, 5), NULL);

	assert_true(studio_difference(got, alone) == 0);
	image_unref(got);
	image_unref(alone);
}

TEST(draw_survives_boxes_that_make_no_sense)
{
	VipsImage *got = draw("{\"boxes\":[{\"box\":[-1e9,-1e9,1e12,1e12]},{\"box\":[1e300,0,5,5]},{\"box\":[5,5,-10,-10],\"label\":\"\"}]}",
		studio_plain(100, 80, 5, 5, 5),
		"{\"width\":0,\"items\":[{\"label\":\"no box\"},{\"box\":[1,2]},{\"box\":\"x\"},7,{\"box\":[1,1,3,3],\"label\":\"\\u0001\"}]}");

	assert_int_equal(got->Xsize, 100);
	image_unref(got);
}

TEST(draw_brings_colour_to_a_grey_picture)
{
	VipsImage *got = draw("{\"boxes\":[{\"box\":[10,10,20,20]}],\"color\":\"#ff0000\"}", studio_grey(60, 60), NULL);

	assert_int_equal(got->Bands, 3);
	assert_true(is_color(got, 10, 10, 255, 0, 0));
	image_unref(got);
}

TEST(draw_is_opaque_on_alpha_and_full_on_16_bits)
{
	VipsImage *got = draw("{\"boxes\":[{\"box\":[10,10,20,20]}],\"color\":\"#ff0000\"}", studio_with_alpha(60, 60), NULL);
	double *p;
	int n;

	assert_int_equal(vips_getpoint(got, &p, &n, 10, 10, NULL), 0);
	assert_true(n == 4 && p[0] == 255 && p[3] == 255);
	g_free(p);
	image_unref(got);
	got = draw("{\"boxes\":[{\"box\":[10,10,20,20]}],\"color\":\"#ff0000\"}", studio_wide(60, 60), NULL);
	assert_true(is_color(got, 10, 10, 65535, 0, 0));
	image_unref(got);
}
