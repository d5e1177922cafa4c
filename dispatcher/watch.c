#include "watch.h"

#include "adopt.h"
#include "clock.h"
#include "fault.h"
#include "log.h"
#include "metrics.h"
#include "pg.h"
#include "redis.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS  500
#define BEAT_PX  "2500"

struct peer {
	char name[160];
	bool is_worker, is_listed;
	int64_t missing_since;          /* 0: it was there at the last look */
	char *last;                     /* its last heartbeat, or NULL */
};

struct watch {
	struct dispatcher *d;
	pthread_t thread;
	struct redis redis;
	struct pg pg;
	unsigned connects;              /* of redis, when `missing_since` began to count */
	struct peer *peers;
	size_t npeers, cap;
	char started[CLOCK_TEXT];
};

static struct peer *find(struct watch *w, const char *name, bool is_worker)
{
	for (size_t k = 0; k < w->npeers; k++)
		if (w->peers[k].is_worker == is_worker && strcmp(w->peers[k].name, name) == 0)
			return &w->peers[k];
	w->peers = grow(w->peers, w->npeers + 1, &w->cap, sizeof *w->peers);
	w->peers[w->npeers] = (struct peer){ .is_worker = is_worker };
	snprintf(w->peers[w->npeers].name, sizeof w->peers[0].name, "%s", name);
	return &w->peers[w->npeers++];
}

static void drop(struct watch *w, struct peer *p)
{
	free(p->last);
	*p = w->peers[--w->npeers];
}

static int beat(struct watch *w, struct err *err)
{
	char host[80] = "?";
	scoped(free_p) char *key = xasprintf("pixelfleet:dispatcher:%s", w->d->id), *text = NULL;
	const char *argv[] = { key, "pixelfleet:dispatchers", "pixelfleet:epoch", NULL, BEAT_PX, w->d->id };

	gethostname(host, sizeof host - 1);
	text = xasprintf("{\"dispatcher\":\"%s\",\"host\":\"%s\",\"pid\":%d,\"version\":\"%s\",\"started_at\":\"%s\"}",
		w->d->id, host, (int)getpid(), VERSION, w->started);
	argv[3] = text;
	if (redis_script(&w->redis, "beat", 3, 6, argv, NULL, NULL, err) < 0)
		return -1;
	w->d->redis_seen_ms = clock_mono_ms();
	return 0;
}

/* One look at all of one kind: who is listed, and whose heartbeat is there. */
static int look(struct watch *w, bool workers, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *names = NULL;
	const char *kind = workers ? "worker" : "dispatcher";

	if (redis_command(&w->redis, &names, err, workers ? "SMEMBERS pixelfleet:workers" : "SMEMBERS pixelfleet:dispatchers") < 0)
		return -1;
	for (size_t k = 0; k < names->elements; k++)
		if (redis_append(&w->redis, err, "GET pixelfleet:%s:%s", kind, names->element[k]->str) < 0)
			return -1;
	for (size_t k = 0; k < names->elements; k++) {
		scoped(freeReplyObject_p) redisReply *beat_text = NULL;
		struct peer *p;

		if (redis_reply(&w->redis, &beat_text, err) < 0)
			return redis_close(&w->redis), -1;      /* the rest of the answers is not awaited */
		p = find(w, names->element[k]->str, workers);
		p->is_listed = true;
		if (beat_text->type == REDIS_REPLY_STRING) {
			free(p->last);
			p->last = xstrndup(beat_text->str, beat_text->len);
			p->missing_since = 0;
		} else if (!p->missing_since) {
			p->missing_since = clock_mono_ms();
		}
	}
	return 0;
}

/* ---- a dead worker ---- */

static bool has_started(const json_t *beat_body, const char *job, json_int_t ordinal)
{
	const json_t *task;
	size_t i;

	json_array_foreach(json_object_get(beat_body, "running"), i, task)
		if (json_integer_value(json_object_get(task, "ordinal")) == ordinal &&
		    strcmp(json_string_value(json_object_get(task, "job")) ? json_string_value(json_object_get(task, "job")) : "", job) == 0)
			return true;
	return false;
}

/* Charges a death for one task that was started. *ret_poison: it must not run again. */
static int charge(struct watch *w, const struct peer *p, const json_t *beat_body, const char *entry, size_t len, bool *ret_poison, struct err *err)
{
	scoped(json_decref_p) json_t *body = json_loadb(entry, len, 0, NULL);
	const json_t *task = json_object_get(body, "task") ? json_object_get(body, "task") : body;
	const char *job = json_string_value(json_object_get(task, "job"));
	json_int_t ordinal = json_integer_value(json_object_get(task, "ordinal"));
	struct op *op;
	int rc = 0;

	if (!job || !has_started(beat_body, job, ordinal))
		return 0;
	op = op_new(OP_DEATH);
	op->job = xstrdup(job);
	op->ordinal = (int)ordinal;
	op->attempt = (int)json_integer_value(json_object_get(task, "attempt"));
	op->text = xstrdup(p->name);
	ledger_call(w->d->ledger, op);
	*ret_poison = op->status == OP_POISON;
	if (op->status == OP_FAILED) {
		*err = *op->err;
		rc = -1;
	}
	op_free(op);
	return rc;
}

/* Only one dispatcher charges and reaps; when it dies in between, the lock does too. */
static int lock_reaping(struct watch *w, const struct peer *p, bool *ret_locked, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *r = NULL;

	if (redis_command(&w->redis, &r, err, "SET pixelfleet:reaping:%s %s NX PX 5000", p->name, w->d->id) < 0)
		return -1;
	*ret_locked = r->type == REDIS_REPLY_STATUS;
	return 0;
}

