#include "mask.h"
#include "test.h"

#include <stdlib.h>

static size_t areas[MASK_CLASSES];

/* 0 and 1 side by side, four times as wide: the middles of the two are at 2 and 6, so it passes 1/2 at 4. */
TEST(mask_is_interpolated_between_the_middles_of_the_cells_before_it_is_decided)
{
	const float scores[] = { 0, 1 };
	const struct grid g = { scores, 1, 2, 1, 0, 0, 2, 1 };
	uint8_t mask[8];

	mask_make(&g, 0.5, 8, 1, mask, areas);
	for (int x = 0; x < 8; x++)
		assert_int_equal(mask[x], x >= 4 ? 255 : 0);
	mask_make(&g, 0.8, 8, 1, mask, areas);          /* (x + 0.5) / 4 - 0.5 > 0.8 from x = 5 on: 0.875 */
	for (int x = 0; x < 8; x++)
		assert_int_equal(mask[x], x >= 5 ? 255 : 0);
	assert_int_equal(areas[255], 3);
	assert_int_equal(areas[0], 5);
}

TEST(mask_of_classes_is_the_number_of_the_greatest_and_of_equals_the_first)
{
	const float scores[] = {
		1, 1, 1, 5,
		1, 2, 0, 5,
		0, 3, 9, 5,
	};
	const struct grid g = { scores, 3, 2, 2, 0, 0, 2, 2 };
	uint8_t mask[4];

	mask_make(&g, 0.5, 2, 2, mask, areas);
	assert_int_equal(mask[0], 0);
	assert_int_equal(mask[1], 2);
	assert_int_equal(mask[2], 2);
	assert_int_equal(mask[3], 0);
	assert_int_equal(areas[0], 2);
	assert_int_equal(areas[1], 0);
	assert_int_equal(areas[2], 2);
}

/* The scores are mixed, not the decisions: half way between 0.9 : 0.1 and 0 : 0.5 it is 0.45 : 0.3. */
TEST(mask_of_classes_mixes_scores_and_not_numbers)
{
	const float scores[] = { 0.9f, 0, 0.1f, 0.5f };
	const struct grid g = { scores, 2, 2, 1, 0, 0, 2, 1 };
	uint8_t mask[3];

	mask_make(&g, 0.5, 3, 1, mask, areas);
	assert_int_equal(mask[0], 0);
	assert_int_equal(mask[1], 0);
	assert_int_equal(mask[2], 1);
}

TEST(mask_takes_the_part_of_the_grid_that_is_the_picture)
{
	const float scores[] = { 9, 9, 9, 9, 0, 1, 0, 1, 9, 9, 9, 9 };   /* the middle line of three */
	const struct grid g = { scores, 1, 4, 3, 0, 1, 4, 1 };
	uint8_t mask[4];

	mask_make(&g, 0.5, 4, 1, mask, areas);
	assert_int_equal(mask[0], 0);
	assert_int_equal(mask[1], 255);
	assert_int_equal(mask[2], 0);
	assert_int_equal(mask[3], 255);
}

TEST(mask_of_a_picture_smaller_than_the_grid)
{
	float scores[64 * 64];
	const struct grid g = { scores, 1, 64, 64, 0, 0, 64, 64 };
	uint8_t mask[1];

	for (size_t i = 0; i < countof(scores); i++)
		scores[i] = i < 32 * 64 ? 0 : 1;
	mask_make(&g, 0.4, 1, 1, mask, areas);
	assert_int_equal(mask[0], 255);
	assert_int_equal(areas[255], 1);
}
