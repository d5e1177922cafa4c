#include "batch_write.h"

#include "clock.h"
#include "death.h"
#include "metrics.h"
#include "origin.h"
#include "origin_letter.h"
#include "queues.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define COLUMNS_MAX 16
#define ROWS_MAX    10000       /* of one statement: a cancel of the largest job takes many short ones, not a long one that is given up */

/* Arrays for unnest(), a column each. */
struct table {
	struct buf columns[COLUMNS_MAX];
	int n;
	size_t rows;
};

static void table_begin(struct table *t, int columns)
{
	t->n = columns;
	for (int k = 0; k < columns; k++)
		pg_array_begin(&t->columns[k]);
}

static void table_done(struct table *t)
{
	for (int k = 0; k < t->n; k++)
		buf_free(&t->columns[k]);
}

static int make_room(struct pg *pg, struct err *err)
{
	return pg_is_full(pg) ? pg_wait(pg, NULL, err) : 0;
}

static int table_send(struct table *t, struct pg *pg, const char *sql, struct err *err)
{
	const char *values[COLUMNS_MAX];

	if (!t->rows)
		return 0;
	if (make_room(pg, err) < 0)
		return -1;
	for (int k = 0; k < t->n; k++) {
		pg_array_end(&t->columns[k]);
		values[k] = t->columns[k].text;
	}
	return pg_send(pg, err, sql, t->n, values);
}

/* Before the next row: when there are many already, they go, and are waited for. */
static int table_step(struct table *t, struct pg *pg, const char *sql, struct err *err)
{
	if (t->rows < ROWS_MAX)
		return 0;
	if (table_send(t, pg, sql, err) < 0 || pg_wait(pg, NULL, err) < 0)
		return -1;
	t->rows = 0;
	table_begin(t, t->n);
	return 0;
}

static void seconds_text(double s, char *text, size_t size)
{
	snprintf(text, size, "%.6f", s);
}

typedef void (*inst_fn)(struct table *t, struct wjob *j, struct inst *i);

/* What fn adds to the columns for each instance that has changed. */
static int send_dirty(struct pg *pg, struct work *w, int columns, inst_fn fn, const char *sql, struct err *err)
{
	scoped(table_done) struct table t = { 0 };

	table_begin(&t, columns);
	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];

		for (size_t s = 0; s < j->nslots; s++) {
			if (!j->slots[s] || (!j->slots[s]->dirty && !j->slots[s]->is_new))
				continue;
			if (table_step(&t, pg, sql, err) < 0)
				return -1;
			fn(&t, j, j->slots[s]);
		}
	}
	return table_send(&t, pg, sql, err);
}

/* ---- rows ---- */

