/*
 * How a definition is compiled: normal form first (three shapes become a list of objects), then each
 * step by itself, then what holds between them: needs, order, where pictures come from.
 * Every stage reports all it finds; only the search for cycles needs the ones before to have found nothing.
 */
#include "definition.h"

#include "normal_form.h"
#include "sharing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ATTEMPTS    3
#define DEFAULT_BACKOFF_S   1.0
#define DEFAULT_BACKOFF_MAX 60.0
#define TIMEOUT_MAX_S       86400

static void node_done(struct node *n)
{
	free(n->id);
	free(n->queue);
	json_decref(n->params);
	free(n->needs);
	free(n->reads);
	free(n->dependents);
	free(n->shared);
}

struct definition *definition_ref(struct definition *d)
{
	d->refs++;
	return d;
}

void definition_unref(struct definition *d)
{
	if (!d || --d->refs > 0)
		return;
	for (int i = 0; i < d->nnodes; i++)
		node_done(&d->nodes[i]);
	free(d->nodes);
	free(d->name);
	free(d->text);
	free(d->each);
	free(d->all);
	free(d);
}

int definition_find(const struct definition *d, const char *id)
{
	for (int i = 0; i < d->nnodes; i++)
		if (strcmp(d->nodes[i].id, id) == 0)
			return i;
	return -1;
}

int definition_total(const struct definition *d, int items)
{
	return d->neach * items + d->nall;
}

int definition_ordinal(const struct definition *d, int items, int node, int item)
{
	const struct node *n = &d->nodes[node];

	return n->tool->scope == TOOL_EACH ? item * d->neach + n->index : items * d->neach + n->index;
}

int definition_node(const struct definition *d, int items, int ordinal, int *ret_item)
{
	int over = ordinal - items * d->neach;

	must(ordinal >= 0 && over < d->nall);
	*ret_item = over < 0 ? ordinal / d->neach : 0;
	return over < 0 ? d->each[ordinal % d->neach] : d->all[over];
}

bool definition_needs_images(const struct definition *d)
{
	for (int i = 0; i < d->nnodes; i++)
		if (strcmp(d->nodes[i].tool->name, "fetch") == 0)
			return true;
	return false;
}

bool definition_lacks_params(const struct definition *d, const json_t *params)
{
	scoped(json_decref_p) json_t *missing = d->is_complete ? NULL : json_array();

	for (int i = 0; i < d->nnodes && missing; i++)
		tool_check_required(d->nodes[i].tool, d->nodes[i].params, json_object_get(params, d->nodes[i].id), "", missing);
	return json_array_size(missing) > 0;
}

/* ---- each step by itself ---- */

static void append_int(int **list, int *n, int v)
{
	*list = xrealloc(*list, sizeof **list * (size_t)(*n + 1));
	(*list)[(*n)++] = v;
}

static bool has_int(const int *list, int n, int v)
{
	for (int i = 0; i < n; i++)
		if (list[i] == v)
			return true;
	return false;
}

static double number(const json_t *o, const char *name, double def, double min, double max, const char *at, json_t *problems)
{
	const json_t *v = json_object_get(o, name);

	if (!v)
		return def;
	if (json_is_number(v) && json_number_value(v) >= min && json_number_value(v) <= max)
		return json_number_value(v);
	problem_add(problems, v, "a number from %.15g to %.15g|%s/%s", min, max, at, name);
	return def;
}

static void read_retry(struct node *n, const json_t *step, const char *at, json_t *problems)
{
	static const char *const known[] = { "max_attempts", "backoff_s", "max_backoff_s", NULL };
	const json_t *retry = json_object_get(step, "retry");
	scoped(free_p) char *here = xasprintf("%s/retry", at);

	n->max_attempts = DEFAULT_ATTEMPTS;
	n->backoff_s = DEFAULT_BACKOFF_S;
	n->max_backoff_s = DEFAULT_BACKOFF_MAX;
	if (!retry)
		return;
	if (!json_is_object(retry)) {
		problem_add(problems, retry, "an object with max_attempts, backoff_s, max_backoff_s|%s", here);
		return;
	}
	problem_unknown_members(problems, retry, known, here);
	n->max_attempts = (unsigned)number(retry, "max_attempts", DEFAULT_ATTEMPTS, 1, 100, here, problems);
	n->backoff_s = number(retry, "backoff_s", DEFAULT_BACKOFF_S, 0, 86400, here, problems);
	n->max_backoff_s = number(retry, "max_backoff_s", fmax(DEFAULT_BACKOFF_MAX, n->backoff_s), n->backoff_s, 604800, here, problems);
}

