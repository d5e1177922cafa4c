#include "envelope.h"

#include "clock.h"
#include "load.h"
#include "sharing.h"

#include <stdlib.h>
#include <string.h>

#define INLINE_READS_MAX 32             /* more inputs than this are fetched by the worker */
#define INLINE_BYTES_MAX (16 * 1024)

/* ---- results of the instances that are read ---- */

struct result {
	const struct wjob *job;
	int ordinal;
	const char *artifacts, *data;   /* JSON */
	const json_t *list;             /* artifacts parsed, when this batch has it */
};

struct results {
	struct result *rows;
	size_t n, cap;
	PGresult *pg;                   /* owns the texts */
};

static void results_done(struct results *r)
{
	free(r->rows);
	PQclear(r->pg);
}

static int by_place(const void *pa, const void *pb)
{
	const struct result *a = pa, *b = pb;

	if (a->job != b->job)
		return a->job < b->job ? -1 : 1;
	return a->ordinal < b->ordinal ? -1 : a->ordinal > b->ordinal;
}

struct gather {
	struct results *results;
	struct buf jobs, ordinals;
	struct wjob **asked;
	size_t nasked, cap;
};

static void add_result(struct results *r, struct result row)
{
	r->rows = grow(r->rows, r->n + 1, &r->cap, sizeof *r->rows);
	r->rows[r->n++] = row;
}

static void gather_one(struct wjob *j, int ordinal, void *arg)
{
	struct gather *g = arg;
	const struct inst *i = work_inst(j, ordinal);

	if (i && i->state == STEP_SUCCEEDED && i->dirty) {      /* of this batch: all it gave is here */
		if (i->artifacts || i->data)
			add_result(g->results, (struct result){ j, ordinal, i->artifacts, i->data, i->artifact_list });
		return;
	}
	pg_array_word(&g->jobs, j->id);
	pg_array_int(&g->ordinals, ordinal);
	g->asked = grow(g->asked, g->nasked + 1, &g->cap, sizeof *g->asked);
	g->asked[g->nasked++] = j;
}

static int load_results(struct pg *pg, struct gather *g, struct err *err)
{
	pg_array_end(&g->jobs);
	pg_array_end(&g->ordinals);
	if (!g->nasked)
		return 0;
	if (pg_query(pg, &g->results->pg, err, "SELECT u.n, s.ordinal, s.artifacts::text, s.data::text "
			"FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY u(job, ordinal, n) "
			"JOIN step s ON s.job = u.job AND s.ordinal = u.ordinal WHERE s.state = 'succeeded'",
			PG_VALUES(g->jobs.text, g->ordinals.text)) < 0)
		return -1;
	for (int row = 0; row < PQntuples(g->results->pg); row++)
		add_result(g->results, (struct result){ g->asked[pg_int(g->results->pg, row, 0) - 1], (int)pg_int(g->results->pg, row, 1),
			pg_text(g->results->pg, row, 2), pg_text(g->results->pg, row, 3), NULL });
	return 0;
}

static int count_reads(struct wjob *j, int ordinal)
{
	int item, count = 0;
	const struct node *n = &j->def->nodes[definition_node(j->def, j->items, ordinal, &item)];

	for (int k = 0; k < n->nreads; k++)
		count += n->tool->scope == TOOL_ALL && j->def->nodes[n->reads[k]].tool->scope == TOOL_EACH ? j->items : 1;
	return count;
}

/* ---- inputs as JSON ---- */

struct writer {
	const struct results *results;
	struct buf *to;
	size_t count;
};

static void write_head(struct writer *w, struct wjob *j, int ordinal)
{
	int item, node = definition_node(j->def, j->items, ordinal, &item);

	buf_puts(w->to, w->count++ ? ",{\"step\":\"" : "{\"step\":\"");
	buf_puts(w->to, j->def->nodes[node].id);
	buf_puts(w->to, "\",\"item\":");
	buf_int(w->to, item);
	buf_puts(w->to, ",");
}

