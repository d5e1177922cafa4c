#include "errand.h"

#include "clock.h"

#include <pthread.h>
#include <stdlib.h>

#include <microhttpd.h>

#define PATIENCE_MS 45000        /* less than workers and clients have */

struct errand {
	struct request *req;            /* NULL: it was answered without us; the last done() frees */
	struct op **ops;
	size_t n, left;
	int64_t until_ms;
	struct errand *prev, *next;     /* of those that wait */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct errand *waiting;

static void errand_free(struct errand *e)
{
	for (size_t i = 0; i < e->n; i++)
		op_free(e->ops[i]);
	free(e->ops);
	free(e);
}

static void leave(struct errand *e)
{
	if (e->prev)
		e->prev->next = e->next;
	else
		waiting = e->next;
	if (e->next)
		e->next->prev = e->prev;
}

static void enter(struct errand *e)
{
	pthread_mutex_lock(&lock);
	e->next = waiting;
	if (waiting)
		waiting->prev = e;
	waiting = e;
	pthread_mutex_unlock(&lock);
}

/* On a thread of the ledger. */
static void done(struct op *op)
{
	struct errand *e = op->arg, *orphan = NULL;

	pthread_mutex_lock(&lock);
	if (--e->left == 0) {
		if (e->req) {
			leave(e);
			MHD_resume_connection(e->req->conn);
		} else {
			orphan = e;
		}
	}
	pthread_mutex_unlock(&lock);
	if (orphan)
		errand_free(orphan);
}

/* Back on a server thread. */
static void arrived(struct request *req)
{
	struct errand *e;
	bool is_done;

	pthread_mutex_lock(&lock);
	e = req->errand;
	is_done = e && e->left == 0;
	pthread_mutex_unlock(&lock);
	if (!is_done) {
		answer_error(req, MHD_HTTP_SERVICE_UNAVAILABLE, "the database has not confirmed this in time; it may still be done");
		return;
	}
	req->then(req);
	req->errand = NULL;
	errand_free(e);
}

void errand_run(struct request *req, struct op **ops, size_t n, void (*then)(struct request *req))
{
	struct errand *e = xcalloc(1, sizeof *e);

	must(n > 0);
	*e = (struct errand){ .req = req, .n = n, .left = n, .until_ms = clock_mono_ms() + PATIENCE_MS };
	e->ops = xcalloc(n, sizeof *ops);
	for (size_t i = 0; i < n; i++) {
		e->ops[i] = ops[i];
		ops[i]->done = done;
		ops[i]->arg = e;
		ops[i]->next = i + 1 < n ? ops[i + 1] : NULL;
	}
	req->errand = e;
	req->then = then;
	req->resume = arrived;
	MHD_suspend_connection(req->conn);
	enter(e);
	ledger_submit(req->d->ledger, ops[0]);
}

size_t errand_count(const struct errand *e)
{
	return e->n;
}

struct op *errand_op(const struct errand *e, size_t i)
{
	must(i < e->n);
	return e->ops[i];
}

void errands_expire(bool all)
{
	int64_t now = clock_mono_ms();

	pthread_mutex_lock(&lock);
	for (struct errand *e = waiting, *next; e; e = next) {
		next = e->next;
		if (!all && e->until_ms > now)
			continue;
		leave(e);
		e->req->errand = NULL;
		MHD_resume_connection(e->req->conn);
		e->req = NULL;
	}
	pthread_mutex_unlock(&lock);
}

void errand_drop(struct errand *e)
{
	bool is_done;

	if (!e)
		return;
	pthread_mutex_lock(&lock);
	is_done = e->left == 0;
	if (!is_done) {
		leave(e);
		e->req = NULL;
	}
	pthread_mutex_unlock(&lock);
	if (is_done)
		errand_free(e);
}
