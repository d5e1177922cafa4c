/* crew_work.c - what a caller does: loads, runs, answers. */
#include "crew_inside.h"

#include "clock.h"
#include "lastwords.h"
#include "meter.h"
#include "wire.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- answers, without the lock ---- */

void crew_finish(struct request *r)
{
	r->on_end(r->arg);
	question_done(&r->q);
	free(r);
}

/* A peer that is gone needs no answer. */
static void say(const struct request *r, const json_t *answer, int fd)
{
	struct err ignored;

	must(answer != NULL);
	if (wire_send_json(r->sock, answer, &fd, fd >= 0, &ignored) < 0)
		return;
}

void crew_say_loading(struct request *r)
{
	scoped(json_decref_p) json_t *m = json_pack("{s:b, s:s, s:I}", "loading", 1, "name", r->q.name, "bytes",
		(json_int_t)r->model->is.size);

	r->is_told = true;
	say(r, m, -1);
}

void crew_refuse(struct request *r, const struct err *why)
{
	scoped(json_decref_p) json_t *m = json_pack("{s:{s:s, s:s}}", "error", "kind", err_kind_name(why->kind), "message", why->msg);

	say(r, m, -1);
	crew_finish(r);
}

void crew_describe(struct crew *c, struct request *r, const struct signature *s, unsigned load_ms)
{
	scoped(json_decref_p) json_t *m = NULL;
	struct err err;

	if (question_check(&r->q, s, &err) < 0) {
		crew_refuse(r, &err);
		return;
	}
	m = json_pack("{s:o, s:s, s:i}", "model", signature_json(s), "device", c->o.device, "load_ms", r->is_told ? (int)load_ms : 0);
	say(r, m, -1);
	crew_finish(r);
}

/* ---- doing it, without the lock ---- */

void crew_put_away(struct crew *c, struct removed *gone)
{
	for (size_t i = 0; i < gone->n; i++)
		c->o.engine->unload(c->o.engine, gone->models[i]);
	gone->n = 0;
}

/* Makes what memory it can. */
static size_t put_idle_away(struct crew *c)
{
	struct removed gone = { 0 };
	size_t n;

	lock(&c->lock);
	shelf_take_idle(&c->shelf, &gone);
	unlock(&c->lock);
	n = gone.n;
	crew_put_away(c, &gone);
	return n;
}

static size_t active(struct crew *c)
{
	scoped_lock(&c->lock);

	return c->active;
}

/* With nobody else at work, trying again would not help. */
static void explain_memory(struct crew *c, const char *name, struct err *err)
{
	struct err why = *err;

	if (err->kind != ERR_RETRY)
		return;
	if (c->o.memory_mb)
		err_set(err, active(c) > 1 ? ERR_RETRY : ERR_REJECT, "the model '%.128s' needs more memory than PIXELFLEET_INFER_MEMORY_MB "
			"allows (%u MiB of address space): %.600s", name, c->o.memory_mb, why.msg);
	else
		err_set(err, active(c) > 1 ? ERR_RETRY : ERR_REJECT, "the model '%.128s' needs more memory than there is: %.600s", name, why.msg);
}

/* How much the process grew; what others did meanwhile can only be bounded. */
static size_t growth(const struct round_of *w, size_t before, bool is_quiet)
{
	size_t now = meter_rss(), file = (size_t)w->model->is.size, grown = now > before ? now - before : 0;

	return is_quiet ? grown : min_of(grown, 2 * file + ((size_t)32 << 20));
}

static int try_load(struct crew *c, struct round_of *w, struct err *err)
{
	scoped(free_p) struct signature *s = xcalloc(1, sizeof *s);
	size_t before = meter_rss(), bytes;
	int64_t began = clock_mono_ms();
	void *model = NULL;
	int rc;

	if (c->o.engine->load(c->o.engine, w->model->path, &model, s, err) < 0)
		return -1;
	malloc_trim(0);                 /* what the file was read through */
	lock(&c->lock);
	bytes = growth(w, before, w->was_quiet && c->active == 1);
	rc = shelf_put(&c->shelf, w->model, model, s, bytes, (unsigned)(clock_mono_ms() - began), &w->removed, err);
	unlock(&c->lock);
	if (rc < 0)
		c->o.engine->unload(c->o.engine, model);
	return rc;
}

/* Those who wait for a model that will not come. */
static struct request *take_waiting(struct crew *c, struct shelved *m)
{
	struct request *taken = NULL, **last = &taken, *next;
	scoped_lock(&c->lock);

	m->state = MODEL_ABSENT;
	for (struct request *r = c->queue; r; r = next) {
		next = r->next;
		if (r->model != m)
			continue;
		crew_unlink(c, r);
		*last = r;
		last = &r->next;
	}
	return taken;
}

