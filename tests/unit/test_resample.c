#include "resample.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static const uint8_t row[] = { 0, 10, 200, 255, 30, 40, 90, 250, 5, 7 };

static struct pixels as_row(void)
{
	return (struct pixels){ (uint8_t *)(uintptr_t)row, 10, 1, 1 };
}

/* What Pillow 9.4 gives for the same bytes. */
TEST(resample_gives_what_pillow_gives)
{
	static const struct { enum kernel kernel; int width; uint8_t want[15]; } cases[] = {
		{ KERNEL_CUBIC, 4, { 59, 150, 97, 66 } },
		{ KERNEL_CUBIC, 3, { 97, 113, 82 } },
		{ KERNEL_CUBIC, 15, { 0, 0, 33, 174, 253, 231, 57, 18, 45, 75, 188, 230, 36, 0, 7 } },
		{ KERNEL_LINEAR, 4, { 61, 145, 97, 65 } },
		{ KERNEL_LINEAR, 3, { 94, 110, 82 } },
		{ KERNEL_LINEAR, 15, { 0, 5, 42, 168, 228, 217, 68, 35, 48, 82, 170, 209, 46, 6, 7 } },
	};
	const struct pixels from = as_row();

	for (size_t i = 0; i < countof(cases); i++) {
		scoped(pixels_done) struct pixels to = { .width = cases[i].width, .height = 1 };

		resample(&from, &(struct resample){ .kernel = cases[i].kernel }, &to);
		assert_memory_equal(to.bytes, cases[i].want, (size_t)to.width);
	}
}

/* 6 x 5 pixels of 3 bands: byte i is 37 i mod 256. Also by Pillow, the second with box=(0, 0, 5.5, 4.25). */
TEST(resample_takes_bands_and_a_part_of_the_picture_as_pillow_does)
{
	static const uint8_t cubic[] = { 59, 103, 145, 140, 74, 117, 154, 107, 92, 118, 166, 70, 111, 148, 147, 80, 124, 167, 146, 91,
		134, 171, 111, 110, 151, 188, 92, 128, 166, 151, 95, 141, 184, 151, 113, 155 };
	static const uint8_t part[] = { 99, 101, 138, 143, 116, 98, 116, 151, 141, 133, 115, 147 };
	scoped(pixels_done) struct pixels all = { .width = 4, .height = 3 }, some = { .width = 2, .height = 2 };
	uint8_t bytes[90];
	const struct pixels from = { bytes, 6, 5, 3 };

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 37);
	resample(&from, &(struct resample){ .kernel = KERNEL_CUBIC }, &all);
	assert_int_equal(all.bands, 3);
	assert_memory_equal(all.bytes, cubic, sizeof cubic);
	resample(&from, &(struct resample){ .kernel = KERNEL_LINEAR, .width = 5.5, .height = 4.25 }, &some);
	assert_memory_equal(some.bytes, part, sizeof part);
}

TEST(resample_to_the_same_size_changes_nothing)
{
	const struct pixels from = as_row();

	for (int k = 0; k < 4; k++) {
		scoped(pixels_done) struct pixels to = { .width = 10, .height = 1 };

		resample(&from, &(struct resample){ .kernel = k & 1 ? KERNEL_CUBIC : KERNEL_LINEAR, .is_sparse = k & 2 }, &to);
		assert_memory_equal(to.bytes, row, sizeof row);
	}
}

/* Pixel 0 of 2 lies between pixels 2 and 3 of 10 at 2.0 (of 5 pixels, the middle is at 2.5, half a pixel is 0.5). */
TEST(resample_sparse_skips_what_is_not_near)
{
	const struct pixels from = as_row();
	scoped(pixels_done) struct pixels to = { .width = 2, .height = 1 }, four = { .width = 4, .height = 1 };

	resample(&from, &(struct resample){ .kernel = KERNEL_LINEAR, .is_sparse = true }, &to);
	assert_int_equal(to.bytes[0], 200);
	assert_int_equal(to.bytes[1], 250);
	/* at 0.75, 3.25, 5.75, 8.25 */
	resample(&from, &(struct resample){ .kernel = KERNEL_LINEAR, .is_sparse = true }, &four);
	assert_memory_equal(four.bytes, ((const uint8_t[]){ 8, 199, 78, 6 }), 4);
}

TEST(resample_of_a_window_is_that_part_of_the_whole)
{
	uint8_t bytes[40 * 30 * 3];
	const struct pixels from = { bytes, 40, 30, 3 };
	scoped(pixels_done) struct pixels all = { .width = 27, .height = 55 }, window = { .width = 9, .height = 20 };
	const struct resample how = { .kernel = KERNEL_CUBIC, .left = 11, .top = 30, .whole_width = 27, .whole_height = 55 };

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * i / 7);
	resample(&from, &(struct resample){ .kernel = KERNEL_CUBIC }, &all);
	resample(&from, &how, &window);
	for (int y = 0; y < window.height; y++)
		assert_memory_equal(window.bytes + (size_t)y * 27, all.bytes + ((size_t)(y + 30) * 27 + 11) * 3, 27);
}

TEST(resample_takes_the_smallest_and_the_thinnest)
{
	uint8_t bytes[3000];
	const struct pixels dot = { bytes, 1, 1, 3 }, line = { bytes, 1000, 1, 3 };
	scoped(pixels_done) struct pixels large = { .width = 50, .height = 50 }, one = { .width = 1, .height = 1 };

	memset(bytes, 200, sizeof bytes);
	resample(&dot, &(struct resample){ .kernel = KERNEL_CUBIC }, &large);
	resample(&line, &(struct resample){ .kernel = KERNEL_CUBIC }, &one);
	for (size_t i = 0; i < (size_t)50 * 50 * 3; i++)
		assert_int_equal(large.bytes[i], 200);
	assert_int_equal(one.bytes[0], 200);
}
