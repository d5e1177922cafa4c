#include "hole.h"
#include "islands.h"
#include "test.h"

#include <string.h>

TEST(hole_of_a_polygon_has_the_pixels_whose_middle_is_inside)
{
	struct hole h;

	hole_make(&h, 10, 8);
	hole_polygon(&h, 0, 0, (struct corner[]){ { 2, 1 }, { 6, 1 }, { 6, 4 }, { 2, 4 } }, 4);
	assert_int_equal(hole_count(&h), 12);
	assert_true(h.at[1 * 10 + 2] && h.at[3 * 10 + 5] && !h.at[4 * 10 + 5] && !h.at[1 * 10 + 6]);
	hole_done(&h);
	hole_make(&h, 10, 8);
	hole_polygon(&h, 0, 0, (struct corner[]){ { 0, 0 }, { 8, 0 }, { 0, 8 } }, 3);
	assert_true(hole_count(&h) >= 28 && hole_count(&h) <= 36);
	assert_true(h.at[0] && !h.at[7 * 10 + 7]);
	hole_done(&h);
}

TEST(hole_takes_any_coordinates)
{
	static const double far[] = { -1e300, 1e300, 2e9, -5e9 };
	struct hole h;

	for (size_t i = 0; i < countof(far); i++) {
		hole_make(&h, 10, 8);
		hole_polygon(&h, 0, 0, (struct corner[]){ { far[i], far[i] }, { -far[i], 0 }, { 3, -far[i] } }, 3);
		hole_polygon(&h, 0, 0, (struct corner[]){ { 1, far[i] }, { 1, far[i] }, { 1, far[i] } }, 3);
		hole_done(&h);
	}
	hole_make(&h, 10, 8);
	hole_polygon(&h, 0, 0, (struct corner[]){ { -1e300, -1e300 }, { 1e300, -1e300 }, { 1e300, 1e300 }, { -1e300, 1e300 } }, 4);
	assert_int_equal(hole_count(&h), 80);
	hole_done(&h);
}

TEST(hole_parts_are_added_where_they_are_and_cut_off_at_the_edge)
{
	struct hole h, part;

	hole_make(&h, 10, 8);
	hole_make(&part, 4, 4);
	memset(part.at, 1, 16);
	hole_add(&h, &part, 8, 6);
	assert_int_equal(hole_count(&h), 4);
	hole_add(&h, &part, -2, -3);
	assert_int_equal(hole_count(&h), 6);
	hole_add(&h, &part, 20, 20);
	hole_add(&h, &part, -20, 0);
	assert_int_equal(hole_count(&h), 6);
	hole_widen(&h, 1);
	assert_int_equal(hole_count(&h), 9 + 6);
	hole_done(&h);
	hole_done(&part);
}

TEST(islands_are_apart_when_a_cell_is_between_them)
{
	struct islands s;
	struct hole h;

	hole_make(&h, 300, 100);
	h.at[10 * 300 + 5] = h.at[10 * 300 + 31] = h.at[40 * 300 + 40] = 1;     /* cells that touch, one at a corner */
	h.at[99 * 300 + 299] = 1;
	islands_find(&h, &s);
	assert_int_equal(s.n, 2);
	assert_true(island_at(&s, 5, 10) == 1 && island_at(&s, 40, 40) == 1 && island_at(&s, 299, 99) == 2 && island_at(&s, 150, 50) == 0);
	assert_true(s.list[0].left == 0 && s.list[0].right == 64 && s.list[0].bottom == 64);
	assert_true(s.list[1].left == 288 && s.list[1].right == 300 && s.list[1].bottom == 100);
	islands_done(&s);
	memset(h.at, 0, 300 * 100);
	islands_find(&h, &s);
	assert_int_equal(s.n, 0);
	islands_done(&s);
	memset(h.at, 1, 300 * 100);
	islands_find(&h, &s);
	assert_int_equal(s.n, 1);
	islands_done(&s);
	hole_done(&h);
}
