#include "test.h"

#include "clock.h"
#include "lane.h"
#include "reporter.h"
#include "sync.h"
#include "worker.h"

#include <string.h>

#define ENVELOPE "{\"v\":1,\"job\":\"00000000-0000-7000-8000-000000000001\",\"step\":\"s\",\"item\":0,\"ordinal\":0,\"attempt\":1," \
	"\"tool\":\"%s\",\"queue\":\"q\",\"params\":{},\"inputs\":[]}"

/* A lane, and a reporter whose thread never runs: what ends stays in its inbox. */
struct bench {
	struct worker worker;           /* of which there is but the syncer, with nothing to do */
	struct reporter reporter;
	struct lane lane;
};

static void bench_open(struct bench *b, unsigned slots)
{
	memset(b, 0, sizeof *b);
	mutex_init(&b->worker.syncer.lock);
	cond_init(&b->worker.syncer.wake);
	mutex_init(&b->reporter.lock);
	cond_init(&b->reporter.wake);
	b->reporter.w = &b->worker;
	lane_init(&b->lane, "q", slots, &b->reporter);
}

static void free_line(struct line *l)
{
	struct held *h;

	while ((h = line_pop(l)))
		held_free(h);
}

static void bench_close(struct bench *b)
{
	lane_close(&b->lane);
	free_line(&b->reporter.inbox);
	lane_done(&b->lane);
	pthread_cond_destroy(&b->reporter.wake);
	pthread_mutex_destroy(&b->reporter.lock);
	pthread_cond_destroy(&b->worker.syncer.wake);
	pthread_mutex_destroy(&b->worker.syncer.lock);
}

static struct held *make(struct lane *l, const char *tool)
{
	scoped(free_p) char *raw = xasprintf(ENVELOPE, tool);
	struct held *h = held_new(l, raw, strlen(raw));
	struct err err;

	assert_int_equal(task_parse(raw, strlen(raw), NULL, &h->task, &err), 0);
	return h;
}

static void push(struct bench *b, const char *tool, size_t n)
{
	struct line batch = { 0 };

	while (n--)
		line_push(&batch, make(&b->lane, tool));
	lane_push(&b->lane, &batch);
}

TEST(lane_claims_ahead_as_much_as_fifty_milliseconds_of_work_for_each_slot)
{
	static const struct { unsigned slots; double avg_us; size_t room; } cases[] = { { 1, 10, 129 }, { 1, 1000, 51 }, { 1, 20000, 3 },
		{ 4, 20000, 14 }, { 1, 400000, 2 }, { 4, 400000, 5 }, { 1, 600000, 1 } };

	for (size_t i = 0; i < countof(cases); i++) {
		struct bench b;
		size_t n = 0;

		bench_open(&b, cases[i].slots);
		b.lane.avg_us = cases[i].avg_us;
		assert_int_equal(lane_wait_room(&b.lane, 0, false, &n), LANE_FREE_SLOT);
		assert_int_equal(n, cases[i].room);
		bench_close(&b);
	}
}

TEST(lane_claims_ahead_what_all_slots_get_done_while_two_claims_are_under_way)
{
	struct bench b;
	size_t n = 0;

	bench_open(&b, 8);
	b.lane.avg_us = 20000;
	for (int i = 0; i < 100; i++)
		lane_claim_took(&b.lane, 100000);
	assert_int_equal(lane_wait_room(&b.lane, 0, false, &n), LANE_FREE_SLOT);
	assert_in_range(n, 8 + 79, 8 + 80);
	b.lane.avg_us = 600000;
	assert_int_equal(lane_wait_room(&b.lane, 0, false, &n), LANE_FREE_SLOT);
	assert_int_equal(n, 8);
	bench_close(&b);
}

