/* How states change. Declared in work.h. */
#include "work.h"

#include <stdlib.h>

#include <sodium.h>

#define PASS_MAX 32767          /* a smallint */

static int node_needs(const struct wjob *j, const struct node *n)
{
	int count = 0;

	for (int k = 0; k < n->nneeds; k++)
		count += n->tool->scope == TOOL_ALL && j->def->nodes[n->needs[k]].tool->scope == TOOL_EACH ? j->items : 1;
	return count;
}

static bool may_move(enum step_state from, enum step_state to)
{
	static const unsigned allowed[] = {
		[STEP_BLOCKED] = 1u << STEP_QUEUED | 1u << STEP_SKIPPED | 1u << STEP_CANCELLED,
		[STEP_QUEUED] = 1u << STEP_SUCCEEDED | 1u << STEP_RETRYING | 1u << STEP_FAILED | 1u << STEP_SKIPPED | 1u << STEP_CANCELLED,
		[STEP_RETRYING] = 1u << STEP_QUEUED | 1u << STEP_SUCCEEDED | 1u << STEP_FAILED | 1u << STEP_SKIPPED | 1u << STEP_CANCELLED,
		[STEP_SUCCEEDED] = 0,
		[STEP_FAILED] = 1u << STEP_SUCCEEDED,
		[STEP_SKIPPED] = 1u << STEP_BLOCKED,
		[STEP_CANCELLED] = 0,
	};

	return allowed[from] >> to & 1;
}

static int *counter(struct wjob *j, enum step_state s)
{
	switch (s) {
	case STEP_SUCCEEDED: return &j->succeeded;
	case STEP_FAILED: return &j->failed;
	case STEP_SKIPPED: return &j->skipped;
	case STEP_CANCELLED: return &j->cancelled;
	case STEP_BLOCKED:
	case STEP_QUEUED:
	case STEP_RETRYING: return NULL;
	}
	return NULL;
}

static void inst_move(struct wjob *j, struct inst *i, enum step_state to)
{
	int *old = counter(j, i->state), *new = counter(j, to);

	must(may_move(i->state, to));
	if (old)
		--*old, j->dirty = true;
	if (new)
		++*new, j->dirty = true;
	if (i->state == STEP_RETRYING) {
		i->drop_retry = true;
		i->set_retry = false;           /* of this very batch: it would outlive the wait */
	}
	if (i->state == STEP_QUEUED)
		i->push = false;
	i->state = to;
	i->dirty = true;
}

static void emit(struct work *w, struct wjob *j, int ordinal, bool ok, int root)
{
	w->events = grow(w->events, w->nevents + 1, &w->events_cap, sizeof *w->events);
	w->events[w->nevents++] = (struct event){ j, ordinal, root, ok };
}

static void skip(struct work *w, struct wjob *j, struct inst *i, enum skip_reason why, int root)
{
	inst_move(j, i, STEP_SKIPPED);
	i->reason = why;
	i->skipped_by = root;
	emit(w, j, i->ordinal, false, root);
}

/* A blocked instance runs, is skipped, or goes on waiting. */
static void evaluate(struct work *w, struct wjob *j, struct inst *i, int root)
{
	int item, all, required;
	const struct node *n = work_node(j, i->ordinal, &item);

	if (i->state != STEP_BLOCKED)
		return;
	all = node_needs(j, n);
	required = n->join == JOIN_ALL ? all : min_of(n->join, all);
	if (all - i->missing < required) {
		skip(w, j, i, SKIP_NEED_FAILED, root);
	} else if (i->waiting_on == 0) {
		inst_move(j, i, STEP_QUEUED);
		i->push = true;
	}
}

void work_succeed(struct work *w, struct wjob *j, struct inst *i)
{
	bool revived = i->state == STEP_FAILED;

	inst_move(j, i, STEP_SUCCEEDED);
	if (!revived) {
		emit(w, j, i->ordinal, true, -1);
		return;
	}
	i->revived = true;
	i->dead = i->relist = false;            /* a failure of this very batch */
	w->revive = grow(w->revive, w->nrevive + 1, &w->revive_cap, sizeof *w->revive);
	w->revive_root = grow(w->revive_root, w->nrevive + 1, &w->revive_root_cap, sizeof *w->revive_root);
	w->revive[w->nrevive] = j;
	w->revive_root[w->nrevive++] = i->ordinal;
	work_want(w, j, -1);
}

