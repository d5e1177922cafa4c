#include "test.h"

#include "buf.h"

#include <stdlib.h>
#include <string.h>

TEST(buf_grows_with_what_is_added)
{
	scoped(buf_free) struct buf b = { 0 };

	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "%d,", i % 10);
	assert_int_equal(b.len, 20000);
	assert_int_equal(strlen(b.text), 20000);
}

TEST(buf_clear_empties_and_can_be_used_again)
{
	scoped(buf_free) struct buf b = { 0 };

	buf_puts(&b, "before");
	buf_clear(&b);
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.text, "a\0b", 4);
}

TEST(buf_json_string_escapes_what_json_needs_escaped)
{
	scoped(buf_free) struct buf b = { 0 };

	json_t *v;

	buf_json_string(&b, "a\"b\\c\n\t\x01 \xc3\xa9");
	v = json_loads(b.text, JSON_DECODE_ANY, NULL);
	assert_string_equal(json_string_value(v), "a\"b\\c\n\t\x01 \xc3\xa9");
	json_decref(v);
}

TEST(buf_json_writes_a_value_without_blanks)
{
	scoped(buf_free) struct buf b = { 0 };
	json_t *v = json_pack("{s:i, s:[i,i]}", "a", 1, "b", 2, 3);

	buf_json(&b, v);
	json_decref(v);
	assert_string_equal(b.text, "{\"a\":1,\"b\":[2,3]}");
}

TEST(buf_take_of_an_empty_one_is_an_empty_text)
{
	struct buf b = { 0 };
	char *text = buf_take(&b);

	assert_string_equal(text, "");
	free(text);
}

TEST(buf_take_leaves_an_empty_one_behind)
{
	struct buf b = { 0 };
	char *text;

	buf_puts(&b, "mine now");
	text = buf_take(&b);
	assert_string_equal(text, "mine now");
	assert_null(b.text);
	free(text);
}

TEST(buf_int_writes_any_number)
{
	scoped(buf_free) struct buf b = { 0 };

	buf_int(&b, 0);
	buf_puts(&b, " ");
	buf_int(&b, INT64_MIN);
	buf_puts(&b, " ");
	buf_int(&b, INT64_MAX);
	assert_string_equal(b.text, "0 -9223372036854775808 9223372036854775807");
}
