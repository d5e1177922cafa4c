#include "series.h"
#include "test.h"

TEST(a_series_takes_the_next_ordinal_at_its_distance)
{
	struct series s = series_of(7);

	assert_true(series_extend(&s, 10));
	assert_true(series_extend(&s, 13));
	assert_int_equal(s.steps, 3);
	assert_int_equal(s.stride, 3);
	assert_int_equal(series_ordinal(&s, 2), 13);
}

TEST(a_series_takes_no_other_ordinal)
{
	struct series s = series_of(7);

	assert_false(series_extend(&s, 7));
	assert_false(series_extend(&s, 6));
	assert_int_equal(s.steps, 1);
	assert_true(series_extend(&s, 9));
	assert_false(series_extend(&s, 9));
	assert_false(series_extend(&s, 10));
	assert_false(series_extend(&s, 13));
	assert_int_equal(s.steps, 2);
}

TEST(a_series_is_no_longer_and_no_wider_than_a_smallint)
{
	struct series s = series_of(0);

	assert_false(series_extend(&s, INT16_MAX + 1));
	assert_true(series_extend(&s, INT16_MAX));
	s = series_of(0);
	for (int k = 1; k < INT16_MAX; k++)
		assert_true(series_extend(&s, k));
	assert_int_equal(s.steps, INT16_MAX);
	assert_false(series_extend(&s, INT16_MAX));
}