void work_fail(struct work *w, struct wjob *j, struct inst *i, enum err_kind kind, const char *message)
{
	int item;
	const struct node *n = work_node(j, i->ordinal, &item);

	i->dead = true;
	i->kind = kind;
	i->message = arena_strdup(&w->arena, message);
	i->dirty = true;
	if (i->state == STEP_FAILED)            /* a requeue that failed again */
		return;
	inst_move(j, i, STEP_FAILED);
	if (n->goes_on) {
		emit(w, j, i->ordinal, false, i->ordinal);
	} else {
		j->stop_reason = SKIP_FAIL_FAST;
		j->stopped_by = i->ordinal;
		j->dirty = true;
		work_want(w, j, -1);
		emit(w, j, i->ordinal, false, i->ordinal);
	}
}

void work_retry(struct wjob *j, struct inst *i)
{
	int item;
	const struct node *n = work_node(j, i->ordinal, &item);
	double most = n->backoff_s;

	for (int k = 1; k < i->attempt && most < n->max_backoff_s; k++)
		most *= 2;
	most = min_of(most, n->max_backoff_s);
	inst_move(j, i, STEP_RETRYING);
	i->set_retry = true;
	i->drop_retry = false;
	i->retry_s = most * (randombytes_uniform(1000) + 1) / 1000;
	i->backend = i->why = NULL;
}

void work_put_off(struct wjob *j, struct inst *i, const char *backend, const char *why, double in_s)
{
	inst_move(j, i, STEP_RETRYING);
	i->set_retry = true;
	i->drop_retry = false;
	i->retry_s = in_s;
	i->backend = backend;
	i->why = why;
	i->pass = i->pass == PASS_MAX ? 1 : i->pass + 1;        /* only whether it is another one matters */
}

void work_requeue_due(struct wjob *j, struct inst *i, bool charged)
{
	inst_move(j, i, STEP_QUEUED);
	i->attempt += charged;
	i->push = true;
}

static bool is_open(const struct inst *i)
{
	return i->state == STEP_BLOCKED || i->state == STEP_QUEUED || i->state == STEP_RETRYING;
}

static void stop_one(struct work *w, struct wjob *j, struct inst *i, enum skip_reason why, int by)
{
	int item;
	const struct node *n = work_node(j, i->ordinal, &item);

	if (!is_open(i) || (n->always && why != SKIP_CANCELLED))
		return;
	if (i->state == STEP_QUEUED && !i->is_new)
		j->purge = true;
	if (why == SKIP_CANCELLED)
		inst_move(j, i, STEP_CANCELLED);
	else
		skip(w, j, i, why, by);
}

void work_stop(struct work *w, struct wjob *j, enum skip_reason why, int by)
{
	must(j->loaded_all);
	j->stop_reason = why;
	j->stopped_by = by;
	j->dirty = true;
	for (size_t s = 0; s < j->nslots; s++)
		if (j->slots[s])
			stop_one(w, j, j->slots[s], why, by);
}

/* ---- making ---- */

static void count_need(struct wjob *j, int ordinal, void *arg)
{
	struct inst *i = arg, *need = work_inst(j, ordinal);

	if (!need || is_open(need))
		i->waiting_on++;
	else if (need->state != STEP_SUCCEEDED)
		i->missing++;
}

static int root_of(struct wjob *j, const struct inst *i)
{
	return i->state == STEP_FAILED ? i->ordinal : i->skipped_by >= 0 ? i->skipped_by : j->stopped_by;
}

struct root_search {
	int root;
};

static void find_root(struct wjob *j, int ordinal, void *arg)
{
	struct root_search *r = arg;
	struct inst *need = work_inst(j, ordinal);

	if (need && (need->state == STEP_FAILED || need->state == STEP_SKIPPED))
		r->root = root_of(j, need);
}

static void count_needs(struct wjob *j, struct inst *i)
{
	i->waiting_on = i->missing = 0;
	i->dirty = true;
	each_need(j, i->ordinal, count_need, i);
}

static void evaluate_counted(struct work *w, struct wjob *j, struct inst *i)
{
	struct root_search r = { -1 };

	if (i->missing)
		each_need(j, i->ordinal, find_root, &r);
	evaluate(w, j, i, r.root);
}

void work_make(struct work *w, struct wjob *j, int upto)
{
	int from = j->made;

	must(w->nevents == 0);
	j->makes = true;
	for (int o = from; o < upto; o++) {
		struct inst *i = work_add_inst(w, j, o);

		i->is_new = true;
		i->attempt = 1;
		i->state = STEP_BLOCKED;
	}
	j->made = upto;
	j->dirty = true;
	for (int o = from; o < upto; o++)       /* all counts before the first move: moves are told by events */
		count_needs(j, work_inst(j, o));
	for (int o = from; o < upto; o++) {
		struct inst *i = work_inst(j, o);

		if (j->stop_reason != SKIP_NONE)
			stop_one(w, j, i, j->stop_reason, j->stopped_by);
		evaluate_counted(w, j, i);
	}
}