static void read_join(struct node *n, const json_t *step, const char *at, json_t *problems)
{
	const json_t *join = json_object_get(step, "join");
	const char *word = json_string_value(join);

	n->join = JOIN_ALL;
	if (!join || (word && strcmp(word, "all") == 0))
		return;
	if (word && strcmp(word, "any") == 0)
		n->join = 1;
	else if (json_is_integer(join) && json_integer_value(join) >= 0 && json_integer_value(join) <= DEFINITION_MAX_INSTANCES)
		n->join = (int)json_integer_value(join);
	else
		problem_add(problems, join, "\"all\", \"any\" or how many needs must succeed, from 0 to %d|%s/join", DEFINITION_MAX_INSTANCES, at);
}

static void read_queue(struct node *n, const json_t *step, const char *at, json_t *problems)
{
	const json_t *queue = json_object_get(step, "queue");
	const char *name = json_string_value(queue);

	if (!queue) {
		n->queue = xstrdup(n->tool->queue);
		return;
	}
	n->queue = xstrdup(name ? name : "");
	if (!name_is(name, 32) || strcmp(name, "jobs") == 0)
		problem_add(problems, queue, "1 to 32 of a-z, 0-9, _ and -, not \"jobs\"|%s/queue", at);
}

static bool goes_on(const json_t *object, bool def, const char *at, json_t *problems)
{
	const json_t *v = json_object_get(object, "on_failure");
	const char *word = json_string_value(v);

	if (!v)
		return def;
	if (word && strcmp(word, "continue") == 0)
		return true;
	if (!word || strcmp(word, "fail_fast") != 0)
		problem_add(problems, v, "\"fail_fast\" or \"continue\"|%s/on_failure", at);
	return false;
}

static void read_step(struct node *n, const json_t *step, bool def_goes_on, const struct definition_use *use, const char *at, json_t *problems)
{
	const json_t *tool = json_object_get(step, "tool");
	scoped(free_p) char *params_at = xasprintf("%s/params", at);

	n->id = xstrdup(json_string_value(json_object_get(step, "id")));
	n->tool = json_is_string(tool) ? tool_find(json_string_value(tool)) : NULL;
	n->params = json_incref(json_object_get(step, "params"));
	n->goes_on = goes_on(step, def_goes_on, at, problems);
	read_retry(n, step, at, problems);
	read_join(n, step, at, problems);
	if (!n->tool && json_is_string(tool)) {
		scoped(buf_free) struct buf names = { 0 };
		size_t count;
		const struct tool *all = tools_all(&count);

		for (size_t i = 0; i < count; i++)
			buf_printf(&names, "%s%s", i ? ", " : "", all[i].name);
		problem_add(problems, tool, "a known tool: %s|%s/tool", names.text, at);
	}
	if (!n->tool)
		return;
	read_queue(n, step, at, problems);
	n->timeout_s = (unsigned)ceil(number(step, "timeout_s", n->tool->timeout_s, 0.001, TIMEOUT_MAX_S, at, problems));
	tool_check_params(n->tool, n->params, params_at, problems);
	if (use && (!n->params || json_is_object(n->params)))
		tool_check_required(n->tool, n->params, json_object_get(use->params, n->id), params_at, problems);
}

/* ---- between steps ---- */

static void read_needs(struct definition *d, struct node *n, const json_t *step, const char *at, json_t *problems)
{
	const json_t *needs = json_object_get(step, "needs"), *need;
	size_t i;

	json_array_foreach(needs, i, need) {
		int k = definition_find(d, json_string_value(need));

		if (k < 0)
			problem_add(problems, need, "the id of another step|%s/needs/%zu", at, i);
		else if (&d->nodes[k] == n)
			problem_add(problems, need, "the id of another step, not its own|%s/needs/%zu", at, i);
		else if (!has_int(n->needs, n->nneeds, k))
			append_int(&n->needs, &n->nneeds, k);
	}
}

/* Kahn's algorithm, taking the first that is ready, so that order[] stays close to how people wrote it. */
static int topological(const struct definition *d, int *order)
{
	scoped(free_p) bool *done = xcalloc((size_t)d->nnodes, sizeof *done);
	int n = 0;

	for (bool moved = true; moved && n < d->nnodes;) {
		moved = false;
		for (int i = 0; i < d->nnodes; i++) {
			bool ready = !done[i];

			for (int k = 0; k < d->nodes[i].nneeds; k++)
				ready = ready && done[d->nodes[i].needs[k]];
			if (ready) {
				done[i] = moved = true;
				order[n++] = i;
			}
		}
	}
	for (int i = 0, left = n; n < d->nnodes && i < d->nnodes; i++)
		if (!done[i])
			order[left++] = i;
	return n;
}

