#include "align.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void turned(const float (*from)[2], double angle, double scale, double dx, double dy, float (*to)[2])
{
	for (int i = 0; i < 5; i++) {
		to[i][0] = (float)(scale * (cos(angle) * (double)from[i][0] - sin(angle) * (double)from[i][1]) + dx);
		to[i][1] = (float)(scale * (sin(angle) * (double)from[i][0] + cos(angle) * (double)from[i][1]) + dy);
	}
}

TEST(similarity_finds_the_turn_the_scale_and_the_shift)
{
	float seen[5][2];
	struct similarity s;

	turned(align_arcface, 0.7, 3.5, 400, -20, seen);
	assert_int_equal(similarity_fit((const float (*)[2])align_arcface, (const float (*)[2])seen, 5, &s), 0);
	assert_float_equal(s.a, 3.5 * cos(0.7), 1e-4);
	assert_float_equal(s.b, 3.5 * sin(0.7), 1e-4);
	assert_float_equal(s.dx, 400, 1e-2);
	assert_float_equal(s.dy, -20, 1e-2);
}

/* With points that no similarity fits, none near to the result is better. */
TEST(similarity_is_the_one_of_least_squares)
{
	const float seen[5][2] = { { 10, 14 }, { 52, 9 }, { 33, 40 }, { 12, 70 }, { 49, 61 } };
	struct similarity s;
	double least = 1e300, got = 0;

	assert_int_equal(similarity_fit(seen, align_arcface, 5, &s), 0);
	for (int k = 0; k < 81; k++) {
		const struct similarity t = { s.a + (k % 3 - 1) * 1e-3, s.b + (k / 3 % 3 - 1) * 1e-3, s.dx + (k / 9 % 3 - 1) * 1e-2,
			s.dy + (k / 27 - 1) * 1e-2 };
		double sum = 0;

		for (int i = 0; i < 5; i++) {
			double x = t.a * (double)seen[i][0] - t.b * (double)seen[i][1] + t.dx - (double)align_arcface[i][0];
			double y = t.b * (double)seen[i][0] + t.a * (double)seen[i][1] + t.dy - (double)align_arcface[i][1];

			sum += x * x + y * y;
		}
		if (k == 40)
			got = sum;
		least = fmin(least, sum);
	}
	assert_true(got <= least);
}

TEST(similarity_of_points_that_are_one_is_refused)
{
	const float one[5][2] = { { 7, 7 }, { 7, 7 }, { 7, 7 }, { 7, 7 }, { 7, 7 } };
	const float no[5][2] = { { NAN, 7 }, { 7, 7 }, { 7, 7 }, { 7, 7 }, { 7, 7 } };
	struct similarity s;

	assert_int_equal(similarity_fit(one, align_arcface, 5, &s), -1);
	assert_int_equal(similarity_fit(no, align_arcface, 5, &s), -1);
	assert_int_equal(similarity_fit(align_arcface, one, 5, &s), -1);
}

static uint8_t bytes[8 * 6 * 3], crop[4 * 4 * 3];

static void warp(double scale, double dx, double dy)
{
	const struct pixels from = { bytes, 8, 6, 3 };
	struct pixels to = { crop, 4, 4, 3 };

	for (int i = 0; i < 8 * 6 * 3; i++)
		bytes[i] = (uint8_t)(i + 10);
	align_warp(&from, &(struct similarity){ scale, 0, dx, dy }, &to);
}

TEST(align_copies_what_is_only_shifted)
{
	warp(1, -2, -1);
	for (int y = 0; y < 4; y++)
		assert_memory_equal(crop + y * 12, bytes + ((size_t)y + 1) * 24 + 6, 12);
}

/* Half a pixel to the right is the mean of two neighbours. */
TEST(align_weighs_the_pixels_around_a_place)
{
	warp(1, -2.5, -1);
	assert_int_equal(crop[0], (bytes[24 + 6] + bytes[24 + 9] + 1) / 2);
	warp(1, -2 - 1.0 / 64, -1);             /* nearer than 1/32 of a pixel is rounded */
	assert_int_equal(crop[0], (bytes[24 + 6] * 31 + bytes[24 + 9] + 16) / 32);
}

TEST(align_is_black_outside_and_halves_the_edge)
{
	warp(1, 1.5, 0);        /* column 0 is at -1.5, column 1 at -0.5, column 2 at 0.5 */
	assert_int_equal(crop[0], 0);
	assert_int_equal(crop[3], (bytes[0] + 1) / 2);
	assert_int_equal(crop[6], (bytes[0] + bytes[3] + 1) / 2);
	warp(1e-9, 0, 0);       /* far away */
	assert_int_equal(crop[11], 0);
}

TEST(align_makes_three_bands_of_grey)
{
	const uint8_t grey[] = { 1, 2, 3, 4 };
	const struct pixels from = { (uint8_t *)(uintptr_t)grey, 2, 2, 1 };
	struct pixels to = { crop, 2, 2, 3 };

	align_warp(&from, &(struct similarity){ 1, 0, 0, 0 }, &to);
	assert_int_equal(crop[3], 2);
	assert_int_equal(crop[5], 2);
	assert_int_equal(crop[6], 3);
}
