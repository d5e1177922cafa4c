#include "test.h"

#include "clock.h"
#include "flow_stage.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

TEST(flow_sleep_sleeps_as_long_as_told)
{
	struct flow_stage s;
	int64_t began = clock_mono_ms();

	flow_stage_open(&s, "sleep");
	assert_int_equal(flow_stage_run(&s, "{\"seconds\":0.02}", "[]"), 0);
	assert_true(clock_mono_ms() - began >= 20);
	flow_stage_close(&s);
}

TEST(flow_sleep_past_its_time_limit_is_to_be_retried)
{
	struct flow_stage s;

	flow_stage_open(&s, "sleep");
	s.deadline_ms = clock_mono_ms() + 20;
	assert_int_equal(flow_stage_run(&s, "{\"seconds\":60}", "[]"), -1);
	assert_int_equal(s.err.kind, ERR_RETRY);
	assert_non_null(strstr(s.err.msg, "timed out"));
	flow_stage_close(&s);
}

static void *stop_it(void *arg)
{
	struct flow_stage *s = arg;
	uint64_t one = 1;

	__atomic_store_n(&s->stop, true, __ATOMIC_RELEASE);
	assert_int_equal(write(s->wake_fd, &one, sizeof one), sizeof one);
	return NULL;
}

TEST(threads_flow_sleep_ends_when_it_is_stopped)
{
	struct flow_stage s;
	pthread_t t;

	flow_stage_open(&s, "sleep");
	assert_int_equal(pthread_create(&t, NULL, stop_it, &s), 0);
	assert_int_equal(flow_stage_run(&s, "{\"seconds\":8}", "[]"), -1);
	assert_int_equal(s.err.kind, ERR_CANCEL);
	assert_int_equal(pthread_join(t, NULL), 0);
	flow_stage_close(&s);
}
