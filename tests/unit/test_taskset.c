#include "taskset.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

TEST(a_task_set_finds_what_was_added_and_nothing_else)
{
	scoped(taskset_done) struct taskset s = { 0 };
	char job[37];

	assert_false(taskset_has(&s, "00000000-0000-7000-8000-000000000001", 0));
	for (int k = 0; k < 5000; k++) {
		snprintf(job, sizeof job, "00000000-0000-7000-8000-%012d", k);
		taskset_add(&s, job, k % 7);
	}
	assert_int_equal(s.n, 5000);
	for (int k = 0; k < 5000; k++) {
		snprintf(job, sizeof job, "00000000-0000-7000-8000-%012d", k);
		assert_true(taskset_has(&s, job, k % 7));
		assert_false(taskset_has(&s, job, k % 7 + 1));
	}
}

TEST(a_task_set_reads_envelopes_and_dead_letters)
{
	scoped(taskset_done) struct taskset s = { 0 };
	static const char envelope[] = "{\"v\":1,\"job\":\"00000000-0000-7000-8000-000000000001\",\"step\":\"a\",\"item\":0,\"ordinal\":17,\"attempt\":1}";
	static const char letter[] = "{\"job\":\"00000000-0000-7000-8000-000000000002\",\"step\":\"a\",\"task\":{\"ordinal\":1}}";

	taskset_add_entry(&s, envelope, sizeof envelope - 1);
	taskset_add_entry(&s, letter, sizeof letter - 1);
	taskset_add_entry(&s, "", 0);
	taskset_add_entry(&s, "not json", 8);
	assert_int_equal(s.n, 2);
	assert_true(taskset_has(&s, "00000000-0000-7000-8000-000000000001", 17));
	assert_true(taskset_has(&s, "00000000-0000-7000-8000-000000000002", 1));
}

static void name_job(char job[37], int k)
{
	snprintf(job, 37, "00000000-0000-7000-8000-%012d", k);
}

TEST(a_task_set_that_is_full_looks_at_the_rest_in_another_pass)
{
	scoped(taskset_done) struct taskset s = { .most = 1000 };
	int missed = 0, passes = 0;
	char job[37];

	do {
		for (int k = 0; k < 10000; k++) {
			name_job(job, k);
			taskset_add(&s, job, k % 3);
		}
		assert_true(s.n <= 1200);
		for (int k = 0; k < 20000; k++) {       /* the second half was never added: each is missed in one pass */
			name_job(job, k);
			if (k < 10000)
				assert_true(taskset_has(&s, job, k % 3));
			else
				missed += !taskset_has(&s, job, k % 3);
		}
		passes++;
	} while (taskset_next(&s));
	assert_int_equal(missed, 10000);
	assert_int_equal(passes, 16);
}