static void write_input(struct wjob *j, int ordinal, void *arg)
{
	struct writer *w = arg;
	const struct result key = { .job = j, .ordinal = ordinal };
	const struct result *r = w->results->n ? bsearch(&key, w->results->rows, w->results->n, sizeof key, by_place) : NULL;
	scoped(json_decref_p) json_t *parsed = r && !r->list && r->artifacts ? json_loads(r->artifacts, 0, NULL) : NULL;
	const json_t *list = r && r->list ? r->list : parsed, *artifact;
	size_t k;

	if (!r)
		return;
	json_array_foreach(list, k, artifact) {
		write_head(w, j, ordinal);
		buf_puts(w->to, "\"artifact\":");
		buf_json(w->to, artifact);
		buf_puts(w->to, "}");
	}
	if (r->data) {
		write_head(w, j, ordinal);
		buf_puts(w->to, "\"data\":");
		buf_puts(w->to, r->data);
		buf_puts(w->to, "}");
	}
}

static void write_inputs(const struct results *results, struct wjob *j, int ordinal, struct buf *to)
{
	struct writer w = { results, to, 0 };

	buf_puts(to, "\"inputs\":[");
	each_read(j, ordinal, write_input, &w);
	buf_puts(to, "]");
}

/* ---- envelopes ---- */

static void write_params(struct buf *to, const struct node *n, const struct outgoing *o)
{
	const json_t *of_job = json_object_get(o->job->params, n->id);
	scoped(json_decref_p) json_t *merged = NULL;

	buf_puts(to, ",\"params\":");
	if (!of_job && !o->params) {
		if (n->params)
			buf_json(to, n->params);
		else
			buf_puts(to, "{}");
		return;
	}
	merged = n->params ? json_copy(n->params) : json_object();
	if (of_job)
		json_object_update(merged, (json_t *)of_job);
	if (o->params)
		json_object_update(merged, (json_t *)o->params);
	buf_json(to, merged);
}

static void write_shared(struct buf *to, const struct wjob *j, int node)
{
	scoped(free_p) char *shared = sharing_text(j->def, node, j->params);

	if (shared)
		buf_printf(to, ",\"shared\":%s", shared);
}

static void write_trace(struct buf *to, const char *job, int ordinal, int attempt)
{
	const uint32_t numbers[] = { (uint32_t)ordinal + 1, (uint32_t)attempt };
	static const char hex[] = "0123456789abcdef";
	char text[32 + 1 + 16], *p = text;

	for (const char *s = job; *s; s++)
		if (*s != '-')
			*p++ = *s;
	*p++ = '-';
	for (size_t k = 0; k < countof(numbers); k++)
		for (int shift = 28; shift >= 0; shift -= 4)
			*p++ = hex[numbers[k] >> shift & 15];
	buf_puts(to, ",\"trace\":\"00-");
	buf_add(to, text, (size_t)(p - text));
	buf_puts(to, "-01\"");
}

static void put_text(struct buf *to, const char *before, const char *text)
{
	buf_puts(to, before);
	buf_puts(to, text);
}

static void put_int(struct buf *to, const char *before, int64_t v)
{
	buf_puts(to, before);
	buf_int(to, v);
}

static void write_begin(struct buf *to, const struct outgoing *o, const struct node *n, int item)
{
	put_text(to, "{\"v\":1,\"job\":\"", o->job->id);
	put_text(to, "\",\"step\":\"", n->id);
	put_int(to, "\",\"item\":", item);
	put_int(to, ",\"ordinal\":", o->ordinal);
	put_int(to, ",\"attempt\":", o->attempt);
	put_text(to, ",\"tool\":\"", n->tool->name);
	put_text(to, "\",\"queue\":\"", n->queue);
	put_int(to, "\",\"timeout_s\":", n->timeout_s);
	put_text(to, ",\"final\":", n->final ? "true" : "false");
	if (o->pass)
		put_int(to, ",\"pass\":", o->pass);
	if (o->probe)
		buf_puts(to, ",\"probe\":true");
}

