#include "housekeeping.h"

#include "breaker_share.h"
#include "clock.h"
#include "feed.h"
#include "log.h"
#include "origin_letter.h"
#include "outage.h"
#include "pg.h"
#include "purge.h"
#include "rebuild.h"
#include "redis.h"
#include "retention.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS  100
#define RETRY_MS 1000           /* after a chore failed */
#define REST     20             /* times as long as they took, those that look at all open jobs are left alone */
#define CHORES_MAX 16
#define HEAP_FREE ((size_t)8 << 20)     /* that a batch may leave behind */

struct housekeeping {
	struct dispatcher *d;
	pthread_t thread;
	struct pg pg;
	struct redis redis;
	int64_t due_ms[CHORES_MAX];
	int64_t scan_due_ms;
	struct feed feed;
	bool is_comparing;
};

/* Hands a list of (job, ordinal) or (job, ordinal, attempt, pass) rows to the ledger as operations of one kind, and waits. */
static int call_for_rows(struct housekeeping *h, const PGresult *r, enum op_kind kind, const struct op *like, struct err *err)
{
	size_t n = (size_t)PQntuples(r);
	scoped(free_p) struct op **ops = xcalloc(n, sizeof *ops);
	int rc = 0;

	for (size_t k = 0; k < n; k++) {
		ops[k] = op_new(kind);
		ops[k]->job = xstrdup(pg_text(r, (int)k, 0));
		ops[k]->ordinal = (int)pg_int(r, (int)k, 1);
		if (PQnfields(r) > 2) {
			ops[k]->attempt = (int)pg_int(r, (int)k, 2);
			ops[k]->pass = (int)pg_int(r, (int)k, 3);
		}
		if (like) {
			ops[k]->uncharged = like->uncharged;
			ops[k]->probe = like->probe;
		}
	}
	ledger_call_all(h->d->ledger, ops, n);
	for (size_t k = 0; k < n; k++) {
		if (ops[k]->status == OP_FAILED) {
			*err = *ops[k]->err;
			rc = -1;
		}
		op_free(ops[k]);
	}
	return rc;
}

static int retries(struct housekeeping *h, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(&h->pg, &r, err, "SELECT r.job::text, r.ordinal, s.attempt, s.pass FROM retry r JOIN step s ON s.job = r.job "
			"AND s.ordinal = r.ordinal WHERE r.backend IS NULL AND r.due_at <= now() ORDER BY r.due_at LIMIT 1000", PG_NONE) < 0)
		return -1;
	h->d->pg_seen_ms = clock_mono_ms();
	return call_for_rows(h, r, OP_RETRY_DUE, NULL, err);
}

static int release(void *arg, const PGresult *rows, bool is_probe, struct err *err)
{
	const struct op what = { .uncharged = true, .probe = is_probe };

	return call_for_rows(arg, rows, OP_RETRY_DUE, &what, err);
}

static int breakers(struct housekeeping *h, struct err *err)
{
	if (breakers_share(h->d->breakers, &h->redis, err) < 0)
		return -1;
	return outage_run(h->d, &h->pg, &h->redis, release, h, err);
}

static int feeding(struct housekeeping *h, struct err *err)
{
	return feed_run(&h->feed, h->d, &h->pg, &h->redis, err);
}

static int deadlines(struct housekeeping *h, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(&h->pg, &r, err, "SELECT id::text, 0 FROM job WHERE state = 'running' AND deadline_at <= now() "
			"AND stop_reason IS NULL ORDER BY deadline_at LIMIT 100", PG_NONE) < 0)
		return -1;
	return call_for_rows(h, r, OP_DEADLINE, NULL, err);
}

static int unfinished(struct housekeeping *h, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(&h->pg, &r, err, "SELECT id::text, 0 FROM job WHERE state = 'running' AND made < total "
			"AND created_at < now() - interval '20 seconds' LIMIT 100", PG_NONE) < 0)
		return -1;
	return call_for_rows(h, r, OP_MAKE, NULL, err);
}

static void run_due(struct housekeeping *h);

static void pause_comparing(void *arg)
{
	run_due(arg);
}

static int compare(struct housekeeping *h, struct err *err)
{
	int64_t began = clock_mono_ms(), took;
	enum rebuild_why why;
	bool is_routine;
	int rc;

	if (h->is_comparing)
		return 0;
	if (rebuild_is_needed(&h->pg, &h->redis, &why, err) < 0)
		return -1;
	is_routine = why == REBUILD_NO && !h->d->pushes_owed;
	if (is_routine && began < h->scan_due_ms)
		return 0;
	h->is_comparing = true;
	rc = rebuild_run(h->d, &h->pg, &h->redis, why, pause_comparing, h, err);
	h->is_comparing = false;
	took = is_routine ? clock_mono_ms() - began : 0;
	h->scan_due_ms = clock_mono_ms() + max_of((int64_t)h->d->conf.scan_interval_s * 1000, REST * took);
	return rc;
}