TEST(lane_with_a_dry_queue_claims_for_free_slots_only)
{
	struct bench b;
	struct held *h;
	size_t n = 0;

	bench_open(&b, 1);
	b.lane.avg_us = 1000;
	push(&b, "sleep", 1);
	h = lane_take(&b.lane, 0, NULL, 0);
	assert_int_equal(lane_wait_room(&b.lane, 0, true, &n), LANE_NONE);
	assert_int_equal(lane_wait_room(&b.lane, 0, false, &n), LANE_ROOM);
	assert_int_equal(n, 50);
	h->end = END_ACK;
	lane_close(&b.lane);
	assert_null(lane_take(&b.lane, 0, h, 5));
	assert_int_equal(b.reporter.inbox.n, 1);
	bench_close(&b);
}

TEST(lane_has_room_of_its_own_for_what_is_handed_over)
{
	struct bench b;
	size_t n = 0;

	bench_open(&b, 2);
	b.lane.avg_us = 100000;
	assert_int_equal(lane_hand_room(&b.lane), 2 + 4);       /* free slots, and twice the slots that may wait */
	assert_true(lane_would_start(&b.lane));
	lane_hand(&b.lane, make(&b.lane, "sleep"), false);
	lane_hand(&b.lane, make(&b.lane, "fail"), true);
	assert_string_equal(b.lane.line.first->task->tool->name, "fail");
	assert_false(lane_would_start(&b.lane));
	assert_int_equal(lane_hand_room(&b.lane), 4);
	assert_int_equal(lane_wait_room(&b.lane, 0, false, &n), LANE_ROOM);
	assert_int_equal(n, 3);                                 /* as if nothing were handed over */
	b.lane.avg_us = 600000;
	assert_int_equal(lane_hand_room(&b.lane), 0);
	lane_close(&b.lane);
	lane_hand(&b.lane, make(&b.lane, "sleep"), false);
	assert_int_equal(b.reporter.inbox.n, 3);
	assert_int_equal(lane_hand_room(&b.lane), 0);
	bench_close(&b);
}

TEST(lane_that_is_kept_busy_by_follow_ups_still_claims_now_and_then)
{
	struct bench b;
	struct held *h;
	size_t n = 0;

	bench_open(&b, 1);
	lane_hand(&b.lane, make(&b.lane, "sleep"), false);
	lane_hand(&b.lane, make(&b.lane, "sleep"), false);
	h = lane_take(&b.lane, 0, NULL, 0);
	assert_int_equal(b.lane.handed, 1);
	assert_int_equal(lane_wait_room(&b.lane, 0, true, &n), LANE_ROOM);      /* the queue was empty when last asked */
	assert_int_equal(n, 1);
	push(&b, "sleep", 1);
	assert_int_equal(lane_wait_room(&b.lane, 0, true, &n), LANE_NONE);
	h->end = END_ACK;
	lane_close(&b.lane);
	assert_null(lane_take(&b.lane, 0, h, 5));
	assert_int_equal(b.lane.handed, 0);
	bench_close(&b);
}

/* The slot's task has ended well, as slow ones do, and it takes the next. */
static struct held *end_slow(struct bench *b, unsigned slot)
{
	struct held *h = b->lane.slots[slot].current;

	h->end = END_REPORT;
	h->is_slow = true;
	return lane_take(&b->lane, slot, h, (int64_t)b->lane.avg_us);
}

static void let_go(struct bench *b)
{
	for (unsigned i = 0; i < b->lane.nslots; i++) {
		if (b->lane.slots[i].current)
			held_free(b->lane.slots[i].current);
		b->lane.slots[i].current = NULL;
	}
	bench_close(b);
}

static int64_t due_in(const struct held *h)
{
	return h->due_ms ? h->due_ms - clock_mono_ms() : 0;
}

TEST(lane_lets_reports_wait_while_there_is_more_to_do_than_slots_can)
{
	struct bench b;

	bench_open(&b, 2);
	b.lane.avg_us = 10000;
	push(&b, "sleep", 5);
	lane_take(&b.lane, 0, NULL, 0);
	assert_non_null(end_slow(&b, 0));
	assert_int_equal(b.reporter.inbox.last->due_ms, 0);             /* the other slot has nothing to do */
	lane_take(&b.lane, 1, NULL, 0);
	assert_non_null(end_slow(&b, 0));
	assert_in_range(due_in(b.reporter.inbox.last), 1, 50);
	assert_int_equal(b.reporter.waiting, 1);
	assert_int_equal(b.reporter.inbox_due_ms, 0);                   /* it goes along with the first */
	let_go(&b);
}