static int send_new_jobs(struct pg *pg, struct op **ops, size_t n, struct work *w, struct err *err)
{
	scoped(table_done) struct table t = { 0 };

	table_begin(&t, 16);
	for (size_t k = 0; k < n; k++) {
		const struct op *op = ops[k];
		const struct wjob *j = op->kind == OP_ACCEPT && op->status == OP_ACCEPTED ? work_job(w, op->job) : NULL;
		scoped(free_p) char *images = NULL, *params = NULL, *labels = NULL;
		char deadline[32] = "NULL";

		if (!j)
			continue;
		images = json_array_size(j->images) ? json_dumps(j->images, JSON_COMPACT) : NULL;
		params = j->params ? json_dumps(j->params, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
		labels = op->submission->labels ? json_dumps(op->submission->labels, JSON_COMPACT) : NULL;
		if (op->submission->deadline_s > 0)
			seconds_text(op->submission->deadline_s, deadline, sizeof deadline);
		pg_array_word(&t.columns[0], j->id);
		pg_array_int(&t.columns[1], j->definition);
		pg_array_word(&t.columns[2], j->high ? "t" : "f");
		pg_array_int(&t.columns[3], j->items);
		pg_array_int(&t.columns[4], j->total);
		pg_array_int(&t.columns[5], j->made);
		pg_array_int(&t.columns[6], j->succeeded);
		pg_array_int(&t.columns[7], j->failed);
		pg_array_int(&t.columns[8], j->skipped);
		pg_array_word(&t.columns[9], deadline);
		pg_array_text(&t.columns[10], op->submission->client_id);
		pg_array_text(&t.columns[11], images);
		pg_array_text(&t.columns[12], params);
		pg_array_text(&t.columns[13], labels);
		pg_array_text(&t.columns[14], op->origin ? op->origin->list : NULL);
		pg_array_text(&t.columns[15], op->origin ? op->text : NULL);
		t.rows++;
	}
	return table_send(&t, pg, "INSERT INTO job (id, definition, high, items, total, made, succeeded, failed, skipped, deadline_at, "
		"client_id, images, params, labels, origin, message) SELECT id, def, high, items, total, made, ok, failed, skipped, "
		"now() + deadline * interval '1 second', client_id, images, params, labels, origin, message FROM unnest($1::uuid[], $2::bigint[], "
		"$3::boolean[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::float8[], $11::text[], $12::jsonb[], "
		"$13::jsonb[], $14::jsonb[], $15::text[], $16::text[]) u(id, def, high, items, total, made, ok, failed, skipped, deadline, "
		"client_id, images, params, labels, origin, message)", err);
}

static int send_jobs(struct pg *pg, struct work *w, struct err *err)
{
	scoped(table_done) struct table t = { 0 };

	table_begin(&t, 10);
	for (size_t k = 0; k < w->njobs; k++) {
		const struct wjob *j = w->jobs[k];

		if (!j->dirty || (j->is_new && !j->ended))
			continue;
		pg_array_word(&t.columns[0], j->id);
		pg_array_word(&t.columns[1], job_state_name(j->state));
		pg_array_int(&t.columns[2], j->made);
		pg_array_int(&t.columns[3], j->succeeded);
		pg_array_int(&t.columns[4], j->failed);
		pg_array_int(&t.columns[5], j->skipped);
		pg_array_int(&t.columns[6], j->cancelled);
		pg_array_word(&t.columns[7], j->ended ? "t" : "f");
		pg_array_word(&t.columns[8], skip_reason_name(j->stop_reason));
		pg_array_int(&t.columns[9], j->stopped_by);
		t.rows++;
	}
	return table_send(&t, pg, "UPDATE job j SET state = u.state, made = u.made, succeeded = u.ok, failed = u.failed, skipped = u.skipped, "
		"cancelled = u.cancelled, ended_at = CASE WHEN u.state = 'running' THEN NULL WHEN u.ended THEN clock_timestamp() ELSE j.ended_at END, "
		"stop_reason = u.stop_reason, stopped_by = nullif(u.stopped_by, -1) FROM unnest($1::uuid[], $2::job_state[], $3::int[], $4::int[], "
		"$5::int[], $6::int[], $7::int[], $8::boolean[], $9::skip_reason[], $10::int[]) "
		"u(id, state, made, ok, failed, skipped, cancelled, ended, stop_reason, stopped_by) WHERE j.id = u.id", err);
}

static void add_new_step(struct table *t, struct wjob *j, struct inst *i)
{
	if (!i->is_new)
		return;
	pg_array_word(&t->columns[0], j->id);
	pg_array_int(&t->columns[1], i->ordinal);
	pg_array_word(&t->columns[2], step_state_name(i->state));
	pg_array_word(&t->columns[3], skip_reason_name(i->reason));
	pg_array_int(&t->columns[4], i->waiting_on);
	pg_array_int(&t->columns[5], i->missing);
	pg_array_int(&t->columns[6], i->skipped_by);
	t->rows++;
}

static void add_step(struct table *t, struct wjob *j, struct inst *i)
{
	if (i->is_new)
		return;
	pg_array_word(&t->columns[0], j->id);
	pg_array_int(&t->columns[1], i->ordinal);
	pg_array_word(&t->columns[2], step_state_name(i->state));
	pg_array_word(&t->columns[3], skip_reason_name(i->reason));
	pg_array_int(&t->columns[4], i->attempt);
	pg_array_int(&t->columns[5], i->deaths);
	pg_array_int(&t->columns[6], i->waiting_on);
	pg_array_int(&t->columns[7], i->missing);
	pg_array_int(&t->columns[8], i->skipped_by);
	if (i->state == STEP_SUCCEEDED)
		pg_array_real(&t->columns[9], i->ms);
	else
		pg_array_word(&t->columns[9], NULL);
	pg_array_text(&t->columns[10], i->artifacts);
	pg_array_text(&t->columns[11], i->data);
	t->rows++;
}

static int send_steps(struct pg *pg, struct work *w, struct err *err)
{
	if (send_dirty(pg, w, 7, add_new_step, "INSERT INTO step (job, ordinal, state, reason, waiting_on, missing, skipped_by) "
			"SELECT * FROM unnest($1::uuid[], $2::int[], $3::step_state[], $4::skip_reason[], $5::int[], $6::int[], $7::int[])", err) < 0)
		return -1;
	return send_dirty(pg, w, 12, add_step, "UPDATE step s SET state = u.state, reason = u.reason, attempt = u.attempt, deaths = u.deaths, "
		"waiting_on = u.waiting_on, missing = u.missing, skipped_by = u.skipped_by, ms = coalesce(u.ms, s.ms), "
		"artifacts = coalesce(u.artifacts, s.artifacts), data = coalesce(u.data, s.data), changed_at = clock_timestamp() "
		"FROM unnest($1::uuid[], $2::int[], $3::step_state[], $4::skip_reason[], $5::smallint[], $6::smallint[], $7::int[], $8::int[], "
		"$9::int[], $10::real[], $11::jsonb[], $12::jsonb[]) u(job, ordinal, state, reason, attempt, deaths, waiting_on, missing, skipped_by, "
		"ms, artifacts, data) WHERE s.job = u.job AND s.ordinal = u.ordinal", err);
}

static const char *queue_of(const struct wjob *j, int ordinal)
{
	int item;

	return j->def->nodes[definition_node(j->def, j->items, ordinal, &item)].queue;
}

static void add_retry(struct table *t, struct wjob *j, struct inst *i)
{
	char seconds[32];

	if (!i->set_retry)
		return;
	seconds_text(i->retry_s, seconds, sizeof seconds);
	pg_array_word(&t->columns[0], j->id);
	pg_array_int(&t->columns[1], i->ordinal);
	pg_array_word(&t->columns[2], seconds);
	pg_array_text(&t->columns[3], i->backend);
	pg_array_text(&t->columns[4], i->why);
	pg_array_text(&t->columns[5], i->backend ? queue_of(j, i->ordinal) : NULL);
	t->rows++;
}

static void add_dropped_retry(struct table *t, struct wjob *j, struct inst *i)
{
	if (!i->drop_retry)
		return;
	pg_array_word(&t->columns[0], j->id);
	pg_array_int(&t->columns[1], i->ordinal);
	t->rows++;
}

static int send_retries(struct pg *pg, struct work *w, struct err *err)
{
	if (send_dirty(pg, w, 2, add_dropped_retry, "DELETE FROM retry r USING unnest($1::uuid[], $2::int[]) u(job, ordinal) "
			"WHERE r.job = u.job AND r.ordinal = u.ordinal", err) < 0)
		return -1;
	return send_dirty(pg, w, 6, add_retry, "INSERT INTO retry (job, ordinal, due_at, backend, reason, queue) SELECT job, ordinal, "
		"clock_timestamp() + seconds * interval '1 second', backend, reason, queue "
		"FROM unnest($1::uuid[], $2::int[], $3::float8[], $4::text[], $5::text[], $6::text[]) u(job, ordinal, seconds, backend, reason, queue) "
		"ON CONFLICT (job, ordinal) DO UPDATE SET due_at = excluded.due_at, backend = excluded.backend, reason = excluded.reason, "
		"queue = excluded.queue", err);
}

static void add_pass(struct table *t, struct wjob *j, struct inst *i)
{
	if (!i->backend)
		return;
	pg_array_word(&t->columns[0], j->id);
	pg_array_int(&t->columns[1], i->ordinal);
	pg_array_int(&t->columns[2], i->pass);
	t->rows++;
}

/* A statement of its own: of most batches there is nothing to say. */
static int send_passes(struct pg *pg, struct work *w, struct err *err)
{
	return send_dirty(pg, w, 3, add_pass, "UPDATE step s SET pass = u.pass FROM unnest($1::uuid[], $2::int[], $3::smallint[]) u(job, ordinal, pass) "
		"WHERE s.job = u.job AND s.ordinal = u.ordinal", err);
}

static void add_dead(struct table *t, struct wjob *j, struct inst *i)
{
	if (!i->dead)
		return;
	pg_array_word(&t->columns[0], j->id);
	pg_array_int(&t->columns[1], i->ordinal);
	pg_array_text(&t->columns[2], queue_of(j, i->ordinal));
	pg_array_int(&t->columns[3], i->attempt);
	pg_array_text(&t->columns[4], err_kind_name(i->kind));
	pg_array_text(&t->columns[5], i->message);
	pg_array_word(&t->columns[6], j->has_origin ? "t" : "f");
	t->rows++;
}

static void add_revived(struct table *t, struct wjob *j, struct inst *i)
{
	if (!i->revived)
		return;
	pg_array_word(&t->columns[0], j->id);
	pg_array_int(&t->columns[1], i->ordinal);
	t->rows++;
}

static int send_dead(struct pg *pg, struct work *w, struct err *err)
{
	if (send_dirty(pg, w, 2, add_revived, "DELETE FROM dead_letter l USING unnest($1::uuid[], $2::int[]) u(job, ordinal) "
			"WHERE l.job = u.job AND l.ordinal = u.ordinal", err) < 0)
		return -1;
	return send_dirty(pg, w, 7, add_dead, "INSERT INTO dead_letter (job, ordinal, queue, attempt, kind, message, discarded_at) "
		"SELECT job, ordinal, queue, attempt, kind, message, CASE WHEN has_origin THEN now() END FROM unnest($1::uuid[], $2::int[], "
		"$3::text[], $4::smallint[], $5::text[], $6::text[], $7::boolean[]) u(job, ordinal, queue, attempt, kind, message, has_origin) "
		"ON CONFLICT (job, ordinal) DO UPDATE SET attempt = excluded.attempt, kind = excluded.kind, message = excluded.message, "
		"failed_at = excluded.failed_at, discarded_at = excluded.discarded_at", err);
}

static void add_artifacts(struct table *t, struct wjob *j, struct inst *i)
{
	const json_t *a;
	size_t k;

	json_array_foreach(i->artifact_list, k, a) {
		scoped(free_p) char *hex = xasprintf("\\x%s", json_string_value(json_object_get(a, "digest")));
		json_int_t width = json_integer_value(json_object_get(a, "width")), height = json_integer_value(json_object_get(a, "height"));

		pg_array_word(&t->columns[0], j->id);
		pg_array_int(&t->columns[1], i->ordinal);
		pg_array_text(&t->columns[2], json_string_value(json_object_get(a, "name")));
		pg_array_text(&t->columns[3], hex);
		pg_array_text(&t->columns[4], json_string_value(json_object_get(a, "media_type")));
		pg_array_int(&t->columns[5], json_integer_value(json_object_get(a, "bytes")));
		pg_array_int(&t->columns[6], width);
		pg_array_int(&t->columns[7], height);
		t->rows++;
	}
}

static int send_artifacts(struct pg *pg, struct work *w, struct err *err)
{
	return send_dirty(pg, w, 8, add_artifacts, "INSERT INTO artifact (job, ordinal, name, digest, media_type, bytes, width, height) "
		"SELECT job, ordinal, name, digest, media_type, bytes, nullif(width, 0), nullif(height, 0) FROM unnest($1::uuid[], $2::int[], "
		"$3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::int[], $8::int[]) u(job, ordinal, name, digest, media_type, bytes, width, height) "
		"ON CONFLICT DO NOTHING", err);
}

static void add_attempt(struct table *t, const struct op *op)
{
	const struct report *r = &op->report;
	bool death = op->kind == OP_DEATH;
	char run[37], at[CLOCK_TEXT];

	if (death)
		death_run(op, run);
	else
		memcpy(run, r->run, sizeof run);
	pg_array_word(&t->columns[0], op->job);
	pg_array_int(&t->columns[1], op->ordinal);
	pg_array_word(&t->columns[2], run);
	pg_array_int(&t->columns[3], op->attempt);
	pg_array_word(&t->columns[4], clock_format(death ? clock_wall_us() : r->started_us, at));
	pg_array_text(&t->columns[5], death ? op->text : r->worker);
	pg_array_text(&t->columns[6], death ? "death" : err_kind_name(r->kind));
	pg_array_text(&t->columns[7], death ? "the worker died while it ran this step" : r->message);
	pg_array_real(&t->columns[8], r->ms);
	pg_array_int(&t->columns[9], r->peak_rss_kb);
	pg_array_int(&t->columns[10], r->signal);
	t->rows++;
}

static int send_attempts(struct pg *pg, struct op **ops, size_t n, struct err *err)
{
	scoped(table_done) struct table t = { 0 };

	table_begin(&t, 11);
	for (size_t k = 0; k < n; k++) {
		const struct op *op = ops[k];
		bool failed = op->kind == OP_REPORT && op->report.failed && op->status == OP_ACCEPTED && op->report.kind != ERR_CANCEL &&
			!op->uncharged;
		bool died = op->kind == OP_DEATH && !op->was_charged && (op->status == OP_ACCEPTED || op->status == OP_POISON);

		if (failed || died)
			add_attempt(&t, op);
	}
	return table_send(&t, pg, "INSERT INTO attempt (job, ordinal, run, attempt, at, worker, kind, message, ms, peak_rss_kb, signal) "
		"SELECT job, ordinal, run, attempt, at, worker, kind, message, ms, nullif(rss, 0), nullif(sig, 0) FROM unnest($1::uuid[], $2::int[], "
		"$3::uuid[], $4::smallint[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::real[], $10::bigint[], $11::int[]) "
		"u(job, ordinal, run, attempt, at, worker, kind, message, ms, rss, sig) ON CONFLICT DO NOTHING", err);
}

static int send_refused(struct pg *pg, struct op **ops, size_t n, struct err *err)
{
	scoped(table_done) struct table t = { 0 };

	table_begin(&t, 4);
	for (size_t k = 0; k < n; k++) {
		const struct op *op = ops[k];
		scoped(buf_free) struct buf message = { 0 }, problems = { 0 };
		scoped(free_p) char *hex = NULL;

		if (op->kind != OP_REFUSE || op->origin)
			continue;
		problems_text(op->problems, &message);
		buf_json(&problems, op->problems);
		hex = xcalloc(2 * op->text_len + 3, 1);
		memcpy(hex, "\\x", 2);
		sodium_bin2hex(hex + 2, 2 * op->text_len + 1, (const uint8_t *)op->text, op->text_len);
		pg_array_word(&t.columns[0], op->job);
		pg_array_text(&t.columns[1], hex);
		pg_array_text(&t.columns[2], message.text ? message.text : "");
		pg_array_text(&t.columns[3], problems.text);
		t.rows++;
	}
	return table_send(&t, pg, "INSERT INTO refused (id, submission, message, problems) SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::text[], "
		"$4::jsonb[]) ON CONFLICT DO NOTHING", err);
}

static int send_letter_changes(struct pg *pg, struct op **ops, size_t n, struct err *err)
{
	for (size_t k = 0; k < n; k++) {
		const struct op *op = ops[k];
		scoped(free_p) char *ordinal = xasprintf("%d", op->ordinal);

		if (op->status != OP_ACCEPTED)
			continue;
		if (make_room(pg, err) < 0)
			return -1;
		if (op->kind == OP_DISCARD && pg_send(pg, err, "UPDATE dead_letter SET discarded_at = now() WHERE job = $1::uuid AND ordinal = $2::int",
				PG_VALUES(op->job, ordinal)) < 0)
			return -1;
		if (op->kind == OP_SET_PARAMS && pg_send(pg, err, "UPDATE dead_letter SET params = $3::jsonb WHERE job = $1::uuid AND ordinal = $2::int",
				PG_VALUES(op->job, ordinal, op->text)) < 0)
			return -1;
	}
	return 0;
}

static int send_backlog(struct dispatcher *d, struct pg *pg, struct work *w, struct err *err)
{
	static const char sql[] = "INSERT INTO backlog (queue, job, ordinal) SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[])";
	scoped(table_done) struct table t = { 0 };
	size_t n;
	scoped(free_p) struct push *list = work_pushes(w, &n);

	table_begin(&t, 3);
	for (size_t k = 0; k < n; k++) {
		const struct wjob *j = list[k].job;
		struct inst *i = list[k].inst;

		if (queues_reserve(d->queues, queue_of(j, i->ordinal), j->high || i->probe))
			continue;
		if (table_step(&t, pg, sql, err) < 0)
			return -1;
		i->push = false;
		metric_add(METRIC_BACKLOGGED, 1);
		pg_array_text(&t.columns[0], queue_of(j, i->ordinal));
		pg_array_word(&t.columns[1], j->id);
		pg_array_int(&t.columns[2], i->ordinal);
		t.rows++;
	}
	return table_send(&t, pg, sql, err);
}

int write_all(struct dispatcher *d, struct pg *pg, struct work *w, struct op **ops, size_t n, struct err *err)
{
	if (send_new_jobs(pg, ops, n, w, err) < 0 || send_steps(pg, w, err) < 0 || send_jobs(pg, w, err) < 0 ||
	    send_passes(pg, w, err) < 0 || send_retries(pg, w, err) < 0 || send_dead(pg, w, err) < 0 || send_artifacts(pg, w, err) < 0 ||
	    send_attempts(pg, ops, n, err) < 0 || send_refused(pg, ops, n, err) < 0 || send_letter_changes(pg, ops, n, err) < 0 ||
	    origin_letters_send(pg, w, ops, n, err) < 0 || send_backlog(d, pg, w, err) < 0 || make_room(pg, err) < 0 || pg_send(pg, err, "COMMIT", PG_NONE) < 0) {
		pg_close(pg);           /* half a pipeline is under way */
		return -1;
	}
	return pg_wait(pg, NULL, err);
}
