#include "crew_inside.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_GRACE_MS = 2000, LOAD_GRACE_MS = 60000 };

/* ---- the queue, under the lock ---- */

static void enqueue_last(struct crew *c, struct request *r)
{
	struct request **at = &c->queue;

	while (*at)
		at = &(*at)->next;
	*at = r;
	r->next = NULL;
}

void crew_enqueue_first(struct crew *c, struct request *r)
{
	r->round = NULL;
	r->model->waiting++;
	r->next = c->queue;
	c->queue = r;
}

void crew_unlink(struct crew *c, struct request *r)
{
	struct request **at = &c->queue;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->next = NULL;
	r->model->waiting--;
}

/* ---- choosing work, under the lock ---- */

static void move(struct crew *c, struct round_of *w, struct request *r)
{
	crew_unlink(c, r);
	r->round = w;
	w->r[w->n++] = r;
	w->live++;
}

static bool joins(const struct request *a, const struct request *b)
{
	return a->model == b->model && question_joins(&a->q, &b->q);
}

static size_t bytes_of(const struct question *q)
{
	size_t n = 0;

	for (size_t i = 0; i < q->nin; i++)
		n += q->in[i].size;
	return n;
}

/* This one is not counted as active yet, and one whose model is there by now has nothing more to do with it. */
static size_t free_callers(const struct crew *c)
{
	size_t n = c->o.callers - c->active;

	for (const struct round_of *w = c->rounds; w; w = w->next)
		n += w->work == WORK_LOAD && w->model->state == MODEL_READY;
	return n;
}

/* Others for the same run: this caller's even share of what waits. */
static void gather(struct crew *c, struct round_of *w)
{
	const struct request *head = w->r[0];
	size_t most = min_of(head->q.max_batch ? head->q.max_batch : c->o.batch_max, c->o.batch_max), rows = head->q.rows, waiting = 1;
	size_t bytes = bytes_of(&head->q), idle = free_callers(c), share;
	struct request *next;

	if (head->model->is_separate || !signature_batches(head->model->signature))
		return;
	for (const struct request *r = c->queue; r; r = r->next)
		waiting += joins(head, r);
	share = (waiting + idle - 1) / idle;
	for (struct request *r = c->queue; r && w->n < min_of(share, (size_t)ROUND_MOST); r = next) {
		next = r->next;
		if (!joins(head, r) || rows + r->q.rows > most || bytes + bytes_of(&r->q) > QUESTION_BYTES_MAX)
			continue;
		rows += r->q.rows;
		bytes += bytes_of(&r->q);
		move(c, w, r);
	}
}

static void take_ready(struct crew *c, struct round_of *w, struct request *r)
{
	w->work = r->q.is_infer ? WORK_RUN : WORK_DESCRIBE;
	move(c, w, r);
	if (w->work == WORK_RUN) {
		gather(c, w);
		w->run = c->o.engine->begin(c->o.engine);
		r->model->runs++;
	}
	r->model->running++;
	shelf_used(&c->shelf, r->model);
}

static void take_absent(struct crew *c, struct round_of *w, struct request *r)
{
	switch (shelf_make_room(&c->shelf, r->model, &w->removed)) {
	case ROOM_FREE:
		w->work = WORK_LOAD;
		w->was_quiet = c->active == 0;
		r->model->state = MODEL_LOADING;
		r->model->bytes = (size_t)r->model->is.size;
		r->model->running++;
		break;
	case ROOM_LATER:
		w->work = w->removed.n ? WORK_TIDY : WORK_NONE;
		w->model = NULL;        /* nobody counts on it but the request, which may be called off */
		break;
	case ROOM_NEVER:
		w->work = WORK_REFUSE;
		move(c, w, r);
		r->model->running++;
		break;
	}
}

/* false: there is nothing to do just now. */
static bool take(struct crew *c, struct round_of *w)
{
	for (struct request *r = c->queue; r; r = r->next) {
		if (r->model->state == MODEL_LOADING)
			continue;
		w->model = r->model;
		if (r->model->state == MODEL_READY)
			take_ready(c, w, r);
		else
			take_absent(c, w, r);
		break;
	}
	if (w->work == WORK_NONE)
		return false;
	w->next = c->rounds;
	c->rounds = w;
	c->active++;
	return true;
}

/* Under the lock; `removed` is to be put away. */
static void leave(struct crew *c, struct round_of *w)
{
	struct round_of **at = &c->rounds;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	c->active--;
	if (w->work != WORK_TIDY)
		w->model->running--;
	shelf_tidy(&c->shelf, &w->removed);
	if (c->queue)
		pthread_cond_broadcast(&c->wake);
}

static void *call(void *arg)
{
	struct crew *c = arg;

	lock(&c->lock);
	while (!c->is_stopped) {
		struct round_of w = { 0 };

		if (!take(c, &w)) {
			cond_wait(&c->wake, &c->lock);
			continue;
		}
		unlock(&c->lock);
		crew_work(c, &w);
		lock(&c->lock);
		leave(c, &w);
		unlock(&c->lock);
		crew_put_away(c, &w.removed);
		if (w.run)
			c->o.engine->end(c->o.engine, w.run);
		lock(&c->lock);
	}
	unlock(&c->lock);
	return NULL;
}

