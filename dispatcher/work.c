#include "work.h"

#include <stdlib.h>
#include <string.h>

#define X(sym, name) [STEP_##sym] = name,
static const char *const step_names[] = { STEP_STATES(X) };
#undef X
#define X(sym, name) [JOB_##sym] = name,
static const char *const job_names[] = { JOB_STATES(X) };
#undef X
#define X(sym, name) [SKIP_##sym] = name,
static const char *const reason_names[] = { SKIP_REASONS(X) };
#undef X

const char *step_state_name(enum step_state s) { return step_names[s]; }
const char *job_state_name(enum job_state s) { return job_names[s]; }
const char *skip_reason_name(enum skip_reason r) { return reason_names[r]; }

static unsigned parse(const char *const *names, size_t n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return i;
	must(!"a state that the database has and this program does not know");
	return 0;
}

enum step_state step_state_parse(const char *name) { return parse(step_names, countof(step_names), name); }
enum job_state job_state_parse(const char *name) { return parse(job_names, countof(job_names), name); }
enum skip_reason skip_reason_parse(const char *name) { return name ? parse(reason_names, countof(reason_names), name) : SKIP_NONE; }

/* ---- the set ---- */

static void inst_free(struct inst *i)
{
	if (!i)
		return;
	free(i->message);
	free(i);
}

void work_done(struct work *w)
{
	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];

		for (size_t s = 0; s < j->nslots; s++)
			inst_free(j->slots[s]);
		free(j->slots);
		definition_unref(j->def);
		json_decref(j->images);
		json_decref(j->params);
		free(j);
	}
	free(w->jobs);
	free(w->wants);
	free(w->events);
	free(w->revive);
	free(w->revive_root);
	*w = (struct work){ 0 };
}

/* Jobs are kept sorted by id: found by bisection, and locked in this order. */
static size_t job_place(const struct work *w, const char *id)
{
	size_t lo = 0, hi = w->njobs;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(w->jobs[mid]->id, id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct wjob *work_job(struct work *w, const char *id)
{
	size_t at = job_place(w, id);

	return at < w->njobs && strcmp(w->jobs[at]->id, id) == 0 ? w->jobs[at] : NULL;
}

struct wjob *work_add_job(struct work *w, const char *id)
{
	size_t at = job_place(w, id);
	struct wjob *j;

	if (at < w->njobs && strcmp(w->jobs[at]->id, id) == 0)
		return w->jobs[at];
	j = xcalloc(1, sizeof *j);
	memcpy(j->id, id, sizeof j->id - 1);
	j->stopped_by = -1;
	w->jobs = grow(w->jobs, w->njobs + 1, &w->jobs_cap, sizeof *w->jobs);
	memmove(w->jobs + at + 1, w->jobs + at, (w->njobs - at) * sizeof *w->jobs);
	w->jobs[at] = j;
	w->njobs++;
	return j;
}

static size_t slot_of(const struct wjob *j, int ordinal)
{
	size_t s = ((uint32_t)ordinal * 2654435761u) & (j->nslots - 1);

	while (j->slots[s] && j->slots[s]->ordinal != ordinal)
		s = (s + 1) & (j->nslots - 1);
	return s;
}

struct inst *work_inst(const struct wjob *j, int ordinal)
{
	return j->nslots ? j->slots[slot_of(j, ordinal)] : NULL;
}

static void rehash(struct wjob *j)
{
	struct inst **old = j->slots;
	size_t n = j->nslots;

	j->nslots = n ? n * 2 : 8;
	j->slots = xcalloc(j->nslots, sizeof *j->slots);
	for (size_t s = 0; s < n; s++)
		if (old[s])
			j->slots[slot_of(j, old[s]->ordinal)] = old[s];
	free(old);
}

struct inst *work_add_inst(struct wjob *j, int ordinal)
{
	struct inst **slot;

	if ((j->ninsts + 1) * 4 > j->nslots * 3)
		rehash(j);
	slot = &j->slots[slot_of(j, ordinal)];
	if (!*slot) {
		*slot = xcalloc(1, sizeof **slot);
		(*slot)->ordinal = ordinal;
		(*slot)->skipped_by = -1;
		j->ninsts++;
	}
	return *slot;
}

void work_want(struct work *w, struct wjob *j, int ordinal)
{
	if (j->loaded_all || ordinal >= j->made || (ordinal >= 0 && work_inst(j, ordinal)))
		return;
	w->wants = grow(w->wants, w->nwants + 1, &w->wants_cap, sizeof *w->wants);
	w->wants[w->nwants++] = (struct want){ j, ordinal };
}

/* ---- arithmetic ---- */

static void each_of(struct wjob *j, const struct node *from, int item, int node, ordinal_fn fn, void *arg)
{
	const struct node *to = &j->def->nodes[node];

	if (to->tool->scope == TOOL_EACH && from->tool->scope == TOOL_ALL) {
		for (int k = 0; k < j->items; k++)
			fn(j, definition_ordinal(j->def, j->items, node, k), arg);
	} else {
		fn(j, definition_ordinal(j->def, j->items, node, item), arg);
	}
}

const struct node *work_node(const struct wjob *j, int ordinal, int *ret_item)
{
	return &j->def->nodes[definition_node(j->def, j->items, ordinal, ret_item)];
}

void each_need(struct wjob *j, int ordinal, ordinal_fn fn, void *arg)
{
	int item;
	const struct node *n = work_node(j, ordinal, &item);

	for (int k = 0; k < n->nneeds; k++)
		each_of(j, n, item, n->needs[k], fn, arg);
}

void each_read(struct wjob *j, int ordinal, ordinal_fn fn, void *arg)
{
	int item;
	const struct node *n = work_node(j, ordinal, &item);

	for (int k = 0; k < n->nreads; k++)
		each_of(j, n, item, n->reads[k], fn, arg);
}

void each_dependent(struct wjob *j, int ordinal, ordinal_fn fn, void *arg)
{
	int item;
	const struct node *n = work_node(j, ordinal, &item);

	for (int k = 0; k < n->ndependents; k++)
		each_of(j, n, item, n->dependents[k], fn, arg);
}

static void want_one(struct wjob *j, int ordinal, void *w)
{
	work_want(w, j, ordinal);
}

void work_want_dependents(struct work *w, struct wjob *j, int ordinal)
{
	each_dependent(j, ordinal, want_one, w);
}

void work_want_needs(struct work *w, struct wjob *j, int from, int upto)
{
	for (int o = from; o < upto; o++)
		each_need(j, o, want_one, w);
}

static int by_ordinal(const void *a, const void *b)
{
	const struct push *x = a, *y = b;

	return x->inst->ordinal - y->inst->ordinal;
}

struct push *work_pushes(const struct work *w, size_t *ret_n)
{
	struct push *list = NULL;
	size_t n = 0, cap = 0;

	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];
		size_t first = n;

		for (size_t s = 0; s < j->nslots; s++)
			if (j->slots[s] && j->slots[s]->push) {
				list = grow(list, n + 1, &cap, sizeof *list);
				list[n++] = (struct push){ j, j->slots[s] };
			}
		if (n - first > 1)
			qsort(list + first, n - first, sizeof *list, by_ordinal);
	}
	*ret_n = n;
	return list;
}