static int purging(struct housekeeping *h, struct err *err)
{
	return purge_run(h->d, &h->redis, err);
}

static int strays(struct housekeeping *h, struct err *err)
{
	return purge_strays(&h->pg, &h->redis, err);
}

static int subscribers(struct housekeeping *h, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *patterns = NULL, *channels = NULL, *info = NULL;

	if (redis_command(&h->redis, &patterns, err, "PUBSUB NUMPAT") < 0 ||
	    redis_command(&h->redis, &channels, err, "PUBSUB CHANNELS pixelfleet:events:*") < 0 ||
	    redis_command(&h->redis, &info, err, "INFO memory") < 0)
		return -1;
	h->d->events_wanted = patterns->integer > 0 || channels->elements > 0;
	h->d->redis_noeviction = info->type == REDIS_REPLY_STRING && strstr(info->str, "maxmemory_policy:noeviction");
	return 0;
}

static int letters(struct housekeeping *h, struct err *err)
{
	return origin_letters_push(h->d, &h->pg, &h->redis, err);
}

static int retention(struct housekeeping *h, struct err *err)
{
	return retention_run(h->d, &h->pg, err);
}

static int memory(struct housekeeping *h, struct err *err)
{
	(void)h;
	(void)err;
	heap_trim(HEAP_FREE);
	return 0;
}

static const struct chore {
	const char *name;
	unsigned every_ms;
	bool rests;                     /* how long it takes grows with the number of open jobs */
	int (*run)(struct housekeeping *h, struct err *err);
} chores[] = {
	{ "subscribers", 250,     false, subscribers },
	{ "retries",     200,     false, retries },
	{ "breakers",    250,     false, breakers },
	{ "feed",        200,     false, feeding },
	{ "letters",     250,     false, letters },
	{ "compare",     1000,    false, compare },
	{ "deadlines",   500,     false, deadlines },
	{ "purge",       1000,    false, purging },
	{ "strays",      5000,    false, strays },
	{ "memory",      2000,    false, memory },
	{ "unfinished",  10000,   true,  unfinished },
	{ "retention",   3600000, false, retention },
};
_Static_assert(countof(chores) <= CHORES_MAX, "each has its time");

static void run_chore(struct housekeeping *h, size_t k)
{
	int64_t began = clock_mono_ms();
	struct err err;

	h->due_ms[k] = began + chores[k].every_ms;
	if (chores[k].run(h, &err) < 0) {
		log_warn("housekeeping.failed", "chore=%s error=%s", chores[k].name, log_quote(err.msg));
		h->due_ms[k] = clock_mono_ms() + RETRY_MS;
	} else if (chores[k].rests) {
		h->due_ms[k] = max_of(h->due_ms[k], clock_mono_ms() + REST * (clock_mono_ms() - began));
	}
}

static void run_due(struct housekeeping *h)
{
	for (size_t k = 0; k < countof(chores) && !h->d->stopping; k++)
		if (clock_mono_ms() >= h->due_ms[k])
			run_chore(h, k);
	h->d->chores_ms = clock_mono_ms();
}

/* Who starts next shall not have to find out at the cost of the steps that wait. */
static void tell_breakers(struct housekeeping *h)
{
	struct err err;

	if (breakers_count(h->d->breakers) && breakers_share(h->d->breakers, &h->redis, &err) < 0)
		log_warn("housekeeping.failed", "chore=breakers error=%s", log_quote(err.msg));
}

static void *run(void *arg)
{
	struct housekeeping *h = arg;

	while (!h->d->stopping) {
		run_due(h);
		clock_sleep_ms(TICK_MS);
	}
	tell_breakers(h);
	return NULL;
}

struct housekeeping *housekeeping_start(struct dispatcher *d)
{
	struct housekeeping *h = xcalloc(1, sizeof *h);

	h->d = d;
	d->chores_ms = clock_mono_ms();
	h->scan_due_ms = clock_mono_ms() + (int64_t)d->conf.scan_interval_s * 1000;
	pg_init(&h->pg, d->conf.database_url, NULL);
	redis_init(&h->redis, d->conf.redis_url);
	must(pthread_create(&h->thread, NULL, run, h) == 0);
	return h;
}

void housekeeping_stop(struct housekeeping *h)
{
	if (!h)
		return;
	pthread_join(h->thread, NULL);
	pg_done(&h->pg);
	redis_done(&h->redis);
	free(h);
}
