#include "work.h"

#include "uuid.h"

#include <endian.h>
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

void work_done(struct work *w)
{
	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];

		definition_unref(j->def);
		json_decref(j->images);
		json_decref(j->params);
	}
	arena_done(&w->arena);
	free(w->jobs);
	free(w->keys);
	free(w->wants);
	free(w->events);
	free(w->revive);
	free(w->revive_root);
	*w = (struct work){ 0 };
}

/* Jobs are kept sorted by id: found by bisection, and locked in this order. */
struct work_key {
	uint64_t high, low;
};

static struct work_key key_of(const uint8_t raw[16])
{
	struct work_key k;

	memcpy(&k, raw, sizeof k);
	return (struct work_key){ be64toh(k.high), be64toh(k.low) };
}

static bool is_before(const struct work_key *a, const struct work_key *b)
{
	return a->high < b->high || (a->high == b->high && a->low < b->low);
}

/* The place of the key, or where it would be. */
static size_t place_of(const struct work *w, const struct work_key *key)
{
	size_t lo = 0, hi = w->njobs;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (is_before(&w->keys[mid], key))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_there(const struct work *w, size_t at, const struct work_key *key)
{
	return at < w->njobs && w->keys[at].high == key->high && w->keys[at].low == key->low;
}

struct wjob *work_job_raw(struct work *w, const uint8_t raw[16])
{
	struct work_key key = key_of(raw);
	size_t at = place_of(w, &key);

	return is_there(w, at, &key) ? w->jobs[at] : NULL;
}

struct wjob *work_job(struct work *w, const char *id)
{
	uint8_t raw[16];

	uuid_raw(id, raw);
	return work_job_raw(w, raw);
}

struct wjob *work_add_job(struct work *w, const char *id)
{
	uint8_t raw[16];
	struct work_key key;
	struct wjob *j;
	size_t at;

	uuid_raw(id, raw);
	key = key_of(raw);
	at = place_of(w, &key);
	if (is_there(w, at, &key))
		return w->jobs[at];
	j = arena_zeroed(&w->arena, sizeof *j);
	memcpy(j->id, id, sizeof j->id - 1);
	memcpy(j->raw, raw, sizeof raw);
	j->stopped_by = -1;
	w->jobs = grow(w->jobs, w->njobs + 1, &w->jobs_cap, sizeof *w->jobs);
	w->keys = grow(w->keys, w->njobs + 1, &w->keys_cap, sizeof *w->keys);
	memmove(w->jobs + at + 1, w->jobs + at, (w->njobs - at) * sizeof *w->jobs);
	memmove(w->keys + at + 1, w->keys + at, (w->njobs - at) * sizeof *w->keys);
	w->jobs[at] = j;
	w->keys[at] = key;
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

static void rehash(struct work *w, struct wjob *j)
{
	struct inst **old = j->slots;
	size_t n = j->nslots;

	j->nslots = n ? n * 2 : 4;
	j->slots = arena_zeroed(&w->arena, j->nslots * sizeof *j->slots);
	for (size_t s = 0; s < n; s++)
		if (old[s])
			j->slots[slot_of(j, old[s]->ordinal)] = old[s];
}

struct inst *work_add_inst(struct work *w, struct wjob *j, int ordinal)
{
	struct inst **slot;

	if ((j->ninsts + 1) * 4 > j->nslots * 3)
		rehash(w, j);
	slot = &j->slots[slot_of(j, ordinal)];
	if (!*slot) {
		*slot = arena_zeroed(&w->arena, sizeof **slot);
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

static bool is_pushed(const struct inst *i)
{
	return i->push;
}

static bool is_changed(const struct inst *i)
{
	return i->dirty || i->is_new;
}

static struct push *pick(const struct work *w, bool (*is_meant)(const struct inst *i), size_t *ret_n)
{
	struct push *list = NULL;
	size_t n = 0, cap = 0;

	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];
		size_t first = n;

		for (size_t s = 0; s < j->nslots; s++)
			if (j->slots[s] && is_meant(j->slots[s])) {
				list = grow(list, n + 1, &cap, sizeof *list);
				list[n++] = (struct push){ j, j->slots[s] };
			}
		if (n - first > 1)
			qsort(list + first, n - first, sizeof *list, by_ordinal);
	}
	*ret_n = n;
	return list;
}

struct push *work_pushes(const struct work *w, size_t *ret_n)
{
	return pick(w, is_pushed, ret_n);
}

struct push *work_changes(const struct work *w, size_t *ret_n)
{
	return pick(w, is_changed, ret_n);
}
