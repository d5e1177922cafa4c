#include "ledger.h"

#include "batch.h"
#include "batch_write.h"
#include "clock.h"
#include "fault.h"
#include "handover.h"
#include "log.h"
#include "metrics.h"
#include "publisher.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX       512     /* operations of one transaction ... */
#define BATCH_ROWS      4096    /* ... and about so many instances, which it has in memory */
#define REPLAYS_MAX     20      /* after a deadlock or a serialization failure */
#define BATCH_S         15      /* everybody waits for the ledger: on a dead connection not for long */
#define GUEST_MAX       16      /* operations that a caller may work off by itself */

/* One transaction at a time, and behind it the pushes of the one before. */
struct lane {
	struct ledger *ledger;
	struct dispatcher *d;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct op *first, **last;
	bool is_worked;                 /* by its own thread or by a guest: who works it has the rest of this alone */
	bool stopping;
	struct pg pg;
	struct publisher *publisher;
	struct pg publisher_pg;
	struct redis redis;
};

/* New jobs and what happens to jobs that are there never touch the same rows: each has its own lane, and neither
 * waits for the other's commits. */
enum { LANE_NEW, LANE_OLD, LANES };
static const char *const lane_names[LANES] = { "ledger-new", "ledger" };        /* as ps -L and top -H show them */

struct ledger {
	struct lane lanes[LANES];
};

struct op *op_new(enum op_kind kind)
{
	struct op *op = xcalloc(1, sizeof *op);

	op->kind = kind;
	return op;
}

void op_free(struct op *op)
{
	if (!op)
		return;
	free(op->job);
	free(op->text);
	free(op->err);
	json_decref(op->problems);
	submission_free(op->submission);
	free(op->report.worker);
	free(op->report.message);
	free(op->report.backend);
	free(op->report.artifacts);
	free(op->report.data);
	json_decref(op->report.artifact_list);
	room_unref(op->room);
	free(op);
}

void op_fail(struct op *op, const struct err *err)
{
	op->status = OP_FAILED;
	if (!op->err)
		op->err = xcalloc(1, sizeof *op->err);
	*op->err = *err;
}

const char *op_status_name(enum op_status s)
{
	static const char *const names[] = { [OP_ACCEPTED] = "accepted", [OP_DUPLICATE] = "duplicate", [OP_STALE] = "stale",
		[OP_UNKNOWN] = "unknown", [OP_CONFLICT] = "conflict", [OP_GO] = "go", [OP_POISON] = "poison", [OP_FAILED] = "failed" };

	return names[s];
}

/* ---- one batch, until it is decided ---- */

static bool has_more(struct lane *l)
{
	bool more;

	must(pthread_mutex_lock(&l->lock) == 0);
	more = l->first != NULL;
	must(pthread_mutex_unlock(&l->lock) == 0);
	return more;
}

static void give(struct lane *l, struct committed *c)
{
	publisher_give(l->publisher, c, !has_more(l));
}

/* On the publisher's thread, or ours. */
static void publish(struct committed *c, void *arg)
{
	struct lane *l = arg;

	publish_all(l->d, &l->publisher_pg, &l->redis, &c->work, c->ops, c->n);
	fault_die("ledger.pushed");
}

static void fail_all(struct lane *l, struct committed *c, const struct err *err)
{
	c->has_failed = true;
	for (size_t k = 0; k < c->n; k++) {
		op_fail(c->ops[k], err);
		if (c->ops[k]->halt && err->kind == ERR_RETRY)
			*c->ops[k]->halt = true;
	}
	give(l, c);
}

/* Those that are behind one that could not be done. Returns how many others there are. */
static size_t hold_back(struct lane *l, struct op **ops, size_t n)
{
	struct op *held[BATCH_MAX];
	size_t nheld = 0, left = 0;
	struct err err;

	for (size_t k = 0; k < n; k++) {
		if (ops[k]->halt && *ops[k]->halt)
			held[nheld++] = ops[k];
		else
			ops[left++] = ops[k];
	}
	err_set(&err, ERR_RETRY, "what came before it is not done yet");
	if (nheld)
		fail_all(l, committed_new(held, nheld), &err);
	return left;
}

static bool is_conflict(const struct pg *pg)
{
	return strncmp(pg->sqlstate, "40", 2) == 0;
}

/* A job with this id is there: this submission was adopted, or the answer to a commit was lost. */
static bool is_known_job(const struct pg *pg, struct op *op)
{
	if (op->kind != OP_ACCEPT || strcmp(pg->sqlstate, "23505") != 0)
		return false;
	op->status = OP_DUPLICATE;
	memcpy(op->result_job, op->job, sizeof op->result_job);
	return true;
}

static struct op *push_owed_op(const char *job)
{
	struct op *op = op_new(OP_PUSH_OWED);

	op->job = xstrdup(job);
	op->done = op_free;
	return op;
}

/* No partition for these ids: housekeeping makes them ahead, but its database may have been away, and the clock that
 * made the ids another one's. The time of an id is its first 48 bits; 24 of them are a matter of hours. */
