/* test_memory_budget.c - tasks share a worker's memory: never more than it has, and each in its turn. */
#include "test.h"

#include "memory_budget.h"
#include "sync.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static void open_turns(struct memory_turn *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memory_turn_init(&t[i]);
}

static void close_all(struct memory_budget *b, struct memory_turn *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		memory_give(b, &t[i]);
		memory_turn_done(&t[i]);
	}
	memory_budget_done(b);
}

static bool is_woken(const struct memory_turn *t)
{
	struct pollfd fd = { .fd = t->wake_fd, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

TEST(memory_is_granted_while_there_is_some_and_then_waited_for)
{
	struct memory_budget b;
	struct memory_turn t[3];

	memory_budget_init(&b, 100, 60);
	open_turns(t, 3);
	assert_int_equal(memory_take(&b, &t[0], 60), MEMORY_GRANTED);
	assert_int_equal(memory_take(&b, &t[1], 40), MEMORY_GRANTED);
	assert_int_equal(memory_take(&b, &t[2], 1), MEMORY_WAITS);
	assert_false(is_woken(&t[2]));
	memory_give(&b, &t[1]);
	assert_true(is_woken(&t[2]));
	assert_int_equal(memory_look(&b, &t[2]), MEMORY_GRANTED);
	assert_int_equal(b.granted, 61);
	assert_int_equal(b.peak, 100);
	close_all(&b, t, 3);
}

TEST(memory_that_is_tried_is_there_at_once_or_not_taken)
{
	struct memory_budget b;
	struct memory_turn t[3];

	memory_budget_init(&b, 100, 80);
	open_turns(t, 3);
	assert_false(memory_try(&b, &t[0], 81));
	assert_true(memory_try(&b, &t[0], 60));
	assert_false(memory_try(&b, &t[1], 41));
	assert_int_equal(memory_look(&b, &t[1]), MEMORY_NONE);
	assert_true(memory_try(&b, &t[1], 40));
	assert_true(memory_try(&b, &t[0], 50));         /* in the place of what it had */
	assert_int_equal(memory_take(&b, &t[2], 80), MEMORY_WAITS);
	assert_false(memory_try(&b, &t[1], 10));        /* nobody overtakes */
	close_all(&b, t, 3);
}

TEST(memory_that_is_not_kept_goes_to_who_waits)
{
	struct memory_budget b;
	struct memory_turn t[2];

	memory_budget_init(&b, 100, 100);
	open_turns(t, 2);
	memory_keep(&b, &t[0], 10);
	assert_int_equal(b.granted, 0);
	assert_int_equal(memory_take(&b, &t[0], 90), MEMORY_GRANTED);
	assert_int_equal(memory_take(&b, &t[1], 50), MEMORY_WAITS);
	memory_keep(&b, &t[1], 10);
	assert_int_equal(memory_look(&b, &t[1]), MEMORY_WAITS);
	memory_keep(&b, &t[0], 95);
	assert_int_equal(b.granted, 90);
	memory_keep(&b, &t[0], 10);
	assert_int_equal(memory_look(&b, &t[1]), MEMORY_GRANTED);
	assert_int_equal(b.granted, 60);
	memory_give(&b, &t[0]);
	assert_int_equal(b.granted, 50);
	close_all(&b, t, 2);
}

TEST(memory_that_is_held_shrinks_at_once_and_waits_its_turn_to_grow)
{
	struct memory_budget b;
	struct memory_turn t[3];

	memory_budget_init(&b, 100 * MIB, 90 * MIB);
	open_turns(t, 3);
	assert_int_equal(memory_take(&b, &t[0], 60 * MIB), MEMORY_GRANTED);
	assert_int_equal(memory_take(&b, &t[1], 60 * MIB), MEMORY_WAITS);
	assert_int_equal(memory_hold(&b, &t[0], 50 * MIB), MEMORY_GRANTED);     /* although somebody waits */
	assert_int_equal(memory_look(&b, &t[1]), MEMORY_WAITS);
	assert_int_equal(memory_hold(&b, &t[0], 40 * MIB), MEMORY_GRANTED);
	assert_int_equal(memory_look(&b, &t[1]), MEMORY_GRANTED);
	assert_int_equal(memory_hold(&b, &t[0], 41 * MIB), MEMORY_WAITS);       /* and holds nothing meanwhile */
	assert_int_equal(memory_hold(&b, &t[2], 40 * MIB), MEMORY_WAITS);
	memory_give(&b, &t[1]);
	assert_int_equal(memory_look(&b, &t[0]), MEMORY_GRANTED);
	assert_int_equal(memory_look(&b, &t[2]), MEMORY_GRANTED);
	assert_int_equal(memory_hold(&b, &t[2], 91 * MIB), MEMORY_TOO_LARGE);
	close_all(&b, t, 3);
}

TEST(memory_over_what_a_task_may_have_is_too_large_at_once)
{
	struct memory_budget b;
	struct memory_turn t[1];

	memory_budget_init(&b, 100, 60);
	open_turns(t, 1);
	assert_int_equal(memory_take(&b, &t[0], 61), MEMORY_TOO_LARGE);
	assert_int_equal(memory_take(&b, &t[0], SIZE_MAX), MEMORY_TOO_LARGE);
	assert_int_equal(b.granted, 0);
	close_all(&b, t, 1);
}

TEST(memory_goes_to_who_came_first_so_that_small_ones_do_not_starve_a_large_one)
{
	struct memory_budget b;
	struct memory_turn t[4];

	memory_budget_init(&b, 100, 100);
	open_turns(t, 4);
	assert_int_equal(memory_take(&b, &t[0], 50), MEMORY_GRANTED);
	assert_int_equal(memory_take(&b, &t[1], 90), MEMORY_WAITS);
	assert_int_equal(memory_take(&b, &t[2], 10), MEMORY_WAITS);     /* there would be room */
	assert_int_equal(memory_take(&b, &t[3], 10), MEMORY_WAITS);
	memory_give(&b, &t[0]);
	assert_int_equal(memory_look(&b, &t[1]), MEMORY_GRANTED);
	assert_int_equal(memory_look(&b, &t[2]), MEMORY_GRANTED);       /* beside it */
	assert_int_equal(memory_look(&b, &t[3]), MEMORY_WAITS);
	close_all(&b, t, 4);
}

TEST(memory_turn_that_leaves_the_line_lets_the_next_one_through)
{
	struct memory_budget b;
	struct memory_turn t[3];

	memory_budget_init(&b, 100, 100);
	open_turns(t, 3);
	assert_int_equal(memory_take(&b, &t[0], 50), MEMORY_GRANTED);
	assert_int_equal(memory_take(&b, &t[1], 90), MEMORY_WAITS);
	assert_int_equal(memory_take(&b, &t[2], 10), MEMORY_WAITS);
	memory_give(&b, &t[1]);
	assert_int_equal(memory_look(&b, &t[2]), MEMORY_GRANTED);
	memory_give(&b, &t[1]);                                         /* twice does no harm */
	assert_int_equal(b.granted, 60);
	close_all(&b, t, 3);
}

TEST(memory_asked_for_again_gives_back_first_so_that_no_two_wait_for_each_other)
{
	struct memory_budget b;
	struct memory_turn t[2];

	memory_budget_init(&b, 100, 100);
	open_turns(t, 2);
	assert_int_equal(memory_take(&b, &t[0], 50), MEMORY_GRANTED);
	assert_int_equal(memory_take(&b, &t[1], 50), MEMORY_GRANTED);
	assert_int_equal(memory_take(&b, &t[0], 80), MEMORY_WAITS);
	assert_int_equal(memory_take(&b, &t[1], 80), MEMORY_WAITS);     /* its 50 let the first one through */
	assert_int_equal(memory_look(&b, &t[0]), MEMORY_GRANTED);
	memory_give(&b, &t[0]);
	assert_int_equal(memory_look(&b, &t[1]), MEMORY_GRANTED);
	close_all(&b, t, 2);
}

TEST(memory_of_a_worker_that_leaves_is_not_waited_for)
{
	struct memory_budget b;
	struct memory_turn t[3];

	memory_budget_init(&b, 100, 100);
	open_turns(t, 3);
	assert_int_equal(memory_take(&b, &t[0], 90), MEMORY_GRANTED);
	assert_int_equal(memory_take(&b, &t[1], 90), MEMORY_WAITS);
	memory_budget_close(&b);
	assert_true(is_woken(&t[1]));
	assert_int_equal(memory_look(&b, &t[1]), MEMORY_CLOSED);
	assert_int_equal(memory_look(&b, &t[0]), MEMORY_GRANTED);
	assert_int_equal(memory_take(&b, &t[2], 90), MEMORY_CLOSED);
	assert_int_equal(memory_take(&b, &t[2], 10), MEMORY_GRANTED);   /* it can still finish */
	close_all(&b, t, 3);
}

TEST(memory_that_is_waited_for_is_described_with_numbers)
{
	struct memory_budget b;
	struct memory_turn t[3];
	char text[160];

	memory_budget_init(&b, 2048 * MIB, 2048 * MIB);
	open_turns(t, 3);
	assert_int_equal(memory_take(&b, &t[0], 1148 * MIB), MEMORY_GRANTED);
	memory_describe(&b, &t[0], text, sizeof text);
	assert_string_equal(text, "");
	assert_int_equal(memory_take(&b, &t[1], 1200 * MIB - 1), MEMORY_WAITS);
	assert_int_equal(memory_take(&b, &t[2], MIB), MEMORY_WAITS);
	memory_describe(&b, &t[1], text, sizeof text);
	assert_string_equal(text, "memory: 900 MiB of 2048 MiB are free, it needs 1200 MiB");
	memory_describe(&b, &t[2], text, sizeof text);
	assert_string_equal(text, "memory: 900 MiB of 2048 MiB are free, it needs 1 MiB, 1 before it");
	close_all(&b, t, 3);
}

TEST(memory_of_a_task_is_never_more_than_what_its_worker_or_its_runner_has)
{
	static const struct { unsigned worker, task, runner; size_t available, total, most; } cases[] = {
		{ 0, 2048, 4096, 16384, 8192, 2048 }, { 0, 2048, 4096, 1024, 512, 512 }, { 1000, 2048, 4096, 16384, 1000, 1000 },
		{ 4000, 0, 0, 1, 4000, 4000 }, { 4000, 0, 1024, 1, 4000, 1024 }, { 0, 2048, 4096, 1, 64, 64 },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		const struct conf conf = { .worker_memory_mb = cases[i].worker, .task_memory_mb = cases[i].task,
			.runner_memory_mb = cases[i].runner };
		size_t total, most;

		memory_limits(&conf, cases[i].available * MIB, &total, &most);
		assert_int_equal(total / MIB, cases[i].total);
		assert_int_equal(most / MIB, cases[i].most);
	}
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

TEST(memory_available_is_the_least_limit_of_the_groups_above)
{
	size_t all = memory_available("/nowhere", "/nowhere");

	assert_true(all >= 128 * MIB);
	put(test_path("cgroup"), "1:name=x:/other\n0::/a.slice/b.service\n");
	assert_int_equal(mkdir(test_path("a.slice"), 0700), 0);
	assert_int_equal(mkdir(test_path("a.slice/b.service"), 0700), 0);
	put(test_path("a.slice/b.service/memory.max"), "max\n");
	assert_int_equal(memory_available(test_path("cgroup"), test_dir()), all);
	put(test_path("a.slice/memory.max"), "33554432\n");
	assert_int_equal(memory_available(test_path("cgroup"), test_dir()), 32 * MIB);
	put(test_path("a.slice/b.service/memory.max"), "16777216\n");
	assert_int_equal(memory_available(test_path("cgroup"), test_dir()), 16 * MIB);
}

/* ---- threads ---- */

enum { TOTAL = 1000, ROUNDS = 300, THREADS = 6 };

struct taker {
	struct memory_budget *budget;
	size_t *held;                   /* atomic: of all */
	unsigned seed, *over;           /* atomic */
	pthread_t thread;
};

static void *take_and_give(void *arg)
{
	struct taker *me = arg;
	struct memory_turn t;

	memory_turn_init(&t);
	for (int i = 0; i < ROUNDS; i++) {
		size_t bytes = 1 + (size_t)rand_r(&me->seed) % TOTAL;
		enum memory_state state = memory_take(me->budget, &t, bytes);

		if (state == MEMORY_WAITS && rand_r(&me->seed) % 8 == 0) {
			memory_give(me->budget, &t);    /* cancelled in line */
			continue;
		}
		while (state == MEMORY_WAITS) {
			struct pollfd fd = { .fd = t.wake_fd, .events = POLLIN };

			poll(&fd, 1, -1);
			state = memory_look(me->budget, &t);
		}
		must(state == MEMORY_GRANTED);
		if (bump(me->held, bytes) > TOTAL)
			bump(me->over, 1);
		bump(me->held, -bytes);
		memory_give(me->budget, &t);
	}
	memory_turn_done(&t);
	return NULL;
}

TEST(threads_memory_is_never_given_twice_and_all_get_theirs)
{
	struct memory_budget b;
	struct taker takers[THREADS];
	unsigned over = 0;
	size_t held = 0;

	memory_budget_init(&b, TOTAL, TOTAL);
	for (unsigned i = 0; i < THREADS; i++) {
		takers[i] = (struct taker){ .budget = &b, .held = &held, .seed = i, .over = &over };
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take_and_give, &takers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(takers[i].thread, NULL);
	assert_int_equal(over, 0);
	assert_true(b.peak <= TOTAL);
	assert_true(b.peak > TOTAL / 2);
	assert_int_equal(b.granted, 0);
	memory_budget_done(&b);
}
