#include "boxes.h"
#include "test.h"

/* Expectations by hand: 10 x 10 squares that share a strip. */

TEST(boxes_overlap_is_the_shared_area_over_the_whole)
{
	struct box a = { 0, 0, 10, 10, 1, 0 }, half = { 5, 0, 15, 10, 1, 0 }, away = { 20, 0, 30, 10, 1, 0 }, touching = { 10, 0, 20, 10, 1, 0 };
	struct box inside = { 2, 2, 7, 7, 1, 0 }, empty = { 3, 3, 3, 9, 1, 0 }, turned = { 9, 9, 1, 1, 1, 0 };

	assert_true(boxes_overlap(&a, &a) == 1);
	assert_float_equal(boxes_overlap(&a, &half), 50.0 / 150, 1e-9);
	assert_float_equal(boxes_overlap(&a, &inside), 25.0 / 100, 1e-9);
	assert_true(boxes_overlap(&a, &away) == 0);
	assert_true(boxes_overlap(&a, &touching) == 0);
	assert_true(boxes_overlap(&a, &empty) == 0);
	assert_true(boxes_overlap(&empty, &empty) == 0);
	assert_true(boxes_overlap(&a, &turned) == 0);
}

TEST(boxes_suppress_keeps_the_best_of_each_class_and_place)
{
	struct box b[] = {
		{ 0, 0, 10, 10, 0.5f, 0 },      /* the double of the next */
		{ 1, 0, 11, 10, 0.9f, 0 },
		{ 1, 0, 11, 10, 0.8f, 1 },      /* another class at the same place */
		{ 50, 0, 60, 10, 0.7f, 0 },     /* another place */
		{ 6, 0, 16, 10, 0.6f, 0 },      /* shares 5 of 15: a third */
	};
	struct box strict[countof(b)];

	for (size_t i = 0; i < countof(b); i++)
		strict[i] = b[i];
	assert_int_equal(boxes_suppress(b, countof(b), 0.45, 100), 4);
	assert_float_equal((double)b[0].score, 0.9, 1e-6);
	assert_float_equal((double)b[1].score, 0.8, 1e-6);
	assert_float_equal((double)b[2].score, 0.7, 1e-6);
	assert_float_equal((double)b[3].score, 0.6, 1e-6);
	assert_int_equal(boxes_suppress(strict, countof(strict), 0.3, 100), 3);
}

TEST(boxes_suppress_does_not_let_the_suppressed_suppress)
{
	/* 0 covers 1, 1 covers 2, 0 does not cover 2. */
	struct box b[] = { { 0, 0, 10, 10, 0.9f, 0 }, { 4, 0, 14, 10, 0.8f, 0 }, { 8, 0, 18, 10, 0.7f, 0 } };

	assert_int_equal(boxes_suppress(b, 3, 0.4, 100), 2);
	assert_float_equal((double)b[1].left, 8, 1e-6);
}

TEST(boxes_suppress_stops_at_the_most_and_takes_nothing)
{
	struct box b[] = { { 0, 0, 1, 1, 0.1f, 0 }, { 2, 0, 3, 1, 0.3f, 0 }, { 4, 0, 5, 1, 0.2f, 0 } };

	assert_int_equal(boxes_suppress(b, 3, 0.5, 2), 2);
	assert_float_equal((double)b[0].score, 0.3, 1e-6);
	assert_float_equal((double)b[1].score, 0.2, 1e-6);
	assert_int_equal(boxes_suppress(NULL, 0, 0.5, 2), 0);
}

TEST(boxes_suppress_leaves_equal_scores_in_their_order)
{
	struct box b[] = { { 0, 0, 1, 1, 0.5f, 0 }, { 2, 0, 3, 1, 0.5f, 0 }, { 4, 0, 5, 1, 0.5f, 0 } };

	assert_int_equal(boxes_suppress(b, 3, 0.5, 9), 3);
	assert_float_equal((double)b[0].left, 0, 0);
	assert_float_equal((double)b[1].left, 2, 0);
	assert_float_equal((double)b[2].left, 4, 0);
}