/* ---- for others ---- */

static void free_crew(struct crew *c)
{
	struct removed gone = { 0 };

	shelf_take_idle(&c->shelf, &gone);
	while (gone.n) {
		crew_put_away(c, &gone);
		shelf_take_idle(&c->shelf, &gone);
	}
	shelf_tidy(&c->shelf, &gone);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c->threads);
	free(c);
}

int crew_start(const struct crew_options *o, struct crew **ret, struct err *err)
{
	struct crew *c = xcalloc(1, sizeof *c);

	c->o = *o;
	c->shelf.budget = o->models_bytes;
	mutex_init(&c->lock);
	cond_init(&c->wake);
	c->threads = xcalloc(o->callers, sizeof *c->threads);
	for (; c->nthreads < o->callers; c->nthreads++) {
		int rc = pthread_create(&c->threads[c->nthreads], NULL, call, c);

		if (rc != 0) {
			err_set(err, ERR_RETRY, "thread %zu of %zu cannot be started: %s", c->nthreads + 1, o->callers, strerror(rc));
			must(crew_stop(c));
			return -1;
		}
	}
	*ret = c;
	return 0;
}

static void stop_all(struct crew *c)
{
	scoped_lock(&c->lock);

	c->is_stopped = true;
	for (struct round_of *w = c->rounds; w; w = w->next)
		if (w->run)
			c->o.engine->stop(c->o.engine, w->run);
	pthread_cond_broadcast(&c->wake);
}

bool crew_stop(struct crew *c)
{
	int64_t until = clock_wall_us() / 1000 + RUN_GRACE_MS;
	const struct timespec t = { .tv_sec = until / 1000, .tv_nsec = (long)(until % 1000) * 1000000 };

	stop_all(c);
	while (c->nthreads > 0) {
		if (pthread_timedjoin_np(c->threads[c->nthreads - 1], NULL, &t) != 0)
			return false;
		c->nthreads--;
	}
	while (c->queue) {
		struct request *r = c->queue;

		crew_unlink(c, r);
		crew_finish(r);
	}
	free_crew(c);
	return true;
}

/* Of a model that is loaded: no caller is needed. */
static void describe_now(struct crew *c, struct request *r)
{
	struct removed gone = { 0 };
	struct shelved *m = r->model;

	crew_describe(c, r, m->signature, m->load_ms);
	lock(&c->lock);
	m->running--;
	shelf_tidy(&c->shelf, &gone);
	unlock(&c->lock);
	crew_put_away(c, &gone);
}

void crew_submit(struct crew *c, struct request *take)
{
	bool is_ready, is_known;
	struct err err;

	lock(&c->lock);
	is_known = shelf_find(&c->shelf, take->q.name, take->q.path, &take->model, &err) == 0;
	is_ready = is_known && take->model->state == MODEL_READY;
	if (is_ready && !take->q.is_infer)
		take->model->running++;
	else if (is_known)
		take->model->waiting++;
	unlock(&c->lock);
	if (!is_known) {
		crew_refuse(take, &err);
		return;
	}
	if (is_ready && !take->q.is_infer) {
		describe_now(c, take);
		return;
	}
	if (!is_ready)
		crew_say_loading(take);
	lock(&c->lock);
	enqueue_last(c, take);
	pthread_cond_signal(&c->wake);
	unlock(&c->lock);
}

bool crew_cancel(struct crew *c, struct request *r)
{
	struct removed gone = { 0 };
	struct round_of *w;

	lock(&c->lock);
	w = r->round;
	if (w) {
		if (!r->is_gone && --w->live == 0 && w->run) {
			c->o.engine->stop(c->o.engine, w->run);
			w->kill_at = clock_mono_ms() + RUN_GRACE_MS;
		}
		r->is_gone = true;
	} else {
		crew_unlink(c, r);
		shelf_tidy(&c->shelf, &gone);
		pthread_cond_broadcast(&c->wake);       /* it may have been in the way of those behind it */
	}
	unlock(&c->lock);
	crew_put_away(c, &gone);
	if (w)
		return false;
	question_done(&r->q);
	free(r);
	return true;
}

/* A load for nobody may go on for a while: the next one may want it. */
static void watch_load(struct round_of *w, int64_t now)
{
	if (w->model->waiting)
		w->kill_at = 0;
	else if (!w->kill_at)
		w->kill_at = now + LOAD_GRACE_MS;
}

int crew_watch(struct crew *c)
{
	int64_t now = clock_mono_ms(), first = INT64_MAX;
	scoped_lock(&c->lock);

	for (struct round_of *w = c->rounds; w; w = w->next) {
		if (w->work == WORK_LOAD)
			watch_load(w, now);
		if (w->kill_at && w->kill_at <= now)
			c->o.on_stuck(w->model->name, w->work == WORK_LOAD);
		if (w->kill_at)
			first = min_of(first, w->kill_at);
	}
	return first == INT64_MAX ? -1 : (int)max_of(first - now, (int64_t)1);
}

json_t *crew_stats(struct crew *c)
{
	scoped_lock(&c->lock);

	return shelf_stats(&c->shelf);
}