/* ---- events ---- */

struct touch {
	struct work *work;
	bool ok, is_loaded;
	int root;
};

static void check_loaded(struct wjob *j, int ordinal, void *arg)
{
	struct touch *t = arg;

	if (ordinal < j->made && !work_inst(j, ordinal)) {
		t->is_loaded = false;
		work_want(t->work, j, ordinal);
	}
}

static void apply(struct wjob *j, int ordinal, void *arg)
{
	struct touch *t = arg;
	struct inst *i = work_inst(j, ordinal);

	if (!i || i->state != STEP_BLOCKED)     /* not made yet: it will look when it is */
		return;
	i->waiting_on--;
	i->missing += !t->ok;
	i->dirty = true;
	evaluate(t->work, j, i, t->root);
}

static bool handle(struct work *w, const struct event *e)
{
	struct touch t = { w, e->ok, true, e->root };

	each_dependent(e->job, e->ordinal, check_loaded, &t);
	if (t.is_loaded)
		each_dependent(e->job, e->ordinal, apply, &t);
	return t.is_loaded;
}

/* What stopped the job has succeeded; another failure may stop it just as well. */
static void stop_for_another(struct wjob *j)
{
	int item;

	j->stop_reason = SKIP_NONE;
	j->stopped_by = -1;
	for (size_t s = 0; s < j->nslots; s++)
		if (j->slots[s] && j->slots[s]->state == STEP_FAILED && !work_node(j, j->slots[s]->ordinal, &item)->goes_on) {
			j->stop_reason = SKIP_FAIL_FAST;
			j->stopped_by = j->slots[s]->ordinal;
		}
}

/* After a success of what had failed: everything that was skipped because a need failed, or by this failure,
 * is blocked again, counts its needs anew, and what still cannot run is skipped again. */
static void revive(struct work *w, struct wjob *j, int root)
{
	if (j->stopped_by == root)
		stop_for_another(j);
	j->dirty = true;
	for (size_t s = 0; s < j->nslots; s++) {
		struct inst *i = j->slots[s];

		if (i && i->state == STEP_SKIPPED && (i->reason == SKIP_NEED_FAILED || i->skipped_by == root)) {
			inst_move(j, i, STEP_BLOCKED);
			i->reason = SKIP_NONE;
			i->skipped_by = -1;
		}
	}
	for (int o = 0; o < j->made; o++)
		if (work_inst(j, o) && work_inst(j, o)->state == STEP_BLOCKED)
			count_needs(j, work_inst(j, o));
	for (int o = 0; o < j->made; o++)
		if (work_inst(j, o))
			evaluate_counted(w, j, work_inst(j, o));
}

static void stop_failed(struct work *w)
{
	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];

		if (j->stop_reason == SKIP_FAIL_FAST && j->loaded_all && j->dirty)
			work_stop(w, j, SKIP_FAIL_FAST, j->stopped_by);
	}
}

static void handle_events(struct work *w)
{
	size_t kept = 0;

	for (size_t k = 0; k < w->nevents; k++) {
		struct event e = w->events[k];  /* handle() may move the array */

		if (!handle(w, &e))
			w->events[kept++] = e;
	}
	w->nevents = kept;
}

bool work_settle(struct work *w)
{
	if (w->nwants)
		return false;
	stop_failed(w);
	handle_events(w);
	while (!w->nevents && w->nrevive) {     /* revive() counts states, so no event may be under way */
		struct wjob *j = w->revive[--w->nrevive];

		must(j->loaded_all);
		revive(w, j, w->revive_root[w->nrevive]);
		handle_events(w);
	}
	stop_failed(w);
	handle_events(w);
	return w->nevents == 0 && w->nwants == 0;
}

static enum job_state end_state(const struct wjob *j)
{
	if (j->cancelled)
		return JOB_CANCELLED;
	if (!j->failed && !j->skipped)
		return JOB_SUCCEEDED;
	if (j->stop_reason != SKIP_NONE || !j->succeeded)
		return JOB_FAILED;
	return JOB_PARTIAL;
}

void work_end_jobs(struct work *w)
{
	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];
		bool all_ended = j->succeeded + j->failed + j->skipped + j->cancelled == j->total;
		enum job_state state = all_ended ? end_state(j) : JOB_RUNNING;

		if (!j->def || !j->dirty)
			continue;
		j->ended = all_ended && (j->is_new || state != j->state);
		j->state = state;
	}
}
