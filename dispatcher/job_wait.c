#include "job_wait.h"

#include "clock.h"
#include "log.h"
#include "uuid.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#define LINGER_MS 60000

struct job_wait {
	struct request *req;
	char job[UUID_TEXT];
	bool is_over, is_suspended;
	int64_t until_ms;               /* 0: it has not begun to wait */
	void (*then)(struct request *req);
	struct job_wait *prev, *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct job_wait *waiting;
static _Atomic int64_t latest_ms;       /* when somebody waited last; 0: never */

static void unlock(pthread_mutex_t *m)
{
	must(pthread_mutex_unlock(m) == 0);
}

DEFINE_SCOPED(pthread_mutex_t *, unlock)
#define scoped_lock() scoped(unlock_p) pthread_mutex_t *locked_here __attribute__((unused)) = lock_it()

static pthread_mutex_t *lock_it(void)
{
	must(pthread_mutex_lock(&lock) == 0);
	return &lock;
}

void job_wait_begin(struct request *req, const char *job, void (*then)(struct request *req))
{
	struct job_wait *w = xcalloc(1, sizeof *w);

	must(!req->job_wait && strlen(job) < sizeof w->job);
	w->req = req;
	w->then = then;
	memcpy(w->job, job, strlen(job) + 1);
	req->job_wait = w;
	latest_ms = clock_mono_ms();
	scoped_lock();
	w->next = waiting;
	if (waiting)
		waiting->prev = w;
	waiting = w;
}

static void go_on(struct request *req)
{
	req->job_wait->then(req);
}

void job_wait(struct request *req, unsigned seconds)
{
	struct job_wait *w = req->job_wait;
	bool is_vain;

	{
		scoped_lock();
		is_vain = w->is_over || req->d->stopping;       /* nobody wakes those who come later */
		w->until_ms = clock_mono_ms() + (int64_t)seconds * 1000;
		if (!is_vain) {
			req->resume = go_on;
			w->is_suspended = true;
			MHD_suspend_connection(req->conn);
		}
	}
	if (is_vain)
		go_on(req);
}

bool job_wait_is_over(const struct request *req)
{
	scoped_lock();
	return req->job_wait->is_over;
}

const char *job_wait_id(const struct request *req)
{
	return req->job_wait->job;
}

void job_wait_drop(struct job_wait *w)
{
	if (!w)
		return;
	{
		scoped_lock();
		if (w->prev)
			w->prev->next = w->next;
		else
			waiting = w->next;
		if (w->next)
			w->next->prev = w->prev;
	}
	free(w);
}

/* With the lock. */
static void wake(struct job_wait *w)
{
	if (!w->is_suspended)
		return;
	w->is_suspended = false;
	MHD_resume_connection(w->req->conn);
}

void job_waits_told(const char *job)
{
	if (!latest_ms)
		return;
	scoped_lock();
	for (struct job_wait *w = waiting; w; w = w->next)
		if (strcmp(w->job, job) == 0) {
			w->is_over = true;
			wake(w);
		}
}

void job_waits_expire(bool all)
{
	int64_t now = clock_mono_ms();

	scoped_lock();
	for (struct job_wait *w = waiting; w; w = w->next)
		if (all || (w->until_ms && now >= w->until_ms))
			wake(w);
}

bool job_waits_listen(void)
{
	scoped_lock();
	return waiting || (latest_ms && clock_mono_ms() - latest_ms < LINGER_MS);
}

static bool list(struct buf *ids)
{
	scoped_lock();
	pg_array_begin(ids);
	for (const struct job_wait *w = waiting; w; w = w->next)
		if (!w->is_over)
			pg_array_word(ids, w->job);
	pg_array_end(ids);
	return ids->len > 2;
}

void job_waits_ask(struct pg *pg)
{
	scoped(buf_free) struct buf ids = { 0 };
	scoped(PQclear_p) PGresult *r = NULL;
	struct err err;

	if (!list(&ids))
		return;
	if (pg_query(pg, &r, &err, "SELECT id FROM job WHERE id = ANY($1::uuid[]) AND state <> 'running'", PG_VALUES(ids.text)) < 0) {
		log_debug("job_wait.postgres", "err=%s", log_quote(err.msg));
		return;
	}
	for (int i = 0; i < PQntuples(r); i++)
		job_waits_told(pg_text(r, i, 0));
}
