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

struct housekeeping {
	struct dispatcher *d;
	pthread_t thread;
	struct pg pg;
	struct redis redis;
	int64_t last_scan;
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
			*err = ops[k]->err;
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
			"AND s.ordinal = r.ordinal WHERE r.backend IS NULL AND r.due_at <= clock_timestamp() ORDER BY r.due_at LIMIT 1000", PG_NONE) < 0)
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
	return feed_run(h->d, &h->pg, &h->redis, err);
}

static int deadlines(struct housekeeping *h, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(&h->pg, &r, err, "SELECT id::text, 0 FROM job WHERE state = 'running' AND deadline_at <= clock_timestamp() "
			"AND stop_reason IS NULL LIMIT 100", PG_NONE) < 0)
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

static int compare(struct housekeeping *h, struct err *err)
{
	int64_t now = clock_mono_ms();
	enum rebuild_why why;

	if (rebuild_is_needed(&h->pg, &h->redis, &why, err) < 0)
		return -1;
	if (why == REBUILD_NO && !h->d->pushes_owed && now - h->last_scan < (int64_t)h->d->conf.scan_interval_s * 1000)
		return 0;
	h->last_scan = now;
	return rebuild_run(h->d, &h->pg, &h->redis, why, err);
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

static const struct chore {
	const char *name;
	unsigned every_ms;
	int (*run)(struct housekeeping *h, struct err *err);
} chores[] = {
	{ "subscribers", 250,     subscribers },
	{ "retries",     200,     retries },
	{ "breakers",    250,     breakers },
	{ "feed",        200,     feeding },
	{ "letters",     250,     letters },
	{ "compare",     1000,    compare },
	{ "deadlines",   500,     deadlines },
	{ "purge",       1000,    purging },
	{ "strays",      5000,    strays },
	{ "unfinished",  10000,   unfinished },
	{ "retention",   3600000, retention },
};

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
	int64_t due[countof(chores)] = { 0 };

	while (!h->d->stopping) {
		for (size_t k = 0; k < countof(chores) && !h->d->stopping; k++) {
			struct err err;

			if (clock_mono_ms() < due[k])
				continue;
			due[k] = clock_mono_ms() + chores[k].every_ms;
			if (chores[k].run(h, &err) == 0)
				continue;
			log_warn("housekeeping.failed", "chore=%s error=%s", chores[k].name, log_quote(err.msg));
			due[k] = clock_mono_ms() + RETRY_MS;
		}
		h->d->chores_ms = clock_mono_ms();
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
	h->last_scan = clock_mono_ms();
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
