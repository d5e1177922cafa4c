#include "test.h"

#include "utf8.h"

#include <string.h>

TEST(utf8_sequence_knows_well_formed_ones_only)
{
	static const struct { const char *bytes; size_t want; } row[] = {
		{ "a", 1 }, { "\xc3\xa9", 2 }, { "\xe2\x82\xac", 3 }, { "\xf0\x9f\x93\xb7", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\x80", 0 }, { "\xc3", 0 }, { "\xc0\x80", 0 }, { "\xe0\x80\x80", 0 }, { "\xed\xa0\x80", 0 },
		{ "\xf4\x90\x80\x80", 0 }, { "\xf8\x88\x80\x80\x80", 0 }, { "\xff", 0 },
	};

	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(utf8_sequence(row[i].bytes, strlen(row[i].bytes)), row[i].want);
	assert_int_equal(utf8_sequence("", 0), 0);
}

TEST(utf8_json_string_replaces_what_is_not_utf8)
{
	scoped(buf_free) struct buf b = { 0 };
	json_t *v;

	utf8_json_string(&b, "a\xff\"\n\0\xc3\xa9", 7);
	v = json_loads(b.text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_non_null(v);
	assert_int_equal(json_string_length(v), 9);
	assert_memory_equal(json_string_value(v), "a\xef\xbf\xbd\"\n\0\xc3\xa9", 9);
	json_decref(v);
}

TEST(utf8_whole_leaves_out_a_character_that_is_cut_off)
{
	assert_int_equal(utf8_whole("", 0), 0);
	assert_int_equal(utf8_whole("abc", 2), 2);
	assert_int_equal(utf8_whole("a\xc3\xa9", 3), 3);
	assert_int_equal(utf8_whole("a\xc3\xa9", 2), 1);
	assert_int_equal(utf8_whole("\xf0\x9f\x93\xb7", 4), 4);
	for (size_t n = 0; n < 4; n++)
		assert_int_equal(utf8_whole("\xf0\x9f\x93\xb7", n), 0);
}
