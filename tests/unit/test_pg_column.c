#include "pg_column.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

TEST(a_literal_column_is_an_array_literal)
{
	scoped(pg_column_free) struct pg_column words = { .type = PG_WORDS }, texts = { .type = PG_QUOTED };

	pg_column_text(&words, "queued");
	pg_column_null(&words);
	pg_column_text(&texts, "a b");
	assert_string_equal(words.bytes.text, "{queued,NULL");
	assert_string_equal(texts.bytes.text, "{\"a b\"");
}

TEST(a_binary_column_holds_lengths_and_values_in_network_order)
{
	scoped(pg_column_free) struct pg_column n = { .type = PG_INT4 }, s = { .type = PG_INT2 }, t = { .type = PG_JSONB };
	static const uint8_t want[] = { 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff };

	pg_column_int(&n, -2);
	pg_column_null(&n);
	assert_int_equal(n.bytes.len, 20 + sizeof want);
	assert_memory_equal(n.bytes.text + 20, want, sizeof want);
	assert_true(n.has_null);
	pg_column_int(&s, 258);
	assert_memory_equal(s.bytes.text + 20, "\0\0\0\2\1\2", 6);
	pg_column_text(&t, "{}");
	assert_memory_equal(t.bytes.text + 20, "\0\0\0\3\1{}", 7);
}

TEST(a_number_that_is_none_is_null_in_a_column)
{
	scoped(pg_column_free) struct pg_column f = { .type = PG_FLOAT4 };

	pg_column_real(&f, 1e39);
	pg_column_real(&f, 0.0 / 1);
	assert_true(f.has_null);
	assert_int_equal(f.rows, 2);
}

TEST(a_cleared_column_begins_anew)
{
	scoped(pg_column_free) struct pg_column n = { .type = PG_BOOL };

	pg_column_bool(&n, true);
	pg_column_clear(&n);
	pg_column_bool(&n, false);
	assert_int_equal(n.bytes.len, 25);
	assert_int_equal(n.rows, 1);
}

TEST(the_only_row_of_a_binary_column_is_its_value_behind_its_length)
{
	scoped(pg_column_free) struct pg_column b = { .type = PG_BYTEA };

	pg_column_bytes(&b, "\0\xff", 2);
	assert_int_equal(b.bytes.len, 20 + 4 + 2);
	assert_memory_equal(b.bytes.text + 20, "\0\0\0\2\0\xff", 6);
}
