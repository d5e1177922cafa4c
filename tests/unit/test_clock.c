#include "test.h"

#include "clock.h"

TEST(clock_format_is_rfc_3339_in_utc)
{
	char text[CLOCK_TEXT];

	assert_string_equal(clock_format(0, text), "1970-01-01T00:00:00.000000Z");
	assert_string_equal(clock_format(1709210096789012, text), "2024-02-29T12:34:56.789012Z");
}

TEST(clock_mono_goes_forward_while_we_sleep)
{
	int64_t begin = clock_mono_ms(), begin_us = clock_mono_us();

	clock_sleep_ms(20);
	assert_true(clock_mono_ms() - begin >= 20);
	assert_true(clock_mono_us() - begin_us >= 20000);
}

TEST(clock_wall_is_after_this_test_was_written)
{
	assert_true(clock_wall_us() > 1700000000000000);
}