static int make_partitions(struct lane *l, struct op **ops, size_t n, struct err *err)
{
	const char *last = "";

	for (size_t k = 0; k < n; k++) {
		if (ops[k]->kind != OP_ACCEPT || strncmp(ops[k]->job, last, 6) == 0)
			continue;
		last = ops[k]->job;
		if (pg_query(&l->pg, NULL, err, "SELECT make_partitions(to_timestamp(('x' || left(replace($1, '-', ''), 12))::bit(48)::bigint / 1000.0))",
				PG_VALUES(last)) < 0)
			return -1;
	}
	return 0;
}

/* Whether to try again now. When not, *err says what is in the way. */
static bool may_replay(struct lane *l, struct op **ops, size_t n, int tries, bool *made, struct err *err)
{
	if (tries < REPLAYS_MAX && is_conflict(&l->pg))
		return true;
	if (*made || strcmp(l->pg.sqlstate, "23514") != 0)
		return false;
	*made = true;
	return make_partitions(l, ops, n, err) == 0;
}

/* The job is there: what is still to be pushed of it is found by an operation of its own. */
static void settle_known(struct lane *l, struct committed *c, struct op **more)
{
	struct op *owed = push_owed_op(c->ops[0]->job);

	c->has_failed = true;
	owed->next = *more;
	*more = owed;
	give(l, c);
}

/* Every operation gets its status, and goes to the publisher. */
static void decide(struct lane *l, struct op **ops, size_t n, struct op **more)
{
	struct committed *c;
	struct err err = { 0 };
	bool made = false;

	n = hold_back(l, ops, n);
	if (!n)
		return;
	c = committed_new(ops, n);
	for (int tries = 0;; tries++) {
		l->pg.sqlstate[0] = '\0';
		if (batch_run(l->d, &l->pg, &c->work, ops, n, more, &err) == 0) {
			give(l, c);
			return;
		}
		metric_add(METRIC_LEDGER_FAILURES, 1);
		if (may_replay(l, ops, n, tries, &made, &err)) {
			log_info("ledger.replay", "ops=%zu error=%s", n, log_quote(err.msg));
			continue;
		}
		if (err.kind == ERR_RETRY || n == 1)
			break;
		log_warn("ledger.one_by_one", "ops=%zu error=%s", n, log_quote(err.msg));
		free(c);
		for (size_t k = 0; k < n; k++)
			decide(l, &ops[k], 1, more);
		return;
	}
	if (n == 1 && is_known_job(&l->pg, ops[0])) {
		settle_known(l, c, more);
		return;
	}
	if (err.kind == ERR_RETRY)
		l->d->pushes_owed = true;       /* maybe it was committed, and only the answer was lost */
	log_warn("ledger.batch_failed", "ops=%zu kind=%s error=%s", n, err_kind_name(err.kind), log_quote(err.msg));
	fail_all(l, c, &err);
}

/* ---- whose turn it is ---- */

/* For the lane's own thread: waits. Returns 0 when there is nothing more to come. */
static size_t take(struct lane *l, struct op **ops)
{
	size_t n = 0, rows = 0;

	must(pthread_mutex_lock(&l->lock) == 0);
	while (l->is_worked || (!l->first && !l->stopping))
		pthread_cond_wait(&l->more, &l->lock);
	while (l->first && n < BATCH_MAX) {
		rows += batch_weight(l->first);
		if (n && rows > BATCH_ROWS)
			break;
		ops[n] = l->first;
		l->first = l->first->next;
		ops[n++]->next = NULL;
	}
	if (!l->first)
		l->last = &l->first;
	l->is_worked = n > 0;
	must(pthread_mutex_unlock(&l->lock) == 0);
	return n;
}

/* For a guest: only when it is nobody's turn, and nobody waits for one. */
static bool take_as_guest(struct lane *l)
{
	bool mine;

	must(pthread_mutex_lock(&l->lock) == 0);
	mine = !l->is_worked && !l->first && !l->stopping;
	l->is_worked |= mine;
	must(pthread_mutex_unlock(&l->lock) == 0);
	return mine;
}

static void leave(struct lane *l)
{
	must(pthread_mutex_lock(&l->lock) == 0);
	l->is_worked = false;
	if (l->first || l->stopping)
		pthread_cond_signal(&l->more);
	must(pthread_mutex_unlock(&l->lock) == 0);
}

/* What a batch asked for. The rest of a large job is anybody's to make: nobody waits for that to stop. */
static void go_on(struct lane *l, struct op *more)
{
	bool stopping;

	must(pthread_mutex_lock(&l->lock) == 0);
	stopping = l->stopping;
	must(pthread_mutex_unlock(&l->lock) == 0);
	while (more) {
		struct op *op = more;

		more = op->next;
		op->next = NULL;
		if (stopping && op->kind == OP_MAKE)
			op->done(op);
		else
			ledger_submit(l->ledger, op);
	}
}

