#include "selfcheck.h"

#include "clock.h"
#include "log.h"
#include "sync.h"
#include "worker.h"

#include <stdlib.h>
#include <string.h>

#define ORPHAN_MS  5000         /* longer than any claim is under way */
#define PARK_MAX   256          /* entries in one script call */

struct entry {
	const char *raw;
	size_t len;
	struct held *held;      /* NULL: from Redis */
};

struct entries {
	struct entry *at;
	size_t n, cap;
};

static void entries_free(struct entries *e)
{
	free(e->at);
}

static void add_entry(struct entries *e, const char *raw, size_t len, struct held *held)
{
	e->at = grow(e->at, e->n + 1, &e->cap, sizeof *e->at);
	e->at[e->n++] = (struct entry){ raw, len, held };
}

static void add_held(struct held *h, void *arg)
{
	add_entry(arg, h->raw, h->raw_len, h);
}

static int by_bytes(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->raw, y->raw, x->len);
}

/* Two sorted lists; the same bytes may be in each several times. */
static void compare(const struct entries *held, const struct entries *running, struct entries *missing, struct entries *unknown)
{
	size_t h = 0, r = 0;

	while (h < held->n || r < running->n) {
		int order = h == held->n ? 1 : r == running->n ? -1 : by_bytes(&held->at[h], &running->at[r]);

		if (order < 0)
			add_entry(missing, held->at[h].raw, held->at[h].len, held->at[h].held), h++;
		else if (order > 0)
			add_entry(unknown, running->at[r].raw, running->at[r].len, NULL), r++;
		else
			h++, r++;
	}
}

static int park(struct selfcheck *c, struct redis *redis, const struct entries *missing, struct err *err)
{
	const char *argv[1 + PARK_MAX] = { c->w->running_key };
	size_t lens[countof(argv)] = { strlen(c->w->running_key) };
	size_t parked = 0;
	int n = 1;

	for (size_t i = 0; i < missing->n; i++) {
		if (!missing->at[i].held->was_reaped)
			argv[n] = missing->at[i].raw, lens[n++] = missing->at[i].len;
		if (n == 1 || (n < (int)countof(argv) && i + 1 < missing->n))
			continue;
		if (redis_script(redis, "park", 1, n, argv, lens, NULL, err) < 0)
			return -1;
		parked += (size_t)n - 1;
		n = 1;
	}
	if (parked)
		log_info("selfcheck.parked", "tasks=%zu", parked);
	return 0;
}

static void forget_reaped(struct selfcheck *c, const struct entries *missing)
{
	size_t forgotten = 0;

	for (size_t i = 0; i < missing->n; i++) {
		struct held *h = missing->at[i].held;

		h->was_reaped = true;
		if (!lane_withdraw(h->lane, h))
			continue;
		h->end = END_FORGET;
		reporter_push(&c->w->reporter, h);
		forgotten++;
	}
	if (missing->n)
		log_warn("selfcheck.reaped", "tasks=%zu forgotten=%zu", missing->n, forgotten);
}

static void adopt(struct selfcheck *c, const struct orphan *o)
{
	struct line batch = { 0 };
	struct lane *lane;

	log_info("selfcheck.adopted", "bytes=%zu", o->len);
	worker_accept(c->w, &c->w->lanes[0], o->raw, o->len, &batch);
	if (!batch.first)
		return;                 /* refused */
	lane = worker_lane(c->w, batch.first->task->queue);
	if (lane)
		batch.first->lane = lane;
	lane_push(batch.first->lane, &batch);
}

static int64_t first_seen(const struct selfcheck *c, const struct entry *e, int64_t now)
{
	for (size_t i = 0; i < c->norphans; i++)
		if (c->orphans[i].len == e->len && memcmp(c->orphans[i].raw, e->raw, e->len) == 0)
			return c->orphans[i].seen_ms;
	return now;
}

static void clear_orphans(struct orphan *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i].raw);
	free(list);
}

static void look_at_orphans(struct selfcheck *c, const struct entries *unknown)
{
	struct orphan *seen = xcalloc(unknown->n, sizeof *seen);
	int64_t now = clock_mono_ms();
	size_t n = 0;

	for (size_t i = 0; i < unknown->n; i++) {
		const struct entry *e = &unknown->at[i];
		struct orphan o = { .len = e->len, .seen_ms = first_seen(c, e, now) };

		o.raw = xcalloc(1, e->len + 1);
		memcpy(o.raw, e->raw, e->len);
		if (now - o.seen_ms >= ORPHAN_MS && !peek(&c->w->is_draining)) {
			adopt(c, &o);
			free(o.raw);
		} else {
			seen[n++] = o;
		}
	}
	clear_orphans(c->orphans, c->norphans);
	c->orphans = seen;
	c->norphans = n;
}

void selfcheck_done(struct selfcheck *c)
{
	clear_orphans(c->orphans, c->norphans);
	c->orphans = NULL;
	c->norphans = 0;
}

int selfcheck_run(struct selfcheck *c, struct redis *redis, bool was_reaped, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	scoped(entries_free) struct entries held = { 0 }, running = { 0 }, missing = { 0 }, unknown = { 0 };

	scoped_lock(&c->w->running_lock);
	/* Held first: what is claimed after this is in `running` only, which is an orphan of one look. */
	held_each(&c->w->held, add_held, &held);
	if (redis_command(redis, &reply, err, "LRANGE %s 0 -1", c->w->running_key) < 0)
		return -1;
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
		add_entry(&running, reply->element[i]->str, reply->element[i]->len, NULL);
	if (held.n)
		qsort(held.at, held.n, sizeof *held.at, by_bytes);
	if (running.n)
		qsort(running.at, running.n, sizeof *running.at, by_bytes);
	compare(&held, &running, &missing, &unknown);
	look_at_orphans(c, &unknown);
	if (was_reaped)
		forget_reaped(c, &missing);
	return park(c, redis, &missing, err);
}
