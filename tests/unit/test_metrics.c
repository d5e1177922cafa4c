#include "test.h"

#include "metrics.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of the line that begins with `name `; -1: there is none. */
static double value_of(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, name, n) == 0 && line[n] == ' ')
			return strtod(line + n, NULL);
	return -1;
}

TEST(a_counter_is_printed_with_what_was_added)
{
	scoped(buf_free) struct buf b = { 0 };
	uint64_t before = metric_get(METRIC_RETRIES);

	metric_add(METRIC_RETRIES, 3);
	assert_int_equal(metric_get(METRIC_RETRIES), before + 3);
	metrics_print(&b);
	assert_true(value_of(b.text, "pixelfleet_retries_total") == (double)before + 3);
}

TEST(every_line_of_the_metrics_is_prometheus_text)
{
	scoped(buf_free) struct buf b = { 0 };

	metric_step("resize", "succeeded", 12);
	metric_batch(5, 2.5);
	metrics_print(&b);
	assert_int_equal(b.text[b.len - 1], '\n');
	for (char *line = b.text, *end; *line; line = end + 1) {
		const char *space;
		char *rest;

		end = strchr(line, '\n');
		if (*line == '#') {
			assert_true(strncmp(line, "# HELP pixelfleet_", 18) == 0 || strncmp(line, "# TYPE pixelfleet_", 18) == 0);
			continue;
		}
		assert_memory_equal(line, "pixelfleet_", 11);
		space = memrchr(line, ' ', (size_t)(end - line));
		assert_non_null(space);
		strtod(space + 1, &rest);
		assert_ptr_equal(rest, end);
	}
}

TEST(a_steps_duration_is_counted_in_every_bucket_from_its_own_on)
{
	scoped(buf_free) struct buf b = { 0 }, after = { 0 };

	metric_step("phash", "succeeded", 30);
	metrics_print(&b);
	metric_step("phash", "failed", 30);
	metrics_print(&after);
#define GREW(line) (value_of(after.text, line) - value_of(b.text, line))
	assert_true(GREW("pixelfleet_step_duration_seconds_bucket{tool=\"phash\",le=\"0.025\"}") == 0);
	assert_true(GREW("pixelfleet_step_duration_seconds_bucket{tool=\"phash\",le=\"0.05\"}") == 1);
	assert_true(GREW("pixelfleet_step_duration_seconds_bucket{tool=\"phash\",le=\"+Inf\"}") == 1);
	assert_true(GREW("pixelfleet_step_duration_seconds_count{tool=\"phash\"}") == 1);
	assert_true(value_of(after.text, "pixelfleet_steps_total{tool=\"phash\",outcome=\"failed\"}") >= 1);
#undef GREW
}

TEST(a_tool_or_outcome_that_nobody_knows_counts_as_other)
{
	scoped(buf_free) struct buf b = { 0 };

	metric_step("from the future", "vanished", 1);
	metrics_print(&b);
	assert_true(value_of(b.text, "pixelfleet_steps_total{tool=\"other\",outcome=\"other\"}") >= 1);
}

TEST(progress_sets_the_seconds_back)
{
	metric_progress();
	assert_true(metric_seconds_since_progress() < 60);
}