/* It is our turn; after this it is somebody else's. */
static void work_off(struct lane *l, struct op **ops, size_t n)
{
	struct op *more = NULL;

	decide(l, ops, n, &more);
	if (more)
		go_on(l, more);
	leave(l);
}

static void *run(void *arg)
{
	struct lane *l = arg;
	struct op *ops[BATCH_MAX];
	size_t n;

	while ((n = take(l, ops)))
		work_off(l, ops, n);
	return NULL;
}

static void lane_start(struct lane *l, const char *name, struct ledger *ledger, struct dispatcher *d)
{
	l->ledger = ledger;
	l->d = d;
	l->last = &l->first;
	must(pthread_mutex_init(&l->lock, NULL) == 0 && pthread_cond_init(&l->more, NULL) == 0);
	pg_init(&l->pg, d->conf.database_url, BATCH_PG_SETUP);
	pg_init(&l->publisher_pg, d->conf.database_url, BATCH_PG_SETUP);
	l->pg.patience_s = l->publisher_pg.patience_s = BATCH_S;
	redis_init(&l->redis, d->conf.redis_url);
	l->publisher = publisher_start(publish, l);
	must(pthread_create(&l->thread, NULL, run, l) == 0);
	pthread_setname_np(l->thread, name);
}

static void lane_stop(struct lane *l)
{
	must(pthread_mutex_lock(&l->lock) == 0);
	l->stopping = true;
	pthread_cond_signal(&l->more);
	must(pthread_mutex_unlock(&l->lock) == 0);
	pthread_join(l->thread, NULL);
	publisher_stop(l->publisher);
	pg_done(&l->pg);
	pg_done(&l->publisher_pg);
	redis_done(&l->redis);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->more);
}

struct ledger *ledger_start(struct dispatcher *d)
{
	struct ledger *l = xcalloc(1, sizeof *l);

	for (size_t k = 0; k < LANES; k++)
		lane_start(&l->lanes[k], lane_names[k], l, d);
	return l;
}

void ledger_stop(struct ledger *l)
{
	if (!l)
		return;
	for (size_t k = 0; k < LANES; k++)      /* in this order: new jobs may ask the other for something */
		lane_stop(&l->lanes[k]);
	free(l);
}

static struct lane *lane_of(struct ledger *l, const struct op *op)
{
	return &l->lanes[op->kind == OP_ACCEPT || op->kind == OP_REFUSE ? LANE_NEW : LANE_OLD];
}

/* A list for one lane. */
static void append(struct lane *l, struct op *first, struct op *last)
{
	last->next = NULL;
	must(pthread_mutex_lock(&l->lock) == 0);
	*l->last = first;
	l->last = &last->next;
	if (!l->is_worked)
		pthread_cond_signal(&l->more);
	must(pthread_mutex_unlock(&l->lock) == 0);
}

void ledger_submit(struct ledger *l, struct op *ops)
{
	while (ops) {
		struct lane *lane = lane_of(l, ops);
		struct op *last = ops, *rest;

		while (last->next && lane_of(l, last->next) == lane)
			last = last->next;
		rest = last->next;
		append(lane, ops, last);
		ops = rest;
	}
}

/* How many there are when they are few and of one lane, else 0. */
static size_t list_few(struct ledger *l, struct op *ops, struct op **list)
{
	struct lane *lane = lane_of(l, ops);
	size_t n = 0, rows = 0;

	for (struct op *op = ops; op; op = op->next) {
		rows += batch_weight(op);
		if (n == GUEST_MAX || rows > BATCH_ROWS || lane_of(l, op) != lane)
			return 0;
		list[n++] = op;
	}
	return n;
}

void ledger_submit_here(struct ledger *l, struct op *ops)
{
	struct op *list[GUEST_MAX];
	size_t n = list_few(l, ops, list);
	struct lane *lane = lane_of(l, ops);

	if (!n || !take_as_guest(lane)) {
		ledger_submit(l, ops);
		return;
	}
	for (size_t k = 0; k < n; k++)
		list[k]->next = NULL;
	work_off(lane, list, n);
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t done;
	size_t left;
};

static void count_down(struct op *op)
{
	struct waiter *w = op->arg;

	must(pthread_mutex_lock(&w->lock) == 0);
	if (--w->left == 0)
		pthread_cond_signal(&w->done);
	must(pthread_mutex_unlock(&w->lock) == 0);
}

void ledger_call_all(struct ledger *l, struct op **ops, size_t n)
{
	struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER, .left = n };

	if (!n)
		return;
	for (size_t k = 0; k < n; k++) {
		ops[k]->done = count_down;
		ops[k]->arg = &w;
		ops[k]->next = k + 1 < n ? ops[k + 1] : NULL;
	}
	ledger_submit_here(l, ops[0]);
	must(pthread_mutex_lock(&w.lock) == 0);
	while (w.left)
		pthread_cond_wait(&w.done, &w.lock);
	must(pthread_mutex_unlock(&w.lock) == 0);
}

void ledger_call(struct ledger *l, struct op *op)
{
	ledger_call_all(l, &op, 1);
}
