/* test_decoded.c - what a runner keeps of the pictures it decoded: bounded, and never another one's. */
#include "decoded.h"
#include "picture.h"
#include "studio.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static struct decoded *keep(const char *digest, int shrink, int width, int height, int steps)
{
	const struct decoded_key key = { digest, shrink, 1 };
	VipsImage *lazy, *copy;

	assert_int_equal(vips_black(&lazy, width, height, "bands", 3, NULL), 0);
	copy = vips_image_copy_memory(lazy);
	image_unref(lazy);
	return decoded_keep(&key, copy, steps);
}

static struct decoded *find(const char *digest, int shrink)
{
	const struct decoded_key key = { digest, shrink, 1 };

	return decoded_find(&key);
}

static void begin(void)
{
	studio_start();
	decoded_drop_all();
	decoded_rest();
}

TEST(decoded_is_found_by_its_digest_and_its_scale)
{
	const struct decoded_key other = { "a", 2, 0.5 };

	begin();
	keep("a", 2, 10, 10, 9);
	assert_non_null(find("a", 2));
	assert_null(find("a", 1));
	assert_null(find("b", 2));
	assert_null(find("", 2));
	assert_null(decoded_find(&other));
	decoded_drop_all();
	assert_null(find("a", 2));
}

TEST(decoded_goes_when_each_step_has_had_it)
{
	begin();
	keep("a", 2, 10, 10, 3);
	decoded_rest();
	assert_non_null(find("a", 2));
	assert_non_null(find("a", 2));          /* the same step */
	decoded_rest();
	assert_non_null(find("a", 2));
	assert_true(decoded_is_any());
	decoded_rest();
	assert_false(decoded_is_any());
	assert_null(find("a", 2));
}

TEST(decoded_are_the_last_two_pictures)
{
	begin();
	keep("a", 1, 10, 10, 9);
	decoded_rest();
	keep("b", 1, 10, 10, 9);
	decoded_rest();
	assert_non_null(find("a", 1));
	decoded_rest();
	keep("c", 1, 10, 10, 9);
	decoded_rest();
	assert_null(find("b", 1));
	assert_non_null(find("a", 1));
	assert_non_null(find("c", 1));
	decoded_drop_all();
}

TEST(decoded_are_bounded_whatever_comes)
{
	scoped(free_p) char *name = NULL;

	begin();
	assert_true(decoded_fit(4000.0 * 3000 * 3));
	assert_false(decoded_fit((double)DECODED_MOST));
	for (int i = 0; i < 40; i++) {
		struct decoded *at;
		VipsImage *small;
		struct err err;

		free(name);
		name = xasprintf("%d", i);
		at = keep(name, 1, 500 + i % 7 * 500, 3000, 9);
		assert_int_equal(decoded_level(at, 3, &small, &err), 0);
		image_unref(small);
		assert_non_null(find(name, 1));
		decoded_rest();
		assert_true(decoded_idle_bytes() > 0);
		assert_true(decoded_idle_bytes() <= DECODED_MOST);
	}
	decoded_drop_all();
	assert_int_equal(decoded_idle_bytes(), 0);
}

TEST(decoded_makes_way_but_for_what_the_task_uses_and_that_when_it_ends)
{
	begin();
	keep("a", 1, 100, 10, 9);
	decoded_rest();
	keep("b", 1, 100, 10, 9);
	assert_int_equal(decoded_idle_bytes(), 3000);
	decoded_yield();
	assert_null(find("a", 1));
	assert_non_null(find("b", 1));
	decoded_rest();
	assert_false(decoded_is_any());
	keep("c", 1, 100, 10, 9);               /* memory is short no more */
	decoded_rest();
	assert_non_null(find("c", 1));
	decoded_drop_all();
}

TEST(decoded_levels_are_halves_with_the_orientation_and_profile_of_the_picture)
{
	VipsImage *image, *small;
	struct decoded all = { 0 };
	struct err err;

	studio_start();
	image = studio_photo(101, 51);
	vips_image_set_int(image, VIPS_META_ORIENTATION, 6);
	all.levels[0] = image;
	assert_int_equal(decoded_level(&all, 0, &small, &err), 0);
	assert_ptr_equal(small, image);
	image_unref(small);
	for (int i = 1; i < DECODED_LEVELS; i++) {
		assert_int_equal(decoded_level(&all, i, &small, &err), 0);
		assert_int_equal(small->Xsize, 101 >> i);
		assert_int_equal(small->Ysize, 51 >> i);
		assert_int_equal(small->Bands, 3);
		assert_int_equal(vips_image_get_orientation(small), 6);
		image_unref(small);
	}
	decoded_done(&all);
	assert_null(all.levels[0]);
}
