#include "test.h"

#include "redis_url.h"

#include <stdlib.h>
#include <string.h>

TEST(a_redis_url_has_user_password_host_port_and_database)
{
	struct redis_url u;
	struct err err;

	assert_int_equal(redis_url_parse("redis://me:p%40ss:word@example.org:1/3", &u, &err), 0);
	assert_string_equal(u.user, "me");
	assert_string_equal(u.password, "p@ss:word");
	assert_string_equal(u.host, "example.org");
	assert_int_equal(u.port, 1);
	assert_int_equal(u.db, 3);
}

TEST(a_redis_url_may_leave_out_all_but_the_host)
{
	struct redis_url u;
	struct err err;

	assert_int_equal(redis_url_parse("redis://[::1]/", &u, &err), 0);
	assert_string_equal(u.host, "::1");
	assert_int_equal(u.port, 6379);
	assert_int_equal(u.db, 0);
	assert_string_equal(u.password, "");
}

TEST(a_redis_url_may_name_a_socket)
{
	struct redis_url u;
	struct err err;

	assert_int_equal(redis_url_parse("unix:///run/redis.sock?db=2", &u, &err), 0);
	assert_true(u.is_unix);
	assert_string_equal(u.host, "/run/redis.sock");
	assert_int_equal(u.db, 2);
}

TEST(a_redis_url_with_a_part_that_is_not_whole_is_rejected)
{
	static const char *const rows[] = { "redis://h:63x", "redis://h:4294967297", "redis://h:", "redis://h/x", "redis://h/1x",
		"redis://h/4294967296", "redis://h?db=1", "redis://[::1", "redis://[::1]6379", "redis://a%00b", "redis://:1",
		"unix:///s?db=", "unix:///s?database=1", "unix:///s?db=1x" };
	struct redis_url u;
	struct err err;

	for (size_t i = 0; i < countof(rows); i++) {
		if (redis_url_parse(rows[i], &u, &err) == 0)
			fail_msg("'%s' was taken", rows[i]);
		assert_int_equal(err.kind, ERR_REJECT);
	}
}
