#include "hats.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

enum { W = 40, H = 30 };

/* A slope with a bright bar of 3 pixels and a dark one of 3, and a bright square of 15. */
static void paint(uint8_t *p)
{
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++)
			p[y * W + x] = (uint8_t)(80 + x + (x >= 4 && x < 7 ? 100 : 0) - (x >= 10 && x < 13 ? 60 : 0) +
				(x >= 20 && x < 35 && y >= 5 && y < 20 ? 90 : 0));
}

TEST(hats_hold_what_is_thin)
{
	uint8_t plane[W * H], hat[W * H];

	paint(plane);
	hat_bright(plane, W, H, 3, hat);
	assert_true(hat[15 * W + 5] > 90 && hat[15 * W + 11] == 0 && hat[12 * W + 27] < 10);
	hat_dark(plane, W, H, 3, hat);
	assert_true(hat[15 * W + 11] > 50 && hat[15 * W + 5] == 0 && hat[12 * W + 27] < 10);
	hat_bright(plane, W, H, 3, plane);      /* in place */
	assert_true(plane[15 * W + 5] > 90);
}

TEST(hats_of_one_pixel_and_of_a_radius_beyond_the_picture_are_nothing)
{
	uint8_t one = 77, plane[W * H], hat[W * H];

	hat_bright(&one, 1, 1, 5, &one);
	assert_int_equal(one, 0);
	memset(plane, 50, sizeof plane);
	hat_dark(plane, W, H, 200, hat);
	for (size_t i = 0; i < sizeof hat; i++)
		assert_int_equal(hat[i], 0);
}

/* Against the definition, for many sizes and radii. */
TEST(hats_widen_is_the_greatest_value_around)
{
	uint8_t plane[17 * 11], wide[17 * 11];

	srand(3);
	for (int radius = 0; radius < 7; radius++) {
		for (size_t i = 0; i < sizeof plane; i++)
			plane[i] = wide[i] = (uint8_t)(rand() & 255);
		plane_widen(wide, 17, 11, radius);
		for (int y = 0; y < 11; y++)
			for (int x = 0; x < 17; x++) {
				int most = 0;

				for (int v = max_of(y - radius, 0); v <= min_of(y + radius, 10); v++)
					for (int u = max_of(x - radius, 0); u <= min_of(x + radius, 16); u++)
						most = max_of(most, (int)plane[v * 17 + u]);
				assert_int_equal(wide[y * 17 + x], most);
			}
	}
}

TEST(otsu_parts_two_humps)
{
	size_t histogram[256] = { 0 };
	int at;

	for (int i = -5; i <= 5; i++) {
		histogram[40 + i] = 100;
		histogram[180 + i] = 20;
	}
	at = otsu(histogram);
	assert_true(at >= 45 && at < 175);
	memset(histogram, 0, sizeof histogram);
	assert_int_equal(otsu(histogram), 0);
}
