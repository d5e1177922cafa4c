#include "syncer.h"

#include "clock.h"
#include "fault.h"
#include "log.h"
#include "store.h"
#include "sync.h"
#include "worker.h"

#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 64
#define ENOUGH      32          /* that wait for others */

static bool is_kept(const struct held *h, int *ret_error)
{
	for (size_t i = 0; i < h->nunsynced; i++)
		if (h->unsynced[i].error)
			return *ret_error = h->unsynced[i].error, false;
	return true;
}

static void report_failure(struct syncer *s, struct held *h, int error)
{
	struct task_result failure = { .failed = true, .started_us = clock_wall_us() };

	err_set(&failure.err, ERR_RETRY, "cannot keep an artifact in '%s': %s", s->w->store.path, strerror(error));
	log_warn("step.unkept", "job=%s step=%s item=%d error=%s", h->task->job, h->task->step, h->task->item, log_quote(failure.err.msg));
	buf_clear(&h->text);
	task_report(h->task, &failure, s->w->name, &h->text);
	h->failed = true;
}

static void sync_all(struct syncer *s, const struct line *line)
{
	scoped(free_p) struct store_item **items = NULL;
	size_t n = 0, room = 0;

	for (struct held *h = line->first; h; h = h->after)
		for (size_t i = 0; i < h->nunsynced; i++) {
			items = grow(items, n + 1, &room, sizeof *items);
			items[n++] = &h->unsynced[i];
		}
	fault_die("worker.sync");
	store_sync(&s->w->store, items, n);
	if (fault("worker.keep") && n)
		items[0]->error = ENOSPC;
}

static void hand_on(struct syncer *s, struct line *line)
{
	struct line kept = { 0 };
	size_t waited = 0;
	struct held *h;

	while ((h = line_pop(line))) {
		int error;

		if (!is_kept(h, &error))
			report_failure(s, h, error);
		free(steal(&h->unsynced));
		h->nunsynced = 0;
		waited += h->due_ms != 0;
		h->due_ms = 0;
		line_push(&kept, h);
	}
	reporter_push_all(&s->w->reporter, &kept);
	if (waited)
		bump(&s->w->reporter.waiting, -waited);
}

/* Under the lock; until there is work. false: it is time to leave. */
static bool await_line(struct syncer *s)
{
	while (!s->is_leaving) {
		int64_t now = clock_mono_ms();

		if (s->line.n && now >= s->due_ms)
			break;
		s->sleeps_until_ms = s->line.n ? s->due_ms : INT64_MAX;
		if (s->line.n)
			cond_wait_until(&s->wake, &s->lock, s->due_ms);
		else
			cond_wait(&s->wake, &s->lock);
		s->sleeps_until_ms = 0;
	}
	return s->line.n > 0;
}

static void *syncer_main(void *arg)
{
	struct syncer *s = arg;
	struct line line;

	for (;;) {
		bool goes_on;

		lock(&s->lock);
		goes_on = await_line(s);
		line = s->line;
		s->line = (struct line){ 0 };
		pthread_cond_broadcast(&s->room);
		unlock(&s->lock);
		if (!goes_on)
			return NULL;
		sync_all(s, &line);
		hand_on(s, &line);
	}
}

void syncer_start(struct syncer *s, struct worker *w)
{
	*s = (struct syncer){ .w = w };
	mutex_init(&s->lock);
	cond_init(&s->wake);
	cond_init(&s->room);
	must(pthread_create(&s->thread, NULL, syncer_main, s) == 0);
}

/* What is in the line wants to go by then. Under the lock. */
static void be_there(struct syncer *s, int64_t due_ms)
{
	s->due_ms = due_ms;
	if (due_ms < s->sleeps_until_ms) {
		s->sleeps_until_ms = 0;
		pthread_cond_signal(&s->wake);
	}
}

void syncer_push(struct syncer *s, struct held *h)
{
	scoped_lock(&s->lock);
	bool is_first = s->line.n == 0;

	line_push(&s->line, h);
	if (h->due_ms && s->line.n < ENOUGH)
		be_there(s, is_first ? h->due_ms : min_of(s->due_ms, h->due_ms));
	else
		be_there(s, 0);
}

void syncer_hurry(struct syncer *s)
{
	scoped_lock(&s->lock);

	if (s->line.n)
		be_there(s, 0);
}

void syncer_wait_room(struct syncer *s)
{
	scoped_lock(&s->lock);

	while (s->line.n >= WAITING_MAX)
		cond_wait(&s->room, &s->lock);
}

void syncer_stop(struct syncer *s)
{
	lock(&s->lock);
	s->is_leaving = true;
	pthread_cond_signal(&s->wake);
	unlock(&s->lock);
	must(pthread_join(s->thread, NULL) == 0);
	pthread_cond_destroy(&s->wake);
	pthread_cond_destroy(&s->room);
	pthread_mutex_destroy(&s->lock);
}
