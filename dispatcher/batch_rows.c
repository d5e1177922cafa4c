#include "batch_rows.h"

#include "origin.h"
#include "table.h"

#include <stdlib.h>

/* ---- new jobs ---- */

static bool is_plain_job(const struct op *op, const struct wjob *j)
{
	const struct submission *s = op->submission;

	return !s->client_id && !s->labels && !j->params && !op->origin && !(s->deadline_s > 0) && !j->succeeded && !j->failed && !j->skipped;
}

/* The columns of both statements; the next one. */
static struct pg_column *add_what_all_have(struct pg_column *c, const struct wjob *j)
{
	pg_column_uuid(c++, j->raw);
	pg_column_int(c++, j->definition);
	pg_column_bool(c++, j->high);
	pg_column_int(c++, j->items);
	pg_column_int(c++, j->total);
	pg_column_int(c++, j->made);
	return c;
}

static void add_plain_job(struct table *t, const struct wjob *j, const char *images)
{
	struct pg_column *c = add_what_all_have(t->columns, j);

	pg_column_text(c++, images);
	t->rows++;
}

static void add_job(struct table *t, const struct op *op, const struct wjob *j, const char *images)
{
	const struct submission *s = op->submission;
	scoped(free_p) char *params = j->params ? json_dumps(j->params, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	scoped(free_p) char *labels = s->labels ? json_dumps(s->labels, JSON_COMPACT) : NULL;
	struct pg_column *c = add_what_all_have(t->columns, j);

	pg_column_int(c++, j->succeeded);
	pg_column_int(c++, j->failed);
	pg_column_int(c++, j->skipped);
	if (s->deadline_s > 0)
		pg_column_real(c++, s->deadline_s);
	else
		pg_column_null(c++);
	pg_column_text(c++, s->client_id);
	pg_column_text(c++, images);
	pg_column_text(c++, params);
	pg_column_text(c++, labels);
	pg_column_text(c++, op->origin ? op->origin->list : NULL);
	pg_column_text(c++, op->origin ? op->text : NULL);
	t->rows++;
}

int send_new_jobs(struct pg *pg, struct op **ops, size_t n, struct work *w, struct err *err)
{
	scoped(table_done) struct table plain = { 0 }, all = { 0 };

	table_begin(&plain, "ulbiiij");
	table_begin(&all, "ulbiiiiiidtjjjtt");
	for (size_t k = 0; k < n; k++) {
		const struct op *op = ops[k];
		const struct wjob *j = op->kind == OP_ACCEPT && op->status == OP_ACCEPTED ? work_job(w, op->job) : NULL;
		scoped(free_p) char *images = NULL;

		if (!j)
			continue;
		images = json_array_size(j->images) ? json_dumps(j->images, JSON_COMPACT) : NULL;
		if (is_plain_job(op, j))
			add_plain_job(&plain, j, images);
		else
			add_job(&all, op, j, images);
	}
	if (table_send_best(&plain, pg, "INSERT INTO job (id, definition, high, items, total, made, images) SELECT * FROM unnest($1::uuid[], "
			"$2::bigint[], $3::boolean[], $4::int[], $5::int[], $6::int[], $7::jsonb[])", "INSERT INTO job (id, definition, high, items, "
			"total, made, images) VALUES ($1::uuid, $2::bigint, $3::boolean, $4::int, $5::int, $6::int, $7::jsonb)", err) < 0)
		return -1;
	return table_send(&all, pg, "INSERT INTO job (id, definition, high, items, total, made, succeeded, failed, skipped, deadline_at, "
		"client_id, images, params, labels, origin, message) SELECT id, def, high, items, total, made, ok, failed, skipped, "
		"now() + deadline * interval '1 second', client_id, images, params, labels, origin, message FROM unnest($1::uuid[], $2::bigint[], "
		"$3::boolean[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::float8[], $11::text[], $12::jsonb[], "
		"$13::jsonb[], $14::jsonb[], $15::text[], $16::text[]) u(id, def, high, items, total, made, ok, failed, skipped, deadline, "
		"client_id, images, params, labels, origin, message)", err);
}

/* ---- jobs that change ---- */

/* Nothing has changed but, maybe, the state and how many steps have succeeded. */
static bool only_succeeds(const struct wjob *j)
{
	const struct job_row *was = &j->was;

	return !j->is_new && was->state == JOB_RUNNING && j->stop_reason == was->stop_reason && j->stopped_by == was->stopped_by &&
		j->made == was->made && j->failed == was->failed && j->skipped == was->skipped && j->cancelled == was->cancelled;
}

static void add_changed_job(struct table *t, const struct wjob *j)
{
	struct pg_column *c = t->columns;

	pg_column_uuid(c++, j->raw);
	pg_column_text(c++, job_state_name(j->state));
	pg_column_int(c++, j->made);
	pg_column_int(c++, j->succeeded);
	pg_column_int(c++, j->failed);
	pg_column_int(c++, j->skipped);
	pg_column_int(c++, j->cancelled);
	pg_column_bool(c++, j->ended);
	pg_column_text(c++, skip_reason_name(j->stop_reason));
	pg_column_int(c++, j->stopped_by);
	t->rows++;
}

#define WON "state = 'succeeded', succeeded = total, ended_at = clock_timestamp()"

int send_jobs(struct pg *pg, const struct work *w, struct err *err)
{
	scoped(table_done) struct table further = { 0 }, won = { 0 }, all = { 0 };

	table_begin(&further, "ui");
	table_begin(&won, "u");
	table_begin(&all, "uwiiiiibwi");
	for (size_t k = 0; k < w->njobs; k++) {
		const struct wjob *j = w->jobs[k];

		if (!j->dirty || (j->is_new && !j->ended))
			continue;
		if (only_succeeds(j) && j->state == JOB_RUNNING) {
			pg_column_uuid(&further.columns[0], j->raw);
			pg_column_int(&further.columns[1], j->succeeded);
			further.rows++;
		} else if (only_succeeds(j) && j->state == JOB_SUCCEEDED && j->ended && j->succeeded == j->total) {
			pg_column_uuid(&won.columns[0], j->raw);
			won.rows++;
		} else {
			add_changed_job(&all, j);
		}
	}
	if (table_send_best(&further, pg, "UPDATE job j SET succeeded = u.ok FROM unnest($1::uuid[], $2::int[]) u(id, ok) WHERE j.id = u.id",
			"UPDATE job SET succeeded = $2::int WHERE id = $1::uuid", err) < 0 ||
	    table_send_best(&won, pg, "UPDATE job SET " WON " WHERE id = ANY($1::uuid[])", "UPDATE job SET " WON " WHERE id = $1::uuid", err) < 0)
		return -1;
	return table_send(&all, pg, "UPDATE job j SET state = u.state, made = u.made, succeeded = u.ok, failed = u.failed, skipped = u.skipped, "
		"cancelled = u.cancelled, ended_at = CASE WHEN u.state = 'running' THEN NULL WHEN u.ended THEN clock_timestamp() ELSE j.ended_at END, "
		"stop_reason = u.stop_reason, stopped_by = nullif(u.stopped_by, -1) FROM unnest($1::uuid[], $2::job_state[], $3::int[], $4::int[], "
		"$5::int[], $6::int[], $7::int[], $8::boolean[], $9::skip_reason[], $10::int[]) "
		"u(id, state, made, ok, failed, skipped, cancelled, ended, stop_reason, stopped_by) WHERE j.id = u.id", err);
}

/* ---- steps ---- */

enum way {                              /* in which a row changes */
	WAY_MADE,                       /* new, blocked or queued */
	WAY_MADE_OTHERWISE,
	WAY_SUCCEEDED,                  /* and nothing else */
	WAY_SUCCEEDED_WITH,             /* the same with results */
	WAY_WAITING,                    /* was blocked: waits for less, or is queued now */
	WAY_ANY,
	WAYS
};

static const struct {
	const char *types, *sql, *one;  /* one: of a single row, or NULL */
} ways[WAYS] = {
	[WAY_MADE] = { "uii", "INSERT INTO step (job, ordinal, waiting_on, state) SELECT job, ordinal, waiting_on, "
		"CASE WHEN waiting_on = 0 THEN 'queued'::step_state ELSE 'blocked' END FROM unnest($1::uuid[], $2::int[], $3::int[]) "
		"u(job, ordinal, waiting_on)",
		"INSERT INTO step (job, ordinal, waiting_on, state) VALUES ($1::uuid, $2::int, $3::int, "
		"CASE WHEN $3::int = 0 THEN 'queued'::step_state ELSE 'blocked' END)" },
	[WAY_MADE_OTHERWISE] = { "uiwwiii", "INSERT INTO step (job, ordinal, state, reason, waiting_on, missing, skipped_by) "
		"SELECT * FROM unnest($1::uuid[], $2::int[], $3::step_state[], $4::skip_reason[], $5::int[], $6::int[], $7::int[])", NULL },
	[WAY_SUCCEEDED] = { "uif", "UPDATE step s SET state = 'succeeded', ms = u.ms, changed_at = clock_timestamp() "
		"FROM unnest($1::uuid[], $2::int[], $3::real[]) u(job, ordinal, ms) WHERE s.job = u.job AND s.ordinal = u.ordinal",
		"UPDATE step SET state = 'succeeded', ms = $3::real, changed_at = clock_timestamp() WHERE job = $1::uuid AND ordinal = $2::int" },
	[WAY_SUCCEEDED_WITH] = { "uifjj", "UPDATE step s SET state = 'succeeded', ms = u.ms, artifacts = u.artifacts, data = u.data, "
		"changed_at = clock_timestamp() FROM unnest($1::uuid[], $2::int[], $3::real[], $4::jsonb[], $5::jsonb[]) "
		"u(job, ordinal, ms, artifacts, data) WHERE s.job = u.job AND s.ordinal = u.ordinal",
		"UPDATE step SET state = 'succeeded', ms = $3::real, artifacts = $4::jsonb, data = $5::jsonb, changed_at = clock_timestamp() "
		"WHERE job = $1::uuid AND ordinal = $2::int" },
	[WAY_WAITING] = { "uiib", "UPDATE step s SET state = CASE WHEN u.queued THEN 'queued'::step_state ELSE 'blocked' END, "
		"waiting_on = u.waiting_on, changed_at = clock_timestamp() FROM unnest($1::uuid[], $2::int[], $3::int[], $4::boolean[]) "
		"u(job, ordinal, waiting_on, queued) WHERE s.job = u.job AND s.ordinal = u.ordinal",
		"UPDATE step SET state = CASE WHEN $4::boolean THEN 'queued'::step_state ELSE 'blocked' END, waiting_on = $3::int, "
		"changed_at = clock_timestamp() WHERE job = $1::uuid AND ordinal = $2::int" },
	[WAY_ANY] = { "uiwwssiiifjj", "UPDATE step s SET state = u.state, reason = u.reason, attempt = u.attempt, deaths = u.deaths, "
		"waiting_on = u.waiting_on, missing = u.missing, skipped_by = u.skipped_by, ms = coalesce(u.ms, s.ms), "
		"artifacts = coalesce(u.artifacts, s.artifacts), data = coalesce(u.data, s.data), changed_at = clock_timestamp() "
		"FROM unnest($1::uuid[], $2::int[], $3::step_state[], $4::skip_reason[], $5::smallint[], $6::smallint[], $7::int[], $8::int[], "
		"$9::int[], $10::real[], $11::jsonb[], $12::jsonb[]) u(job, ordinal, state, reason, attempt, deaths, waiting_on, missing, skipped_by, "
		"ms, artifacts, data) WHERE s.job = u.job AND s.ordinal = u.ordinal", NULL },
};

static enum way way_of_new(const struct inst *i)
{
	bool is_plain = i->reason == SKIP_NONE && !i->missing && i->skipped_by == -1 &&
		(i->waiting_on ? i->state == STEP_BLOCKED : i->state == STEP_QUEUED);

	return is_plain ? WAY_MADE : WAY_MADE_OTHERWISE;
}

static enum way way_of(const struct inst *i)
{
	const struct step_row *was = &i->was;

	if (i->is_new)
		return way_of_new(i);
	if (i->reason != was->reason || i->attempt != was->attempt || i->deaths != was->deaths || i->missing != was->missing ||
	    i->skipped_by != was->skipped_by)
		return WAY_ANY;
	if (i->state == STEP_SUCCEEDED && was->state != STEP_SUCCEEDED && i->waiting_on == was->waiting_on)
		return i->artifacts || i->data ? WAY_SUCCEEDED_WITH : WAY_SUCCEEDED;
	if (was->state == STEP_BLOCKED && (i->state == STEP_BLOCKED || i->state == STEP_QUEUED))
		return WAY_WAITING;
	return WAY_ANY;
}

static void add_any(struct pg_column *c, const struct inst *i)
{
	pg_column_text(c++, step_state_name(i->state));
	pg_column_text(c++, skip_reason_name(i->reason));
	pg_column_int(c++, min_of(i->attempt, INT16_MAX));
	pg_column_int(c++, min_of(i->deaths, INT16_MAX));
	pg_column_int(c++, i->waiting_on);
	pg_column_int(c++, i->missing);
	pg_column_int(c++, i->skipped_by);
	if (i->state == STEP_SUCCEEDED)
		pg_column_real(c++, i->ms);
	else
		pg_column_null(c++);
	pg_column_text(c++, i->artifacts);
	pg_column_text(c++, i->data);
}

static void add_step(struct table *t, enum way way, const struct wjob *j, const struct inst *i)
{
	struct pg_column *c = t->columns;

	pg_column_uuid(c++, j->raw);
	pg_column_int(c++, i->ordinal);
	switch (way) {
	case WAY_MADE:
		pg_column_int(c++, i->waiting_on);
		break;
	case WAY_MADE_OTHERWISE:
		pg_column_text(c++, step_state_name(i->state));
		pg_column_text(c++, skip_reason_name(i->reason));
		pg_column_int(c++, i->waiting_on);
		pg_column_int(c++, i->missing);
		pg_column_int(c++, i->skipped_by);
		break;
	case WAY_SUCCEEDED:
		pg_column_real(c++, i->ms);
		break;
	case WAY_SUCCEEDED_WITH:
		pg_column_real(c++, i->ms);
		pg_column_text(c++, i->artifacts);
		pg_column_text(c++, i->data);
		break;
	case WAY_WAITING:
		pg_column_int(c++, i->waiting_on);
		pg_column_bool(c++, i->state == STEP_QUEUED);
		break;
	case WAY_ANY:
		add_any(c, i);
		break;
	case WAYS:
		break;
	}
	t->rows++;
}

int send_steps(struct pg *pg, const struct push *changed, size_t n, struct err *err)
{
	struct table tables[WAYS] = { 0 };
	int rc = 0;

	for (size_t way = 0; way < WAYS; way++)
		table_begin(&tables[way], ways[way].types);
	for (size_t k = 0; rc == 0 && k < n; k++) {
		enum way way = way_of(changed[k].inst);

		rc = table_step(&tables[way], pg, ways[way].sql, err);
		if (rc == 0)
			add_step(&tables[way], way, changed[k].job, changed[k].inst);
	}
	for (size_t way = 0; way < WAYS; way++) {
		if (rc == 0)
			rc = table_send_best(&tables[way], pg, ways[way].sql, ways[way].one, err);
		table_done(&tables[way]);
	}
	return rc;
}