TEST(lane_lets_reports_wait_about_as_long_as_eight_of_its_tasks_take)
{
	static const struct { unsigned slots; double avg_us; int ms; } cases[] = { { 1, 200, 20 }, { 1, 5000, 40 }, { 2, 15000, 60 },
		{ 8, 15000, 20 }, { 2, 70000, 100 } };

	for (size_t i = 0; i < countof(cases); i++) {
		struct bench b;
		int64_t due_ms;

		bench_open(&b, cases[i].slots);
		b.lane.avg_us = cases[i].avg_us;
		push(&b, "sleep", 40);
		for (unsigned k = 0; k < cases[i].slots; k++)
			lane_take(&b.lane, k, NULL, 0);
		due_ms = clock_mono_ms();
		end_slow(&b, 0);
		due_ms = b.reporter.inbox.last->due_ms - due_ms;
		assert_in_range(due_ms, cases[i].ms, cases[i].ms + 500);
		assert_in_range(due_in(b.reporter.inbox.last), 0, cases[i].ms);
		let_go(&b);
	}
}

TEST(lane_lets_nothing_wait_that_is_quick_or_has_failed)
{
	struct bench b;
	struct held *h;

	bench_open(&b, 1);
	b.lane.avg_us = 10000;
	push(&b, "sleep", 9);
	h = lane_take(&b.lane, 0, NULL, 0);
	h->end = END_REPORT;                                            /* and no is_slow */
	lane_take(&b.lane, 0, h, 10000);
	assert_int_equal(b.reporter.inbox.last->due_ms, 0);
	assert_int_equal(b.reporter.waiting, 0);
	let_go(&b);
}

TEST(lane_that_runs_out_of_work_sends_what_waits)
{
	struct bench b;
	size_t n;

	bench_open(&b, 1);
	b.lane.avg_us = 10000;
	push(&b, "sleep", 4);
	lane_take(&b.lane, 0, NULL, 0);
	end_slow(&b, 0);
	assert_true(b.reporter.inbox_due_ms > clock_mono_ms());
	end_slow(&b, 0);
	end_slow(&b, 0);                                                /* the last one; but the queue had more when it was asked */
	assert_int_equal(b.lane.line.n, 0);
	assert_true(b.reporter.inbox_due_ms > 0);
	assert_int_equal(lane_wait_room(&b.lane, 0, true, &n), LANE_NONE);      /* it is dry */
	assert_int_equal(b.reporter.inbox.n, 3);
	assert_int_equal(b.reporter.inbox_due_ms, 0);
	let_go(&b);
}

TEST(lane_with_a_dry_queue_keeps_reports_only_while_it_has_work_for_longer_than_an_answer_takes)
{
	struct bench b;
	size_t n;

	bench_open(&b, 1);
	b.lane.avg_us = 2000;
	push(&b, "sleep", 5);
	lane_take(&b.lane, 0, NULL, 0);
	assert_int_equal(lane_wait_room(&b.lane, 0, true, &n), LANE_NONE);
	end_slow(&b, 0);
	assert_true(b.reporter.inbox.last->due_ms > 0);                 /* three wait: six milliseconds */
	end_slow(&b, 0);
	assert_int_equal(b.reporter.inbox.last->due_ms, 0);             /* two */
	assert_int_equal(b.reporter.inbox_due_ms, 0);
	let_go(&b);
}

TEST(lane_that_closes_sends_what_waits)
{
	struct bench b;

	bench_open(&b, 1);
	b.lane.avg_us = 10000;
	push(&b, "sleep", 4);
	lane_take(&b.lane, 0, NULL, 0);
	end_slow(&b, 0);
	assert_true(b.reporter.inbox_due_ms > 0);
	lane_close(&b.lane);
	assert_int_equal(b.reporter.inbox_due_ms, 0);
	let_go(&b);
}

