#include "hauls.h"

#include "accept.h"
#include "clock.h"
#include "log.h"
#include "redis.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 500

struct haul {
	struct hauls *in;
	struct haul *next;
	struct op **ops;
	size_t n;
	_Atomic size_t left;            /* operations that are at the ledger */
	bool landed;                    /* none is */
};

struct hauls {
	struct dispatcher *d;
	const char *taken;
	struct redis redis;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t landed, room;
	struct haul *first, **last;
	size_t n;
	_Atomic bool halt;              /* see struct op */
	bool closed;                    /* no more come */
};

/* On a thread of the ledger. */
static void done(struct op *op)
{
	struct haul *haul = op->arg;
	struct hauls *h = haul->in;

	if (--haul->left > 0)
		return;
	must(pthread_mutex_lock(&h->lock) == 0);
	haul->landed = true;
	pthread_cond_signal(&h->landed);
	must(pthread_mutex_unlock(&h->lock) == 0);
}

/* What of it is not done yet, as a list for the ledger; NULL: nothing. */
static struct op *undone(struct haul *haul)
{
	struct op *first = NULL, **last = &first;
	size_t n = 0;

	for (size_t k = 0; k < haul->n; k++) {
		struct op *op = haul->ops[k];

		if (!accept_is_undone(op))
			continue;
		op->done = done;
		op->arg = haul;
		op->halt = &haul->in->halt;
		*last = op;
		last = &op->next;
		n++;
	}
	*last = NULL;
	haul->left = n;
	haul->landed = n == 0;
	return first;
}

/* ---- the end of a haul ---- */

static bool all_landed(const struct hauls *h)
{
	for (const struct haul *haul = h->first; haul; haul = haul->next)
		if (!haul->landed)
			return false;
	return true;
}

static void drop_first(struct hauls *h)
{
	struct haul *haul = h->first;

	must(pthread_mutex_lock(&h->lock) == 0);
	h->first = haul->next;
	if (!h->first)
		h->last = &h->first;
	h->n--;
	pthread_cond_signal(&h->room);
	must(pthread_mutex_unlock(&h->lock) == 0);
	for (size_t k = 0; k < haul->n; k++)
		op_free(haul->ops[k]);
	free(haul->ops);
	free(haul);
}

/* Something was not done. Nothing new is submitted until all that is in hand has come back, and was submitted again. */
static void start_over(struct hauls *h)
{
	must(pthread_mutex_lock(&h->lock) == 0);
	h->halt = true;
	while (!all_landed(h))
		pthread_cond_wait(&h->landed, &h->lock);
	must(pthread_mutex_unlock(&h->lock) == 0);
	clock_sleep_ms(PAUSE_MS);
	must(pthread_mutex_lock(&h->lock) == 0);
	h->halt = false;
	for (struct haul *haul = h->first; haul; haul = haul->next) {
		struct op *ops = undone(haul);

		if (ops)
			ledger_submit(h->d->ledger, ops);
	}
	pthread_cond_signal(&h->room);
	must(pthread_mutex_unlock(&h->lock) == 0);
}

/* The first haul when it has landed; NULL: all are done with. */
static struct haul *wait_for_first(struct hauls *h)
{
	struct haul *haul;

	must(pthread_mutex_lock(&h->lock) == 0);
	while (h->first ? !h->first->landed : !h->closed)
		pthread_cond_wait(&h->landed, &h->lock);
	haul = h->first;
	must(pthread_mutex_unlock(&h->lock) == 0);
	return haul;
}

static void *run(void *arg)
{
	struct hauls *h = arg;
	struct haul *haul;
	struct err err;

	while ((haul = wait_for_first(h))) {
		if (accept_settle(h->d, &h->redis, h->taken, haul->ops, haul->n, &err) == 0) {
			drop_first(h);
			continue;
		}
		if (h->d->stopping)
			break;
		log_warn("intake.waiting", "error=%s", log_quote(err.msg));
		start_over(h);
	}
	return NULL;
}

/* ---- for the one who takes ---- */

struct hauls *hauls_new(struct dispatcher *d, const char *taken)
{
	struct hauls *h = xcalloc(1, sizeof *h);

	h->d = d;
	h->taken = taken;
	h->last = &h->first;
	redis_init(&h->redis, d->conf.redis_url);
	must(pthread_mutex_init(&h->lock, NULL) == 0 && pthread_cond_init(&h->landed, NULL) == 0 && pthread_cond_init(&h->room, NULL) == 0);
	must(pthread_create(&h->thread, NULL, run, h) == 0);
	pthread_setname_np(h->thread, "intake-settle");
	return h;
}

void hauls_free(struct hauls *h)
{
	if (!h)
		return;
	must(pthread_mutex_lock(&h->lock) == 0);
	h->closed = true;
	pthread_cond_signal(&h->landed);
	must(pthread_mutex_unlock(&h->lock) == 0);
	pthread_join(h->thread, NULL);
	must(pthread_mutex_lock(&h->lock) == 0);
	while (!all_landed(h))          /* it gave up, but the ledger does not */
		pthread_cond_wait(&h->landed, &h->lock);
	must(pthread_mutex_unlock(&h->lock) == 0);
	while (h->first)
		drop_first(h);
	redis_done(&h->redis);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->landed);
	pthread_cond_destroy(&h->room);
	free(h);
}

bool hauls_have_room(struct hauls *h)
{
	struct timespec until;
	bool room;

	must(pthread_mutex_lock(&h->lock) == 0);
	while ((h->n == HAULS_MAX || h->halt) && !h->d->stopping) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;         /* nobody wakes us to stop */
		pthread_cond_timedwait(&h->room, &h->lock, &until);
	}
	room = !h->d->stopping;
	must(pthread_mutex_unlock(&h->lock) == 0);
	return room;
}

void hauls_submit(struct hauls *h, struct op **take_ops, size_t n)
{
	struct haul *haul = xcalloc(1, sizeof *haul);
	struct op *now = NULL;

	*haul = (struct haul){ .in = h, .ops = take_ops, .n = n, .landed = true };
	for (size_t k = 0; k < n; k++)
		take_ops[k]->status = OP_FAILED;        /* until it is done */
	must(pthread_mutex_lock(&h->lock) == 0);
	*h->last = haul;
	h->last = &haul->next;
	h->n++;
	if (!h->halt)
		now = undone(haul);
	must(pthread_mutex_unlock(&h->lock) == 0);
	if (now)                        /* nobody resubmits it meanwhile: that waits until all have landed */
		ledger_submit_here(h->d->ledger, now);
}

static int by_job(const void *job, const void *op)
{
	return strcmp(job, (*(struct op *const *)op)->job);
}

bool hauls_contain(struct hauls *h, const char *job)
{
	bool found = false;

	must(pthread_mutex_lock(&h->lock) == 0);
	for (const struct haul *haul = h->first; haul && !found; haul = haul->next)
		found = bsearch(job, haul->ops, haul->n, sizeof *haul->ops, by_job) != NULL;
	must(pthread_mutex_unlock(&h->lock) == 0);
	return found;
}
