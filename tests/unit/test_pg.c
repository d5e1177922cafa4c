#include "pg.h"
#include "test.h"

#include <math.h>

TEST(array_literals_quote_what_needs_quotes)
{
	scoped(buf_free) struct buf b = { 0 };

	pg_array_begin(&b);
	pg_array_text(&b, "plain");
	pg_array_text(&b, "a \"quoted\" \\ thing");
	pg_array_text(&b, NULL);
	pg_array_text(&b, "");
	pg_array_text(&b, "{a,b}");
	pg_array_end(&b);
	assert_string_equal(b.text, "{\"plain\",\"a \\\"quoted\\\" \\\\ thing\",NULL,\"\",\"{a,b}\"}");
}

TEST(array_literals_hold_numbers)
{
	scoped(buf_free) struct buf b = { 0 };

	pg_array_begin(&b);
	pg_array_int(&b, 0);
	pg_array_int(&b, -12);
	pg_array_int(&b, INT64_MIN);
	pg_array_end(&b);
	assert_string_equal(b.text, "{0,-12,-9223372036854775808}");
	pg_array_begin(&b);
	pg_array_real(&b, 1.5);
	pg_array_real(&b, NAN);
	pg_array_word(&b, "t");
	pg_array_end(&b);
	assert_string_equal(b.text, "{1.5,NULL,t}");
	pg_array_begin(&b);
	pg_array_end(&b);
	assert_string_equal(b.text, "{}");
}

TEST(a_database_that_is_away_is_worth_a_retry)
{
	struct pg pg;
	struct err err;

	pg_init(&pg, "postgresql://nobody@127.0.0.1:1/none", NULL);
	assert_int_equal(pg_query(&pg, NULL, &err, "SELECT 1", PG_NONE), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	pg_done(&pg);
}
