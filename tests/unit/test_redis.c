#include "redis.h"
#include "test.h"

#include <string.h>

TEST(redis_urls_that_make_no_sense_are_refused_without_showing_the_password)
{
	static const char *const rows[] = { "http://x", "redis://", "redis://:geheim@", "redis://h:0", "redis://h:99999", "unix://", "" };

	for (size_t k = 0; k < countof(rows); k++) {
		struct redis r;
		struct err err;

		redis_init(&r, rows[k]);
		assert_int_equal(redis_connect(&r, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		assert_null(strstr(err.msg, "geheim"));
		redis_done(&r);
	}
}

TEST(a_redis_that_is_away_is_worth_a_retry)
{
	static const char *const rows[] = { "redis://user:p%40ss@127.0.0.1:1/3", "redis://[::1]:1", "unix:///nonexistent/socket?db=2" };

	for (size_t k = 0; k < countof(rows); k++) {
		struct redis r;
		struct err err;

		redis_init(&r, rows[k]);
		assert_int_equal(redis_command(&r, NULL, &err, "PING"), -1);
		assert_int_equal(err.kind, ERR_RETRY);
		assert_int_equal(r.connects, 0);
		redis_done(&r);
	}
}
