#include "letterbox.h"
#include "studio.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

struct fitted {
	struct letterbox l;
	float *planes;
};

static struct fitted fit(VipsImage *take_image, const char *name, int width, int height)
{
	struct fitted f = { 0 };
	struct picture p = { 0 };
	struct err err;
	int fd = studio_file(take_image, name);

	assert_int_equal(picture_open_fd(fd, 100000000, &p, &err), 0);
	assert_int_equal(letterbox_make(&p, width, height, &f.l, &f.planes, &err), 0);
	picture_close(&p);
	close(fd);
	return f;
}

static double value(const struct fitted *f, int channel, int x, int y)
{
	return (double)f->planes[((size_t)channel * (size_t)f->l.height + (size_t)y) * (size_t)f->l.width + (size_t)x];
}

static void is_color(const struct fitted *f, int x, int y, double r, double g, double b)
{
	assert_float_equal(value(f, 0, x, y) * 255, r, 0.6);
	assert_float_equal(value(f, 1, x, y) * 255, g, 0.6);
	assert_float_equal(value(f, 2, x, y) * 255, b, 0.6);
}

/* 320 x 180 into 64 x 64: scaled by 0.2 to 64 x 36, bars of 14 above and below. */
TEST(letterbox_centres_the_picture_between_grey_bars)
{
	struct fitted f = fit(studio_plain(320, 180, 250, 100, 30), "a.png", 64, 64);

	assert_int_equal(f.l.inner_width, 64);
	assert_int_equal(f.l.inner_height, 36);
	assert_int_equal(f.l.left, 0);
	assert_int_equal(f.l.top, 14);
	is_color(&f, 0, 13, 114, 114, 114);
	is_color(&f, 0, 14, 250, 100, 30);
	is_color(&f, 63, 49, 250, 100, 30);
	is_color(&f, 63, 50, 114, 114, 114);
	free(f.planes);
}

/* 30 x 99 into 64 x 64: scaled by 0.6465 to 19 x 64; 45 columns are left: round(22.5 - 0.1) = 22 to the left, 23 to the right. */
TEST(letterbox_puts_the_odd_column_to_the_right)
{
	struct fitted f = fit(studio_plain(30, 99, 10, 20, 200), "a.png", 64, 64);

	assert_int_equal(f.l.inner_width, 19);
	assert_int_equal(f.l.inner_height, 64);
	assert_int_equal(f.l.left, 22);
	assert_int_equal(f.l.top, 0);
	is_color(&f, 21, 30, 114, 114, 114);
	is_color(&f, 22, 30, 10, 20, 200);
	is_color(&f, 40, 30, 10, 20, 200);
	is_color(&f, 41, 30, 114, 114, 114);
	free(f.planes);
}

TEST(letterbox_enlarges_and_takes_inputs_that_are_no_squares)
{
	struct fitted f = fit(studio_plain(20, 10, 1, 2, 3), "a.png", 96, 64);

	assert_int_equal(f.l.inner_width, 96);
	assert_int_equal(f.l.inner_height, 48);
	assert_int_equal(f.l.top, 8);
	is_color(&f, 95, 55, 1, 2, 3);
	is_color(&f, 95, 56, 114, 114, 114);
	free(f.planes);
}

TEST(letterbox_takes_grey_transparent_turned_and_deep_pictures)
{
	struct fitted grey = fit(studio_grey(64, 64), "a.png", 64, 64), clear = fit(studio_with_alpha(64, 64), "b.png", 64, 64);
	struct fitted turned = fit(studio_turned(studio_plain(40, 20, 9, 9, 9), 6), "c.jpg", 64, 64);
	struct fitted deep = fit(studio_wide(64, 64), "d.png", 64, 64), cmyk = fit(studio_cmyk(64, 64), "e.jpg", 64, 64);

	assert_true(value(&grey, 0, 5, 5) == value(&grey, 2, 5, 5));
	is_color(&clear, 0, 0, 255, 255, 255);
	assert_int_equal(turned.l.inner_width, 32);
	assert_int_equal(turned.l.inner_height, 64);
	assert_int_equal(turned.l.picture_width, 20);
	assert_true(value(&deep, 0, 60, 5) > 0.2 && value(&deep, 0, 60, 5) <= 1);
	assert_true(value(&cmyk, 0, 60, 5) > 0.2 && value(&cmyk, 0, 60, 5) <= 1);
	free(grey.planes);
	free(clear.planes);
	free(turned.planes);
	free(deep.planes);
	free(cmyk.planes);
}

TEST(letterbox_back_undoes_scale_and_bars_and_cuts_off)
{
	const struct letterbox l = { .width = 64, .height = 64, .left = 0, .top = 14, .inner_width = 64, .inner_height = 36,
		.picture_width = 320, .picture_height = 180 };
	struct box b = { 16, 23, 32, 32, 1, 0 }, out = { -5, 0, 70, 64, 1, 0 };

	letterbox_back(&l, &b);
	assert_float_equal((double)b.left, 80, 1e-4);           /* 16 / 0.2 */
	assert_float_equal((double)b.top, 45, 1e-4);            /* (23 - 14) / 0.2 */
	assert_float_equal((double)b.right, 160, 1e-4);
	assert_float_equal((double)b.bottom, 90, 1e-4);
	letterbox_back(&l, &out);
	assert_float_equal((double)out.left, 0, 0);
	assert_float_equal((double)out.top, 0, 0);
	assert_float_equal((double)out.right, 320, 0);
	assert_float_equal((double)out.bottom, 180, 0);
}