TEST(reporter_that_has_enough_waits_no_more)
{
	struct bench b;

	bench_open(&b, 1);
	b.lane.avg_us = 10000;
	push(&b, "sleep", 40);
	lane_take(&b.lane, 0, NULL, 0);
	for (int i = 0; i < 31; i++)
		end_slow(&b, 0);
	assert_true(b.reporter.inbox_due_ms > 0);
	end_slow(&b, 0);
	assert_int_equal(b.reporter.inbox_due_ms, 0);
	let_go(&b);
}

TEST(lane_gives_back_what_waits_behind_slots_that_stay_busy)
{
	struct bench b;
	struct held *h;
	size_t n = 0;

	bench_open(&b, 1);
	push(&b, "sleep", 3);
	h = lane_take(&b.lane, 0, NULL, 0);
	b.lane.line.first->since_ms -= 60000;
	assert_int_equal(lane_wait_room(&b.lane, 0, true, &n), LANE_STALE);
	lane_give_back(&b.lane);
	assert_int_equal(b.reporter.inbox.n, 2);
	assert_int_equal(b.reporter.inbox.first->end, END_PUTBACK);
	assert_int_equal(lane_wait_room(&b.lane, 0, true, &n), LANE_NONE);
	held_free(h);
	b.lane.busy = 0;
	b.lane.slots[0].current = NULL;
	bench_close(&b);
}

TEST(lane_cancels_what_runs_what_waits_and_what_is_on_its_way)
{
	struct bench b;
	struct held *running, *waiting;

	bench_open(&b, 1);
	push(&b, "sleep", 2);
	running = lane_take(&b.lane, 0, NULL, 0);
	waiting = b.lane.line.first;
	assert_int_equal(lane_cancel(&b.lane, waiting), LANE_WITHDRAWN);
	assert_int_equal(lane_cancel(&b.lane, waiting), LANE_MARKED);
	assert_true(waiting->stop);
	assert_false(lane_withdraw(&b.lane, running));
	assert_int_equal(lane_cancel(&b.lane, running), LANE_STOPPED);
	assert_true(running->stop);
	assert_int_equal(running->why, STOP_CANCEL);
	held_free(waiting);
	running->end = END_ACK;
	lane_close(&b.lane);
	assert_null(lane_take(&b.lane, 0, running, 0));
	bench_close(&b);
}

TEST(lane_that_is_closed_gives_everything_back)
{
	struct bench b;

	bench_open(&b, 2);
	push(&b, "noop", 3);
	lane_close(&b.lane);
	push(&b, "noop", 2);
	assert_int_equal(b.reporter.inbox.n, 5);
	for (const struct held *h = b.reporter.inbox.first; h; h = h->after)
		assert_int_equal(h->end, END_PUTBACK);
	bench_close(&b);
}

struct runner_thread {
	struct bench *bench;
	unsigned index;
	pthread_t thread;
};

static void *take_all(void *arg)
{
	struct runner_thread *t = arg;
	struct held *h = NULL;

	while ((h = lane_take(&t->bench->lane, t->index, h, 1)))
		h->end = END_ACK;
	return NULL;
}

TEST(threads_lane_hands_every_task_to_one_slot)
{
	enum { SLOTS = 4, BATCHES = 50, BATCH = 20 };
	struct runner_thread threads[SLOTS];
	struct bench b;

	bench_open(&b, SLOTS);
	for (unsigned i = 0; i < SLOTS; i++) {
		threads[i] = (struct runner_thread){ .bench = &b, .index = i };
		assert_int_equal(pthread_create(&threads[i].thread, NULL, take_all, &threads[i]), 0);
	}
	for (int i = 0; i < BATCHES; i++) {
		size_t n;

		while (lane_wait_room(&b.lane, 1000, false, &n) == LANE_NONE)
			;
		push(&b, i % 2 ? "noop" : "sleep", BATCH);
	}
	lane_close(&b.lane);
	for (unsigned i = 0; i < SLOTS; i++)
		assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
	assert_int_equal(b.reporter.inbox.n, BATCHES * BATCH);
	assert_int_equal(lane_busy(&b.lane), 0);
	bench_close(&b);
}