static void load(struct crew *c, struct round_of *w)
{
	struct request *r, *next;
	struct err err;
	int rc = try_load(c, w, &err);

	if (rc < 0 && err.kind == ERR_RETRY && put_idle_away(c))
		rc = try_load(c, w, &err);
	if (rc == 0)
		return;
	explain_memory(c, w->model->name, &err);
	for (r = take_waiting(c, w->model); r; r = next) {
		next = r->next;
		crew_refuse(r, &err);
	}
}

static void reply(struct crew *c, struct request *r, size_t n, struct answer *a)
{
	scoped(json_decref_p) json_t *m = json_pack("{s:O, s:i, s:s}", "outputs", a->outputs, "batch", (int)n, "device", c->o.device);

	say(r, m, a->fd);
	answer_done(a);
	crew_finish(r);
}

/* Again, each by itself, in their order, before all others. Nobody waits for those that are gone. */
static void put_back(struct crew *c, struct round_of *w, bool is_mixed)
{
	struct request *gone[ROUND_MOST];
	size_t ngone = 0;

	lock(&c->lock);
	w->model->is_separate |= is_mixed;
	for (size_t i = w->n; i-- > 0;) {
		struct request *r = w->r[i];

		r->q.is_alone = true;
		if (r->is_gone)
			gone[ngone++] = r;
		else
			crew_enqueue_first(c, r);
	}
	unlock(&c->lock);
	w->n = 0;
	while (ngone > 0)
		crew_finish(gone[--ngone]);
}

/* Its asker hears why, and is none of those any more who want the run. */
static void refuse_out(struct crew *c, struct round_of *w, struct request *r, const struct err *why)
{
	lock(&c->lock);
	if (!r->is_gone)
		w->live--;
	r->is_gone = true;
	unlock(&c->lock);
	crew_refuse(r, why);
}

/* Takes those out that the model does not fit. */
static void check(struct crew *c, struct round_of *w)
{
	struct err err;
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		if (question_check(&w->r[i]->q, w->model->signature, &err) < 0)
			refuse_out(c, w, w->r[i], &err);
		else
			w->r[n++] = w->r[i];
	w->n = n;
}

/* Nobody stops a run that has lost all who want it before it began. */
static bool is_wanted(struct crew *c, const struct round_of *w)
{
	scoped_lock(&c->lock);

	return w->live > 0;
}

static void fail(struct crew *c, struct round_of *w, bool is_mixed, struct err *err)
{
	struct request *r = w->r[0];
	bool is_memory = err->kind == ERR_RETRY;

	if (w->n > 1 || (is_memory && !r->is_repeated && put_idle_away(c) > 0)) {
		r->is_repeated = w->n == 1;
		put_back(c, w, is_mixed);
		return;
	}
	explain_memory(c, w->model->name, err);
	if (!is_memory)
		err_wrap(err, "model '%.128s'", w->model->name);
	crew_refuse(r, err);
	w->n = 0;
}

static void run(struct crew *c, struct round_of *w)
{
	struct question *q[ROUND_MOST];
	struct answer answers[ROUND_MOST];
	bool is_mixed = false;
	struct err err;

	if (!is_wanted(c, w)) {
		while (w->n > 0)
			crew_finish(w->r[--w->n]);
		return;
	}
	for (size_t i = 0; i < w->n; i++)
		q[i] = &w->r[i]->q;
	if (round_run(c->o.engine, w->model->model, w->run, q, w->n, answers, &is_mixed, &err) < 0) {
		fail(c, w, is_mixed, &err);
		return;
	}
	for (size_t i = 0; i < w->n; i++)
		reply(c, w->r[i], w->n, &answers[i]);
}

static void refuse_size(const struct crew *c, struct round_of *w)
{
	const size_t mib = (size_t)1 << 20;
	struct err err;

	err_set(&err, ERR_REJECT, "model '%.128s' has %zu MiB in its file '%.300s', models may take %zu MiB (PIXELFLEET_MODELS_MEMORY_MB)",
		w->model->name, ((size_t)w->model->is.size + mib - 1) / mib, w->model->path, c->o.models_bytes / mib);
	crew_refuse(w->r[0], &err);
}

void crew_work(struct crew *c, struct round_of *w)
{
	char doing[PORT_NAME + 40];

	crew_put_away(c, &w->removed);
	if (w->model) {
		snprintf(doing, sizeof doing, "while it %s the model '%s'", w->work == WORK_LOAD ? "loaded" : "ran", w->model->name);
		lastwords_doing(doing);
	}
	switch (w->work) {
	case WORK_NONE:
	case WORK_TIDY:
		break;
	case WORK_DESCRIBE:
		crew_describe(c, w->r[0], w->model->signature, w->model->load_ms);
		break;
	case WORK_RUN:
		check(c, w);
		run(c, w);
		break;
	case WORK_LOAD:
		load(c, w);
		break;
	case WORK_REFUSE:
		refuse_size(c, w);
		break;
	}
	lastwords_doing(NULL);
}

