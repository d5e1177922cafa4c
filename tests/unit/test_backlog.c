#include "backlog.h"
#include "test.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t one[16] = { 1 }, other[16] = { 2 };

static void add(struct backlog *b, const char *queue, const uint8_t job[16], int ordinal)
{
	struct err err;

	assert_int_equal(backlog_add(b, NULL, queue, job, ordinal, &err), 0);  /* so few rows are not sent yet */
}

/* Of a column of smallints, each behind its length. */
static int value(const struct backlog *b, int column, int row)
{
	uint16_t v;

	memcpy(&v, b->table.columns[column].bytes.text + 20 + 6 * row + 4, sizeof v);
	return be16toh(v);
}

static int steps_in_row(const struct backlog *b, int row)
{
	return value(b, 4, row);
}

TEST(steps_of_two_queues_that_alternate_are_one_series_in_each)
{
	scoped(backlog_done) struct backlog b = { 0 };

	for (int k = 0; k < 100; k++)
		add(&b, k % 2 ? "io" : "image", one, k);
	assert_int_equal(b.table.rows, 0);
	assert_int_equal(b.nopen, 2);
	assert_int_equal(b.open[0].series.steps, 50);
	assert_int_equal(b.open[1].series.steps, 50);
	assert_int_equal(b.open[1].series.ordinal, 1);
	assert_int_equal(b.open[1].series.stride, 2);
}

TEST(a_series_ends_with_its_job)
{
	scoped(backlog_done) struct backlog b = { 0 };

	add(&b, "io", one, 0);
	add(&b, "io", one, 1);
	add(&b, "io", other, 2);
	assert_int_equal(b.table.rows, 1);
	assert_int_equal(steps_in_row(&b, 0), 2);
	assert_int_equal(b.open[0].series.steps, 1);
}

TEST(what_does_not_go_on_is_another_row)
{
	scoped(backlog_done) struct backlog b = { 0 };

	for (int k = 0; k < 20; k++)
		if (k != 10)
			add(&b, "io", one, k);
	assert_int_equal(b.table.rows, 1);
	assert_int_equal(steps_in_row(&b, 0), 10);
	assert_int_equal(b.open[0].series.ordinal, 11);
	assert_int_equal(b.open[0].series.steps, 9);
}

TEST(a_job_with_many_queues_loses_no_step_to_the_backlog)
{
	scoped(backlog_done) struct backlog b = { 0 };
	static const char names[3 * BACKLOG_OPEN][4] = { "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "qa", "qb", "qc", "qd",
		"qe", "qf", "qg", "qh", "qi", "qj", "qk", "ql", "qm", "qn" };
	int steps = 0;

	for (int k = 0; k < 100; k++)
		add(&b, names[(size_t)k % countof(names)], one, k);
	for (size_t row = 0; row < b.table.rows; row++)
		steps += steps_in_row(&b, (int)row);
	for (int k = 0; k < b.nopen; k++)
		steps += b.open[k].series.steps;
	assert_int_equal(steps, 100);
}