static void reorder(struct definition *d, const int *order)
{
	struct node *sorted = xcalloc((size_t)d->nnodes, sizeof *sorted);
	scoped(free_p) int *place = xcalloc((size_t)d->nnodes, sizeof *place);

	for (int i = 0; i < d->nnodes; i++) {
		sorted[i] = d->nodes[order[i]];
		place[order[i]] = i;
	}
	for (int i = 0; i < d->nnodes; i++)
		for (int k = 0; k < sorted[i].nneeds; k++)
			sorted[i].needs[k] = place[sorted[i].needs[k]];
	free(d->nodes);
	d->nodes = sorted;
}

static void sort_or_complain(struct definition *d, const char *pointer, json_t *problems)
{
	scoped(free_p) int *order = xcalloc((size_t)d->nnodes + 1, sizeof *order);
	int n = topological(d, order);

	if (n == d->nnodes) {
		reorder(d, order);
		return;
	}
	for (; n < d->nnodes; n++) {
		scoped(json_decref_p) json_t *id = json_string(d->nodes[order[n]].id);

		problem_add(problems, id, "steps without a cycle: this one waits for itself through its needs|%s/steps/%d/needs", pointer, order[n]);
	}
}

/* The nearest step before `n` that gives pictures, for each picture; -1: none. */
static int picture_before(const struct definition *d, const struct node *n)
{
	scoped(free_p) int *queue = xcalloc((size_t)d->nnodes + 1, sizeof *queue);
	scoped(free_p) bool *seen = xcalloc((size_t)d->nnodes, sizeof *seen);
	int head = 0, tail = 0;

	for (int k = 0; k < n->nneeds; k++)
		queue[tail++] = n->needs[k], seen[n->needs[k]] = true;
	while (head < tail) {
		const struct node *m = &d->nodes[queue[head++]];

		if (m->tool->scope == TOOL_EACH && tool_gives_pictures(m->tool))
			return (int)(m - d->nodes);
		for (int k = 0; k < m->nneeds; k++)
			if (!seen[m->needs[k]])
				queue[tail++] = m->needs[k], seen[m->needs[k]] = true;
	}
	return -1;
}

static struct node *add_node(struct definition *d)
{
	d->nodes = xrealloc(d->nodes, sizeof *d->nodes * (size_t)(d->nnodes + 1));
	d->nodes[d->nnodes] = (struct node){ 0 };
	return &d->nodes[d->nnodes++];
}

static struct node *add_implied(struct definition *d, const char *tool, const char *want_id)
{
	scoped(free_p) char *id = xstrdup(want_id);
	struct node *n;

	for (int k = 2; definition_find(d, id) >= 0; k++) {
		free(id);
		id = xasprintf("%s-%d", want_id, k);
	}
	n = add_node(d);
	n->id = steal(&id);
	n->tool = tool_find(tool);
	n->queue = xstrdup(n->tool->queue);
	n->timeout_s = n->tool->timeout_s;
	n->max_attempts = DEFAULT_ATTEMPTS;
	n->backoff_s = DEFAULT_BACKOFF_S;
	n->max_backoff_s = DEFAULT_BACKOFF_MAX;
	n->join = JOIN_ALL;
	return n;
}

/* Puts "source" in front of the steps that would have no picture. */
static void add_source(struct definition *d, bool def_goes_on)
{
	int source = -1, count = d->nnodes;
	scoped(free_p) int *order = NULL;

	for (int i = 0; i < count; i++) {
		if (!tool_takes_picture(d->nodes[i].tool) || picture_before(d, &d->nodes[i]) >= 0)
			continue;
		if (source < 0) {
			source = d->nnodes;
			add_implied(d, "fetch", "source")->goes_on = def_goes_on;
		}
		append_int(&d->nodes[i].needs, &d->nodes[i].nneeds, source);
	}
	if (source < 0)
		return;
	order = xcalloc((size_t)d->nnodes, sizeof *order);
	must(topological(d, order) == d->nnodes);
	reorder(d, order);
}

static void add_callback(struct definition *d, const char *url)
{
	struct node *n;
	int count = d->nnodes;

	for (int i = 0; i < count; i++)
		d->nodes[i].index = 0;
	for (int i = 0; i < count; i++)
		for (int k = 0; k < d->nodes[i].nneeds; k++)
			d->nodes[d->nodes[i].needs[k]].index = 1;       /* somebody needs it */
	n = add_implied(d, "callback", "callback");
	n->always = true;
	n->join = 0;
	n->goes_on = true;
	n->params = json_pack("{s:s}", "url", url);
	for (int i = 0; i < count; i++)
		if (!d->nodes[i].index)
			append_int(&n->needs, &n->nneeds, i);
}

