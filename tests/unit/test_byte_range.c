#include "test.h"

#include "byte_range.h"

static void expect(const char *header, uint64_t size, enum byte_range what, uint64_t from, uint64_t n)
{
	uint64_t got_from = 0, got_n = 0;

	if (byte_range_parse(header, size, &got_from, &got_n) != what || got_from != from || got_n != n)
		fail_msg("'%s' of %lu bytes: from %lu on %lu", header ? header : "(none)", size, got_from, got_n);
}

TEST(byte_range_gives_the_part_that_is_asked_for)
{
	expect("bytes=0-0", 10, RANGE_PART, 0, 1);
	expect("bytes=2-5", 10, RANGE_PART, 2, 4);
	expect("bytes=2-", 10, RANGE_PART, 2, 8);
	expect("bytes=2-999999999999999999", 10, RANGE_PART, 2, 8);
	expect("bytes=-3", 10, RANGE_PART, 7, 3);
	expect("bytes=-30", 10, RANGE_PART, 0, 10);
}

TEST(byte_range_says_when_nothing_of_it_is_there)
{
	expect("bytes=10-", 10, RANGE_NONE, 0, 0);
	expect("bytes=0-", 0, RANGE_NONE, 0, 0);
	expect("bytes=-0", 10, RANGE_NONE, 0, 0);
	expect("bytes=-1", 0, RANGE_NONE, 0, 0);
}

TEST(byte_range_gives_all_for_what_it_does_not_understand)
{
	static const char *const headers[] = { NULL, "", "bytes", "bytes=", "bytes=-", "bytes=5", "bytes=5-2", "bytes=0-1,3-4", "bytes= 0-1",
		"lines=0-1", "bytes=a-", "bytes=0-b", "bytes=--1", "bytes=0-1 ", "bytes=99999999999999999999-", "bytes=-99999999999999999999",
		"bytes=0-99999999999999999999", "bytes=99999999999999999999-5" };

	for (size_t i = 0; i < countof(headers); i++)
		expect(headers[i], 10, RANGE_ALL, 0, 0);
}