static void write_envelope(const struct sealer *sealer, const struct results *results, struct outgoing *o)
{
	struct buf *to = &o->text;
	struct wjob *j = o->job;
	int item, node = definition_node(j->def, j->items, o->ordinal, &item);
	const struct node *n = &j->def->nodes[node];
	char now[CLOCK_TEXT];
	size_t inputs_at;

	write_begin(to, o, n, item);
	write_params(to, n, o);
	write_shared(to, j, node);
	if (n->tool->takes == TOOL_TAKES_NOTHING && json_array_get(j->images, (size_t)item)) {
		buf_puts(to, ",\"source\":");
		buf_json(to, json_array_get(j->images, (size_t)item));
	}
	if (n->always)
		buf_printf(to, ",\"counts\":{\"total\":%d,\"succeeded\":%d,\"failed\":%d,\"skipped\":%d}", j->total - 1, j->succeeded, j->failed, j->skipped);
	buf_puts(to, ",");
	inputs_at = to->len;
	if (count_reads(j, o->ordinal) <= INLINE_READS_MAX)
		write_inputs(results, j, o->ordinal, to);
	if (to->len == inputs_at || to->len - inputs_at > INLINE_BYTES_MAX) {
		to->len = inputs_at;
		buf_printf(to, "\"inputs_url\":\"/internal/v1/inputs/%s/%d\"", j->id, o->ordinal);
	}
	put_text(to, ",\"enqueued_at\":\"", o->at ? o->at : clock_format(clock_wall_us(), now));
	buf_puts(to, "\"");
	write_trace(to, j->id, o->ordinal, o->attempt);
	seal_add(sealer, to, 0);
}

static bool needs_inputs(const struct outgoing *o)
{
	int item;

	return !o->job->inputs_known && (o->job->has_params || work_node(o->job, o->ordinal, &item)->tool->takes == TOOL_TAKES_NOTHING);
}

static int load_missing_inputs(struct pg *pg, struct outgoing *out, size_t n, struct err *err)
{
	scoped(free_p) struct wjob **jobs = xcalloc(n, sizeof *jobs);
	size_t count = 0;

	for (size_t k = 0; k < n; k++)
		if (needs_inputs(&out[k]) && (!count || jobs[count - 1] != out[k].job))
			jobs[count++] = out[k].job;
	return load_inputs(pg, jobs, count, err);
}

static int gather_results(struct pg *pg, struct outgoing *out, size_t n, struct results *results, struct err *err)
{
	struct gather g = { .results = results };
	int rc;

	pg_array_begin(&g.jobs), pg_array_begin(&g.ordinals);
	for (size_t k = 0; k < n; k++)
		if (count_reads(out[k].job, out[k].ordinal) <= INLINE_READS_MAX)
			each_read(out[k].job, out[k].ordinal, gather_one, &g);
	rc = load_results(pg, &g, err);
	buf_free(&g.jobs), buf_free(&g.ordinals);
	free(g.asked);
	if (rc == 0 && results->n)
		qsort(results->rows, results->n, sizeof *results->rows, by_place);
	return rc;
}

int envelopes_build(struct dispatcher *d, struct pg *pg, struct outgoing *out, size_t n, struct err *err)
{
	scoped(results_done) struct results results = { 0 };

	if (load_missing_inputs(pg, out, n, err) < 0 || gather_results(pg, out, n, &results, err) < 0)
		return -1;
	for (size_t k = 0; k < n; k++)
		write_envelope(&d->sealer, &results, &out[k]);
	return 0;
}

void outgoing_free(struct outgoing *out, size_t n)
{
	for (size_t k = 0; k < n; k++)
		buf_free(&out[k].text);
	free(out);
}

int envelope_inputs(struct pg *pg, const char *job, int ordinal, struct buf *to, struct err *err)
{
	scoped(work_done) struct work w = { 0 };
	scoped(results_done) struct results results = { 0 };
	struct wjob *j = work_add_job(&w, job);
	struct gather g = { .results = &results };
	int rc;

	if (load_jobs(pg, &w, err) < 0)
		return -1;
	if (!j->def || ordinal < 0 || ordinal >= j->total)
		return err_set(err, ERR_REJECT, "there is no step %d of job %s", ordinal, job);
	pg_array_begin(&g.jobs), pg_array_begin(&g.ordinals);
	each_read(j, ordinal, gather_one, &g);
	rc = load_results(pg, &g, err);
	buf_free(&g.jobs), buf_free(&g.ordinals);
	free(g.asked);
	if (rc < 0)
		return -1;
	if (results.n)
		qsort(results.rows, results.n, sizeof *results.rows, by_place);
	buf_puts(to, "{");
	write_inputs(&results, j, ordinal, to);
	buf_puts(to, "}");
	return 0;
}
