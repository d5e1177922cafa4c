#include "control.h"

#include "clock.h"
#include "log.h"
#include "sync.h"
#include "worker.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS    250          /* how soon it notices that the worker leaves */
#define PING_MS    10000
#define PAUSE_MS   500
#define REMEMBER_MS 10000       /* longer than any claim is under way */

struct cancelling {
	struct worker *w;
	const char *job, *before;
	size_t dropped, stopped;
};

void control_drop(struct worker *w, struct held *h)
{
	struct task_result r = { .failed = true, .started_us = clock_wall_us() };

	err_set(&r.err, ERR_CANCEL, "the job was cancelled before the step started");
	task_report(h->task, &r, w->name, &h->text);
	h->failed = true;
	h->end = END_REPORT;
	reporter_push(&w->reporter, h);
}

/* A dead letter that a person put back is not what was cancelled; a dispatcher is asked before it runs. */
static bool is_meant(const struct task *t, const char *job, const char *before)
{
	const char *at = t->enqueued_at;

	return !t->is_requeue && strcmp(t->job, job) == 0 && (!*before || !at || strcmp(at, before) < 0);
}

static void cancel_one(struct held *h, void *arg)
{
	struct cancelling *c = arg;

	if (!h->task || !is_meant(h->task, c->job, c->before))
		return;
	switch (lane_cancel(h->lane, h)) {
	case LANE_WITHDRAWN:
		control_drop(c->w, h);
		c->dropped++;
		break;
	case LANE_STOPPED:
		c->stopped++;
		break;
	case LANE_MARKED:
		break;
	}
}

static void remember(struct worker *w, const char *job, const char *before)
{
	struct recent_cancels *r = &w->cancels;

	scoped_lock(&r->lock);
	snprintf(r->jobs[r->next].job, sizeof r->jobs[0].job, "%s", job);
	snprintf(r->jobs[r->next].before, sizeof r->jobs[0].before, "%s", before);
	r->next = (r->next + 1) % countof(r->jobs);
	poke(&r->until_ms, clock_mono_ms() + REMEMBER_MS);
}

bool control_was_cancelled(struct worker *w, const struct task *t)
{
	struct recent_cancels *r = &w->cancels;

	if (peek(&r->until_ms) == 0)
		return false;
	scoped_lock(&r->lock);
	if (clock_mono_ms() > r->until_ms) {
		memset(r->jobs, 0, sizeof r->jobs);
		poke(&r->until_ms, (int64_t)0);
	}
	for (size_t i = 0; i < countof(r->jobs); i++)
		if (is_meant(t, r->jobs[i].job, r->jobs[i].before))
			return true;
	return false;
}

/* Remembered first, then looked for: a task that is being claimed meanwhile meets one of the two. */
void control_obey(struct worker *w, const char *text, unsigned long len)
{
	scoped(json_decref_p) json_t *message = json_loadb(text, len, 0, NULL);
	struct cancelling c = { .w = w, .job = json_string_value(json_object_get(message, "cancel")) };
	const char *before = json_string_value(json_object_get(message, "before"));

	if (!c.job)
		return;
	c.before = before ? before : "";
	remember(w, c.job, c.before);
	held_each(&w->held, cancel_one, &c);
	if (c.dropped || c.stopped)
		log_info("job.cancelled", "job=%s dropped=%zu stopped=%zu", c.job, c.dropped, c.stopped);
}

static void hear(struct worker *w, const redisReply *r)
{
	if (r->type == REDIS_REPLY_ARRAY && r->elements == 3 && r->element[0]->type == REDIS_REPLY_STRING
		&& strcmp(r->element[0]->str, "message") == 0 && r->element[2]->type == REDIS_REPLY_STRING)
		control_obey(w, r->element[2]->str, r->element[2]->len);
}

/* What one read has brought beyond the first message. */
static int hear_rest(struct worker *w, struct redis *redis, struct err *err)
{
	for (;;) {
		scoped(freeReplyObject_p) redisReply *r = NULL;

		if (redisGetReplyFromReader(redis->ctx, (void **)&r) != REDIS_OK) {
			redis_close(redis);
			return err_set(err, ERR_RETRY, "redis: nonsense while waiting for broadcasts");
		}
		if (!r)
			return 0;
		hear(w, r);
	}
}

static int listen_some(struct worker *w, struct redis *redis, int64_t *ping_ms, struct err *err)
{
	struct pollfd in = { .fd = redis->ctx->fd, .events = POLLIN };
	scoped(freeReplyObject_p) redisReply *r = NULL;

	if (poll(&in, 1, LOOK_MS) > 0) {
		if (redis_reply(redis, &r, err) < 0)
			return -1;
		hear(w, r);
		return hear_rest(w, redis, err);
	}
	if (clock_mono_ms() < *ping_ms)
		return 0;
	*ping_ms = clock_mono_ms() + PING_MS;
	if (redis_append(redis, err, "PING") < 0 || redis_reply(redis, &r, err) < 0)    /* nobody there: time limit */
		return -1;
	hear(w, r);
	return 0;
}

static int listen_on(struct worker *w, struct redis *redis, struct err *err)
{
	int64_t ping_ms = clock_mono_ms() + PING_MS;

	if (redis_append(redis, err, "SUBSCRIBE %s", "pixelfleet:control") < 0 || redis_reply(redis, NULL, err) < 0)
		return -1;
	while (!peek(&w->is_leaving))
		if (listen_some(w, redis, &ping_ms, err) < 0)
			return -1;
	return 0;
}

static void *control_main(void *arg)
{
	struct worker *w = arg;
	struct redis redis;
	struct err err;

	redis_init(&redis, w->conf->redis_url);
	while (!peek(&w->is_leaving)) {
		if (listen_on(w, &redis, &err) == 0)
			break;
		log_debug("control.lost", "error=%s", log_quote(err.msg));
		redis_close(&redis);
		clock_sleep_ms(PAUSE_MS);
	}
	redis_done(&redis);
	return NULL;
}

void control_start(struct worker *w)
{
	must(pthread_create(&w->control, NULL, control_main, w) == 0);
}

void control_join(struct worker *w)
{
	must(pthread_join(w->control, NULL) == 0);
}
