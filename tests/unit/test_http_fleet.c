#include "test.h"

#include "fleet.h"

#include <string.h>

TEST(a_time_in_utc_is_read_to_the_microsecond)
{
	int64_t us = 0;

	assert_int_equal(fleet_time_parse("1970-01-01T00:00:01Z", &us), 0);
	assert_int_equal(us, 1000000);
	assert_int_equal(fleet_time_parse("2026-01-02T03:04:05.678901Z", &us), 0);
	assert_int_equal(us, 1767323045678901);
	assert_int_equal(fleet_time_parse("2026-01-02T03:04:05.5+00:00", &us), 0);
	assert_int_equal(us, 1767323045500000);
	assert_int_equal(fleet_time_parse("2026-01-02T03:04:05.1234567899Z", &us), 0);
	assert_int_equal(us, 1767323045123456);
}

TEST(what_is_not_a_time_in_utc_is_refused)
{
	static const char *const bad[] = { "", "now", "2026-01-02", "2026-01-02 03:04:05Z", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05",
		"2026-01-02T03:04:05+01:00", "2026-01-02T25:04:05Z", "1969-01-02T03:04:05Z", "2026-01-02T03:04:05Zx" };
	int64_t us = 7;

	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(fleet_time_parse(bad[i], &us), -1);
	assert_int_equal(fleet_time_parse(NULL, &us), -1);
	assert_int_equal(us, 7);
}

TEST(the_age_of_an_entry_is_that_of_its_envelope)
{
	static const char envelope[] = "{\"v\":1,\"enqueued_at\":\"1970-01-01T00:00:10Z\"}";
	static const char letter[] = "{\"job\":\"x\",\"task\":{\"enqueued_at\":\"1970-01-01T00:00:10Z\"}}";

	assert_true(fleet_age_s(envelope, strlen(envelope), 12500000) == 2.5);
	assert_true(fleet_age_s(letter, strlen(letter), 12500000) == 2.5);
	assert_true(fleet_age_s(envelope, strlen(envelope), 1000000) == 0);
	assert_true(fleet_age_s("not json", 8, 12500000) == -1);
	assert_true(fleet_age_s("{}", 2, 12500000) == -1);
}

TEST(workers_are_counted_by_the_queues_they_serve_and_run)
{
	scoped(json_decref_p) json_t *workers = json_loads(
		"[{\"worker\":\"a\",\"slots\":{\"image\":2,\"io\":4},\"running\":[{\"tool\":\"resize\"},{\"tool\":\"noop\",\"queue\":\"special\"}]},"
		"{\"worker\":\"b\",\"slots\":{\"image\":1,\"infer\":0},\"running\":[{\"tool\":\"thumbnail\"}]},"
		"{\"worker\":\"c\",\"state\":\"missing\",\"held\":3}]", 0, NULL);

	assert_int_equal(fleet_alive(workers), 2);
	assert_int_equal(fleet_served_by(workers, "image"), 2);
	assert_int_equal(fleet_served_by(workers, "infer"), 0);
	assert_int_equal(fleet_served_by(workers, "nobody"), 0);
	assert_int_equal(fleet_running(workers, "image"), 2);
	assert_int_equal(fleet_running(workers, "special"), 1);
	assert_int_equal(fleet_running(workers, "io"), 0);
}
