/* test_affinity.c - which task of a line a slot takes, where steps share a picture. */
#include "affinity.h"

#include "clock.h"
#include "reporter.h"
#include "sync.h"
#include "test.h"

#include <string.h>

struct bench {
	struct reporter reporter;
	struct lane lane;
};

static void bench_open(struct bench *b, unsigned slots)
{
	memset(b, 0, sizeof *b);
	mutex_init(&b->reporter.lock);
	cond_init(&b->reporter.wake);
	lane_init(&b->lane, "image", slots, &b->reporter);
}

static void free_line(struct line *l)
{
	struct held *h;

	while ((h = line_pop(l)))
		held_free(h);
}

static void bench_close(struct bench *b)
{
	for (unsigned i = 0; i < b->lane.nslots; i++)
		if (b->lane.slots[i].current)
			held_free(b->lane.slots[i].current);
	lane_close(&b->lane);
	free_line(&b->reporter.inbox);
	lane_done(&b->lane);
	pthread_cond_destroy(&b->reporter.wake);
	pthread_mutex_destroy(&b->reporter.lock);
}

#define ENVELOPE "{\"v\":1,\"job\":\"00000000-0000-7000-8000-000000000001\",\"step\":\"%s\",\"item\":0,\"ordinal\":0,\"attempt\":1," \
	"\"tool\":\"thumbnail\",\"queue\":\"image\",\"params\":{},%s\"inputs\":[{\"step\":\"d\",\"item\":0,\"data\":{}}," \
	"{\"step\":\"src\",\"item\":0,\"artifact\":{\"name\":\"picture\",\"media_type\":\"image/jpeg\",\"digest\":\"%064d\"}}]}"

static struct held *make(struct bench *b, const char *step, int picture, bool shares)
{
	scoped(free_p) char *raw = xasprintf(ENVELOPE, step, shares ? "\"shared\":{\"steps\":2}," : "", picture);
	struct held *h = held_new(&b->lane, raw, strlen(raw));
	struct err err;

	/* The first digits tell pictures apart. */
	memcpy(strstr(h->raw, "digest\":\"") + 9, (char[]){ (char)('a' + picture) }, 1);
	assert_int_equal(task_parse(h->raw, h->raw_len, NULL, &h->task, &err), 0);
	h->picture = affinity_of(h->task);
	return h;
}

/* "a1 a2 b1 -x": steps of the pictures a, b; -x shares with nobody. */
static void push(struct bench *b, const char *text)
{
	struct line batch = { 0 };

	for (; *text; text += text[2] ? 3 : 2)
		line_push(&batch, make(b, (char[]){ text[0], text[1], 0 }, text[0] == '-' ? 0 : text[0] - 'a', text[0] != '-'));
	lane_push(&b->lane, &batch);
}

static struct held *take(struct bench *b, unsigned slot, const char *want)
{
	struct held *before = b->lane.slots[slot].current;
	struct held *h = lane_take(&b->lane, slot, before, 1000);

	assert_non_null(h);
	assert_string_equal(h->task->step, want);
	return h;
}

TEST(affinity_tells_pictures_apart_where_they_are_shared)
{
	struct bench b;
	struct held *one, *same, *other, *alone;

	bench_open(&b, 1);
	one = make(&b, "s", 1, true);
	same = make(&b, "t", 1, true);
	other = make(&b, "s", 2, true);
	alone = make(&b, "s", 1, false);
	assert_true(one->picture != 0 && one->picture == same->picture && one->picture != other->picture);
	assert_int_equal(alone->picture, 0);
	held_free(one), held_free(same), held_free(other), held_free(alone);
	bench_close(&b);
}

TEST(affinity_gives_each_slot_the_tasks_of_its_picture)
{
	struct bench b;

	bench_open(&b, 2);
	push(&b, "a1 a2 a3 b1 b2 b3 c1");
	take(&b, 0, "a1");
	take(&b, 1, "b1");
	take(&b, 1, "b2");
	take(&b, 0, "a2");
	take(&b, 1, "b3");
	take(&b, 1, "c1");
	take(&b, 0, "a3");
	bench_close(&b);
}

TEST(affinity_leaves_no_slot_without_work)
{
	struct bench b;

	bench_open(&b, 2);
	push(&b, "a1 a2 a3");
	take(&b, 0, "a1");
	take(&b, 1, "a2");
	take(&b, 1, "a3");
	assert_int_equal(b.lane.line.n, 0);
	assert_int_equal(b.lane.line.nshared, 0);
	bench_close(&b);
}

TEST(affinity_is_first_in_first_out_where_nothing_is_shared)
{
	struct bench b;

	bench_open(&b, 2);
	push(&b, "-1 -2 a1 -3");
	take(&b, 0, "-1");
	take(&b, 1, "-2");
	take(&b, 1, "a1");
	take(&b, 0, "-3");
	bench_close(&b);
}

/* However many of another picture there are. */
TEST(affinity_lets_nothing_wait_for_long)
{
	struct bench b;

	bench_open(&b, 2);
	push(&b, "a1 b1 a2 a3");
	take(&b, 0, "a1");
	b.lane.line.first->since_ms = clock_mono_ms() - 1500;
	take(&b, 0, "b1");
	push(&b, "b2");
	b.lane.line.first->since_ms = clock_mono_ms() - 1500;
	take(&b, 1, "a2");
	take(&b, 0, "b2");
	bench_close(&b);
}

/* What waits for the slot that has its pixels is as good as begun: more is claimed meanwhile. */
TEST(affinity_does_not_count_what_is_promised_as_waiting)
{
	struct bench b;
	size_t n = 0;

	bench_open(&b, 2);
	b.lane.avg_us = 100000;
	push(&b, "a1 b1 a2 a3 b2 b3");
	take(&b, 0, "a1");
	take(&b, 1, "b1");
	assert_int_equal(affinity_promised(&b.lane, true), 4);
	assert_int_equal(lane_wait_room(&b.lane, 0, true, &n), LANE_FREE_SLOT);
	push(&b, "c1 c2");
	assert_int_equal(affinity_promised(&b.lane, true), 5);
	assert_int_equal(lane_wait_room(&b.lane, 0, true, &n), LANE_NONE);
	assert_int_equal(lane_wait_room(&b.lane, 0, false, &n), LANE_ROOM);
	assert_int_equal(n, 1);                 /* a picture for each slot */
	push(&b, "d1 d2");
	assert_int_equal(lane_wait_room(&b.lane, 0, false, &n), LANE_NONE);
	bench_close(&b);
}

TEST(affinity_does_not_claim_without_end_what_all_shares_one_picture)
{
	struct bench b;
	size_t n = 0, claimed = 1;

	bench_open(&b, 2);
	push(&b, "a0");
	take(&b, 0, "a0");
	push(&b, "a1");
	take(&b, 1, "a1");
	while (claimed < 1000 && lane_wait_room(&b.lane, 0, false, &n) != LANE_NONE)
		for (; n; n--, claimed++)
			push(&b, "a2");
	assert_true(claimed <= 2 * LANE_PREFETCH_MAX + 2);
	bench_close(&b);
}
