#include "picture.h"
#include "studio.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t phash(int fd)
{
	struct shot s = { 0 };
	const char *text;
	uint64_t bits;

	studio_run(&s, "phash", "{}", fd, NULL);
	if (s.result < 0)
		fail_msg("%s", s.err.msg);
	text = json_string_value(json_object_get(s.data, "phash"));
	assert_int_equal(strlen(text), 16);
	assert_int_equal(strspn(text, "0123456789abcdef"), 16);
	bits = strtoull(text, NULL, 16);
	studio_done(&s);
	return bits;
}

TEST(phash_is_always_the_same)
{
	assert_true(phash(studio_file(studio_photo(300, 200), "a.png")) == phash(studio_file(studio_photo(300, 200), "a.png")));
}

TEST(phash_of_near_pictures_differs_in_few_bits)
{
	VipsImage *photo = studio_photo(600, 400), *half;
	uint64_t one;

	assert_int_equal(vips_resize(photo, &half, 0.5, NULL), 0);
	one = phash(studio_file(photo, "a.png"));
	assert_true(__builtin_popcountll(one ^ phash(studio_file(studio_photo(600, 400), "a.jpg[Q=60]"))) <= 4);
	assert_true(__builtin_popcountll(one ^ phash(studio_file(half, "a.webp"))) <= 6);
	assert_true(__builtin_popcountll(one ^ phash(studio_file(studio_grey(600, 400), "a.png"))) <= 6);
}

TEST(phash_of_other_pictures_differs_in_many_bits)
{
	uint64_t one = phash(studio_file(studio_photo(600, 400), "a.png"));

	assert_true(__builtin_popcountll(one ^ phash(studio_file(studio_turned(studio_photo(600, 400), 3), "a.tif"))) >= 16);
}

/* A wave of k half periods across has one coefficient: row 0, column k. */
TEST(phash_bits_are_frequencies_row_by_row)
{
	VipsImage *plain = studio_plain(320, 320, 128, 128, 128);

	/* A plain picture has only the first one. */
	assert_true(phash(studio_file(plain, "a.png")) >> 63 == 1);
	for (int k = 1; k < 8; k++) {
		unsigned char *row = xcalloc(320, 320);
		VipsImage *wave;

		for (int y = 0; y < 320; y++)
			for (int x = 0; x < 320; x++)
				row[y * 320 + x] = (unsigned char)(128.5 + 100 * cos(G_PI * k * (x + 0.5) / 320));
		wave = vips_image_new_from_memory_copy(row, 320 * 320, 320, 320, 1, VIPS_FORMAT_UCHAR);
		free(row);
		assert_true(phash(studio_file(wave, "a.png")) >> (63 - k) & 1);
	}
}

TEST(phash_takes_every_kind_of_picture)
{
	phash(studio_file(studio_with_alpha(60, 40), "a.png"));
	phash(studio_file(studio_wide(60, 40), "a.png"));
	phash(studio_file(studio_cmyk(60, 40), "a.jpg"));
	phash(studio_file(studio_photo(1, 1), "a.png"));
}