static int reap(struct watch *w, const struct peer *p, bool charges, struct err *err)
{
	scoped(free_p) char *key = xasprintf("pixelfleet:worker:%s", p->name), *running = xasprintf("pixelfleet:running:%s", p->name);
	scoped(freeReplyObject_p) redisReply *held = NULL, *moved = NULL;
	scoped(json_decref_p) json_t *beat_body = p->last ? json_loads(p->last, 0, NULL) : NULL;
	scoped(free_p) const char **argv = NULL;
	scoped(free_p) size_t *lens = NULL;
	bool locked = false;
	int argc = 0;

	if (lock_reaping(w, p, &locked, err) < 0 || !locked)
		return locked ? -1 : 0;
	if (redis_command(&w->redis, &held, err, "LRANGE %s 0 -1", running) < 0)
		return -1;
	argv = xcalloc(6 + held->elements, sizeof *argv);
	lens = xcalloc(6 + held->elements, sizeof *lens);
	argv[argc++] = key, argv[argc++] = running, argv[argc++] = "pixelfleet:workers", argv[argc++] = "pixelfleet:dlq:jobs";
	argv[argc++] = p->name, argv[argc++] = "pixelfleet:queue:";
	for (int k = 0; k < argc; k++)
		lens[k] = strlen(argv[k]);
	for (size_t k = 0; k < held->elements; k++) {
		bool poison = false;

		if (charges && charge(w, p, beat_body, held->element[k]->str, held->element[k]->len, &poison, err) < 0)
			return -1;
		if (poison) {
			lens[argc] = held->element[k]->len;
			argv[argc++] = held->element[k]->str;
		}
	}
	if (held->elements)
		fault_die("watch.charged");
	if (redis_script(&w->redis, "reap", 4, argc, argv, lens, &moved, err) < 0)
		return -1;
	if (moved->integer >= 0) {
		log_warn("worker.dead", "worker=%s tasks=%lld", p->name, moved->integer);
		metric_add(METRIC_REAPED, (uint64_t)moved->integer);
	}
	return 0;
}

static int bury_dispatcher(struct watch *w, const struct peer *p, struct err *err)
{
	if (adopt_all(w->d, &w->pg, &w->redis, p->name, err) < 0)
		return -1;
	log_warn("dispatcher.dead", "dispatcher=%s", p->name);
	return redis_command(&w->redis, NULL, err, "SREM pixelfleet:dispatchers %s", p->name);
}

static bool is_dead(const struct watch *w, const struct peer *p)
{
	return p->missing_since && clock_mono_ms() - p->missing_since >= (int64_t)w->d->conf.dead_after_ms;
}

static int bury(struct watch *w, struct err *err)
{
	size_t workers = 0, missing = 0;

	for (size_t k = 0; k < w->npeers; k++) {
		workers += w->peers[k].is_worker;
		missing += w->peers[k].is_worker && w->peers[k].missing_since;
	}
	for (size_t k = 0; k < w->npeers; k++) {
		struct peer *p = &w->peers[k];
		/* when more than half of several workers went at once, it was not the tasks that killed them */
		bool charges = workers < 2 || missing * 2 <= workers;

		if (!is_dead(w, p))
			continue;
		if ((p->is_worker ? reap(w, p, charges, err) : bury_dispatcher(w, p, err)) < 0)
			return -1;
	}
	return 0;
}

static int tick(struct watch *w, struct err *err)
{
	if (beat(w, err) < 0)
		return -1;
	if (w->connects != w->redis.connects) {         /* what was missing before may have been our own connection */
		w->connects = w->redis.connects;
		for (size_t k = 0; k < w->npeers; k++)
			w->peers[k].missing_since = 0;
	}
	for (size_t k = 0; k < w->npeers; k++)
		w->peers[k].is_listed = false;
	if (look(w, true, err) < 0 || look(w, false, err) < 0)
		return -1;
	for (size_t k = w->npeers; k-- > 0;)
		if (!w->peers[k].is_listed)
			drop(w, &w->peers[k]);
	return bury(w, err);
}

static void *run(void *arg)
{
	struct watch *w = arg;
	struct err err;

	while (!w->d->stopping) {
		if (tick(w, &err) < 0)
			log_warn("watch.failed", "error=%s", log_quote(err.msg));
		w->d->watch_ms = clock_mono_ms();
		clock_sleep_ms(TICK_MS);
	}
	return NULL;
}

struct watch *watch_start(struct dispatcher *d)
{
	struct watch *w = xcalloc(1, sizeof *w);

	w->d = d;
	d->watch_ms = clock_mono_ms();
	clock_format(clock_wall_us(), w->started);
	redis_init(&w->redis, d->conf.redis_url);
	pg_init(&w->pg, d->conf.database_url, NULL);
	must(pthread_create(&w->thread, NULL, run, w) == 0);
	return w;
}

/* Nothing taken is left: nobody needs to look after this dispatcher. */
static int say_goodbye(struct watch *w, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *taken = NULL;

	if (redis_command(&w->redis, NULL, err, "DEL pixelfleet:dispatcher:%s", w->d->id) < 0 ||
	    redis_command(&w->redis, &taken, err, "EXISTS pixelfleet:taken:%s", w->d->id) < 0)
		return -1;
	return taken->integer ? 0 : redis_command(&w->redis, NULL, err, "SREM pixelfleet:dispatchers %s", w->d->id);
}

void watch_stop(struct watch *w)
{
	struct err err;

	if (!w)
		return;
	pthread_join(w->thread, NULL);
	if (say_goodbye(w, &err) < 0)
		log_info("watch.goodbye", "error=%s", log_quote(err.msg));
	for (size_t k = 0; k < w->npeers; k++)
		free(w->peers[k].last);
	free(w->peers);
	redis_done(&w->redis);
	pg_done(&w->pg);
	free(w);
}
