#include "claim.h"

#include "clock.h"
#include "fault.h"
#include "log.h"
#include "quick.h"
#include "sync.h"
#include "worker.h"

#include <stdio.h>
#include <string.h>

#define BLOCK_S       2
#define REPLY_MS      10000     /* longer than the block */
#define POLL_MS       250       /* of a Redis without memory */
#define PAUSE_MS      200
#define PAUSE_MAX_MS  2000
#define ONCE_POLL_MS  50

/* A reply that was lost may have been a task: the selfcheck finds it. */
static void note_connection(struct claimer *c)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	struct err err;

	if (c->redis.connects == c->connects || !c->redis.ctx)
		return;
	if (redis_command(&c->redis, &reply, &err, "CLIENT ID") < 0)
		return;
	poke(&c->client_id, reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0);
	if (c->connects) {
		poke(&c->w->check_due, true);
		worker_wake_pulse(c->w);
	}
	c->connects = c->redis.connects;
}

static int lose_reply(struct claimer *c, struct err *err)
{
	redis_close(&c->redis);
	return err_set(err, ERR_RETRY, "fault: the reply to a claim was lost");
}

/* Returns how many tasks there were in the reply. */
static size_t hand_over(struct claimer *c, const redisReply *reply)
{
	struct line batch = { 0 };
	size_t n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : reply->type == REDIS_REPLY_STRING ? 1 : 0;

	for (size_t i = 0; i < n; i++) {
		const redisReply *task = reply->type == REDIS_REPLY_ARRAY ? reply->element[i] : reply;

		if (task->type == REDIS_REPLY_STRING)
			worker_accept(c->w, c->lane, task->str, task->len, &batch);
	}
	quick_run_some(c->w, &batch);
	if (batch.first)
		lane_push(c->lane, &batch);
	return n;
}

static int claim_many(struct claimer *c, size_t most, size_t *ret_n, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	int64_t began_us = clock_mono_us();
	char count[24];

	snprintf(count, sizeof count, "%zu", most);
	if (redis_script(&c->redis, "claim", 2, 3, (const char *[]){ c->lane->key, c->w->running_key, count }, NULL, &reply, err) < 0)
		return -1;
	if (fault("worker.claim"))
		return lose_reply(c, err);
	lane_claim_took(c->lane, clock_mono_us() - began_us);
	*ret_n = hand_over(c, reply);
	return 0;
}

/* Alone: were the script sent along, the task would wait for it. */
static int wait_for_one(struct claimer *c, size_t *ret_n, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;

	if (redis_command(&c->redis, &reply, err, "BLMOVE %s %s LEFT RIGHT %d", c->lane->key, c->w->running_key, BLOCK_S) < 0)
		return -1;
	if (reply->type == REDIS_REPLY_STRING && fault("worker.claim"))
		return lose_reply(c, err);
	*ret_n = hand_over(c, reply);
	return 0;
}

static void failed(struct claimer *c, const struct err *err)
{
	unsigned doublings = min_of(c->failures, 4u);

	if (c->failures++ == 0)
		log_warn("claim.failed", "queue=%s error=%s", c->lane->queue, log_quote(err->msg));
	poke(&c->client_id, (int64_t)0);
	clock_sleep_ms(min_of((unsigned)PAUSE_MS << doublings, (unsigned)PAUSE_MAX_MS));
}

static bool is_out_of_memory(const struct err *err)
{
	return err->kind == ERR_REJECT && strstr(err->msg, "OOM ");
}

static void claim(struct claimer *c, enum lane_room room, size_t most)
{
	bool block = room == LANE_FREE_SLOT && c->is_dry && !c->is_full;
	struct err err;
	size_t n = 0;
	int rc;

	if (redis_connect(&c->redis, &err) == 0)
		note_connection(c);
	rc = block ? wait_for_one(c, &n, &err) : claim_many(c, most, &n, &err);
	if (rc < 0 && block && is_out_of_memory(&err)) {
		if (!c->was_full)
			log_warn("claim.polling", "queue=%s error=%s", c->lane->queue, log_quote(err.msg));
		c->is_full = c->was_full = true;
	} else if (rc < 0) {
		failed(c, &err);
	} else {
		c->failures = 0;
		c->is_dry = block ? c->is_dry && n == 0 : n < most;
		c->was_full &= !block;
		if (n == 0 && c->is_full) {
			clock_sleep_ms(POLL_MS);
			c->is_full = false;     /* BLMOVE says when it still is */
		}
	}
}

/* Several lanes share one permission: nobody may sit on it while waiting, so this polls. */
static void claim_once(struct claimer *c)
{
	struct err err;
	size_t n = 0;

	if (bump(&c->w->budget, -1) < 0) {
		bump(&c->w->budget, 1);
	} else if (claim_many(c, 1, &n, &err) < 0) {
		bump(&c->w->budget, 1);
		failed(c, &err);
	} else if (n == 0) {
		bump(&c->w->budget, 1);
	}
	clock_sleep_ms(ONCE_POLL_MS);
}

static void *claimer_main(void *arg)
{
	struct claimer *c = arg;

	while (!peek(&c->w->is_draining)) {
		size_t most = 0;
		enum lane_room room;

		if (!worker_may_claim(c->w)) {
			lane_tick(c->lane);
			if (reporter_is_full(&c->w->reporter))
				reporter_wait_room(&c->w->reporter, PAUSE_MS);
			else
				clock_sleep_ms(20);
			continue;
		}
		room = lane_wait_room(c->lane, 1000, c->is_dry, &most);
		if (room == LANE_STALE)
			lane_give_back(c->lane);
		else if (room != LANE_NONE && c->w->once)
			claim_once(c);
		else if (room != LANE_NONE)
			claim(c, room, most);
	}
	poke(&c->has_left, true);
	return NULL;
}

void claimer_start(struct claimer *c, struct worker *w, struct lane *lane)
{
	*c = (struct claimer){ .w = w, .lane = lane };
	redis_init(&c->redis, w->conf->redis_url);
	c->redis.timeout_ms = REPLY_MS;
	must(pthread_create(&c->thread, NULL, claimer_main, c) == 0);
}

void claimer_join(struct claimer *c)
{
	must(pthread_join(c->thread, NULL) == 0);
	redis_done(&c->redis);
}