static void link_nodes(struct definition *d)
{
	d->each = xcalloc((size_t)d->nnodes + 1, sizeof *d->each);
	d->all = xcalloc((size_t)d->nnodes + 1, sizeof *d->all);
	for (int i = 0; i < d->nnodes; i++) {
		struct node *n = &d->nodes[i];

		n->final = true;
		if (n->tool->scope == TOOL_EACH)
			d->each[n->index = d->neach++] = i;
		else
			d->all[n->index = d->nall++] = i;
		for (int k = 0; k < n->nneeds; k++) {
			append_int(&d->nodes[n->needs[k]].dependents, &d->nodes[n->needs[k]].ndependents, i);
			append_int(&n->reads, &n->nreads, n->needs[k]);
		}
		if (tool_takes_picture(n->tool)) {
			int from = picture_before(d, n);

			if (!has_int(n->reads, n->nreads, from))
				append_int(&n->reads, &n->nreads, from);
			d->nodes[from].final = false;
		}
	}
}

static void write_text(struct definition *d, bool def_goes_on)
{
	scoped(buf_free) struct buf b = { 0 };
	json_t *steps = json_array();
	scoped(json_decref_p) json_t *body = json_pack("{s:s, s:s, s:o}", "name", d->name,
		"on_failure", def_goes_on ? "continue" : "fail_fast", "steps", steps);

	for (int i = 0; i < d->nnodes; i++) {
		const struct node *n = &d->nodes[i];
		json_t *needs = json_array();

		for (int k = 0; k < n->nneeds; k++)
			json_array_append_new(needs, json_string(d->nodes[n->needs[k]].id));
		json_array_append_new(steps, json_pack("{s:s, s:s, s:s, s:o, s:O*, s:i, s:o, s:s, s:{s:i, s:f, s:f}, s:b}",
			"id", n->id, "tool", n->tool->name, "queue", n->queue, "needs", needs, "params", n->params,
			"timeout_s", (int)n->timeout_s,
			"join", n->join == JOIN_ALL ? json_string("all") : json_integer(n->join),
			"on_failure", n->goes_on ? "continue" : "fail_fast",
			"retry", "max_attempts", (int)n->max_attempts, "backoff_s", n->backoff_s, "max_backoff_s", n->max_backoff_s,
			"always", n->always));
	}
	buf_json(&b, body);
	d->text = buf_take(&b);
}

struct definition *definition_parse(const json_t *body, const char *pointer, const struct definition_use *use, json_t *problems)
{
	size_t before = json_array_size(problems), i;
	scoped(json_decref_p) json_t *normal = normal_form(body, pointer, problems);
	scoped(definition_unref_p) struct definition *d = NULL;
	const json_t *steps = json_object_get(normal, "steps"), *step;
	bool def_goes_on;

	if (!normal)
		return NULL;
	d = xcalloc(1, sizeof *d);
	d->refs = 1;
	d->name = xstrdup(json_string_value(json_object_get(normal, "name")));
	def_goes_on = goes_on(normal, false, pointer, problems);
	json_array_foreach(steps, i, step) {
		scoped(free_p) char *at = xasprintf("%s/%s", pointer, json_string_value(json_object_get(step, "at")));

		read_step(add_node(d), step, def_goes_on, use, at, problems);
		d->nodes[d->nnodes - 1].always = json_is_true(json_object_get(step, "always"));
	}
	json_array_foreach(steps, i, step) {
		scoped(free_p) char *at = xasprintf("%s/%s", pointer, json_string_value(json_object_get(step, "at")));

		read_needs(d, &d->nodes[i], step, at, problems);
	}
	if (json_array_size(problems) == before)
		sort_or_complain(d, pointer, problems);
	if (json_array_size(problems) != before)
		return NULL;
	add_source(d, def_goes_on);
	if (use && use->callback_url)
		add_callback(d, use->callback_url);
	if (d->nnodes > DEFINITION_MAX_STEPS) {
		scoped(json_decref_p) json_t *count = json_sprintf("%d steps", d->nnodes);

		problem_add(problems, count, "at most %d steps, with those that are added: source and callback|%s/steps", DEFINITION_MAX_STEPS, pointer);
		return NULL;
	}
	link_nodes(d);
	sharing_link(d);
	write_text(d, def_goes_on);
	d->is_complete = !definition_lacks_params(d, NULL);
	return steal(&d);
}
