#include "batch_write.h"

#include "backlog.h"
#include "batch_rows.h"
#include "clock.h"
#include "death.h"
#include "handover.h"
#include "leaf.h"
#include "metrics.h"
#include "origin_letter.h"
#include "queues.h"
#include "table.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

typedef void (*inst_fn)(struct table *t, struct wjob *j, struct inst *i);

/* What of a batch has changed: instances, and in which unusual ways some of them did. */
struct changes {
	struct push *list;
	size_t n;
	bool has_retries, has_deaths, has_artifacts;
};

static void changes_done(struct changes *c)
{
	free(c->list);
}

static struct changes find_changes(const struct work *w)
{
	struct changes c = { 0 };

	c.list = work_changes(w, &c.n);
	for (size_t k = 0; k < c.n; k++) {
		const struct inst *i = c.list[k].inst;

		c.has_retries |= i->set_retry || i->drop_retry || i->backend;
		c.has_deaths |= i->dead || i->revived;
		c.has_artifacts |= i->artifact_list != NULL;
	}
	return c;
}

/* What fn adds to the columns for each instance that has changed; sql and one as for table_send_best(). */
static int send_each(struct pg *pg, const struct changes *c, const char *types, inst_fn fn, const char *sql, const char *one,
	struct err *err)
{
	scoped(table_done) struct table t = { 0 };

	table_begin(&t, types);
	for (size_t k = 0; k < c->n; k++) {
		if (table_step(&t, pg, sql, err) < 0)
			return -1;
		fn(&t, c->list[k].job, c->list[k].inst);
	}
	return table_send_best(&t, pg, sql, one, err);
}

/* ---- rows ---- */

static const char *queue_of(const struct wjob *j, int ordinal)
{
	int item;

	return j->def->nodes[definition_node(j->def, j->items, ordinal, &item)].queue;
}

static void add_retry(struct table *t, struct wjob *j, struct inst *i)
{
	if (!i->set_retry)
		return;
	pg_column_uuid(&t->columns[0], j->raw);
	pg_column_int(&t->columns[1], i->ordinal);
	pg_column_real(&t->columns[2], i->retry_s);
	pg_column_text(&t->columns[3], i->backend);
	pg_column_text(&t->columns[4], i->why);
	pg_column_text(&t->columns[5], i->backend ? queue_of(j, i->ordinal) : NULL);
	t->rows++;
}

static void add_dropped_retry(struct table *t, struct wjob *j, struct inst *i)
{
	if (!i->drop_retry)
		return;
	pg_column_uuid(&t->columns[0], j->raw);
	pg_column_int(&t->columns[1], i->ordinal);
	t->rows++;
}

static int send_retries(struct pg *pg, const struct changes *c, struct err *err)
{
	if (!c->has_retries)
		return 0;
	if (send_each(pg, c, "ui", add_dropped_retry, "DELETE FROM retry r USING unnest($1::uuid[], $2::int[]) u(job, ordinal) "
			"WHERE r.job = u.job AND r.ordinal = u.ordinal", NULL, err) < 0)
		return -1;
	return send_each(pg, c, "uidttt", add_retry, "INSERT INTO retry (job, ordinal, due_at, backend, reason, queue) SELECT job, ordinal, "
		"clock_timestamp() + seconds * interval '1 second', backend, reason, queue "
		"FROM unnest($1::uuid[], $2::int[], $3::float8[], $4::text[], $5::text[], $6::text[]) u(job, ordinal, seconds, backend, reason, queue) "
		"ON CONFLICT (job, ordinal) DO UPDATE SET due_at = excluded.due_at, backend = excluded.backend, reason = excluded.reason, "
		"queue = excluded.queue", NULL, err);
}

static void add_pass(struct table *t, struct wjob *j, struct inst *i)
{
	if (!i->backend)
		return;
	pg_column_uuid(&t->columns[0], j->raw);
	pg_column_int(&t->columns[1], i->ordinal);
	pg_column_int(&t->columns[2], i->pass);
	t->rows++;
}

/* A statement of its own: of most batches there is nothing to say. */
static int send_passes(struct pg *pg, const struct changes *c, struct err *err)
{
	if (!c->has_retries)
		return 0;
	return send_each(pg, c, "uis", add_pass, "UPDATE step s SET pass = u.pass FROM unnest($1::uuid[], $2::int[], $3::smallint[]) u(job, ordinal, pass) "
		"WHERE s.job = u.job AND s.ordinal = u.ordinal", NULL, err);
}

static void add_dead(struct table *t, struct wjob *j, struct inst *i)
{
	if (!i->dead)
		return;
	pg_column_uuid(&t->columns[0], j->raw);
	pg_column_int(&t->columns[1], i->ordinal);
	pg_column_text(&t->columns[2], queue_of(j, i->ordinal));
	pg_column_int(&t->columns[3], min_of(i->attempt, INT16_MAX));
	pg_column_text(&t->columns[4], err_kind_name(i->kind));
	pg_column_text(&t->columns[5], i->message);
	pg_column_bool(&t->columns[6], j->has_origin);
	t->rows++;
}

static void add_revived(struct table *t, struct wjob *j, struct inst *i)
{
	if (!i->revived)
		return;
	pg_column_uuid(&t->columns[0], j->raw);
	pg_column_int(&t->columns[1], i->ordinal);
	t->rows++;
}

static int send_dead(struct pg *pg, const struct changes *c, struct err *err)
{
	if (!c->has_deaths)
		return 0;
	if (send_each(pg, c, "ui", add_revived, "DELETE FROM dead_letter l USING unnest($1::uuid[], $2::int[]) u(job, ordinal) "
			"WHERE l.job = u.job AND l.ordinal = u.ordinal", NULL, err) < 0)
		return -1;
	return send_each(pg, c, "uitsttb", add_dead, "INSERT INTO dead_letter (job, ordinal, queue, attempt, kind, message, discarded_at) "
		"SELECT job, ordinal, queue, attempt, kind, message, CASE WHEN has_origin THEN now() END FROM unnest($1::uuid[], $2::int[], "
		"$3::text[], $4::smallint[], $5::text[], $6::text[], $7::boolean[]) u(job, ordinal, queue, attempt, kind, message, has_origin) "
		"ON CONFLICT (job, ordinal) DO UPDATE SET attempt = excluded.attempt, kind = excluded.kind, message = excluded.message, "
		"failed_at = excluded.failed_at, discarded_at = excluded.discarded_at", NULL, err);
}

static void add_size(struct pg_column *c, const json_t *size)
{
	if (json_integer_value(size))
		pg_column_int(c, json_integer_value(size));
	else
		pg_column_null(c);
}

static void add_artifacts(struct table *t, struct wjob *j, struct inst *i)
{
	const json_t *a;
	size_t k;

	json_array_foreach(i->artifact_list, k, a) {
		uint8_t digest[32];

		must(sodium_hex2bin(digest, sizeof digest, json_string_value(json_object_get(a, "digest")), 2 * sizeof digest, NULL, NULL, NULL) == 0);
		pg_column_uuid(&t->columns[0], j->raw);
		pg_column_int(&t->columns[1], i->ordinal);
		pg_column_text(&t->columns[2], json_string_value(json_object_get(a, "name")));
		pg_column_bytes(&t->columns[3], digest, sizeof digest);
		pg_column_text(&t->columns[4], json_string_value(json_object_get(a, "media_type")));
		pg_column_int(&t->columns[5], json_integer_value(json_object_get(a, "bytes")));
		add_size(&t->columns[6], json_object_get(a, "width"));
		add_size(&t->columns[7], json_object_get(a, "height"));
		t->rows++;
	}
}

static int send_artifacts(struct pg *pg, const struct changes *c, struct err *err)
{
	if (!c->has_artifacts)
		return 0;
	return send_each(pg, c, "uitytlii", add_artifacts, "INSERT INTO artifact (job, ordinal, name, digest, media_type, bytes, width, height) "
		"SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::int[], $8::int[]) "
		"ON CONFLICT DO NOTHING",
		"INSERT INTO artifact (job, ordinal, name, digest, media_type, bytes, width, height) "
		"VALUES ($1::uuid, $2::int, $3::text, $4::bytea, $5::text, $6::bigint, $7::int, $8::int) ON CONFLICT DO NOTHING", err);
}

static void add_uuid(struct pg_column *c, const char *text)
{
	uint8_t raw[16];

	uuid_raw(text, raw);
	pg_column_uuid(c, raw);
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
	add_uuid(&t->columns[0], op->job);
	pg_column_int(&t->columns[1], op->ordinal);
	add_uuid(&t->columns[2], run);
	pg_column_int(&t->columns[3], min_of(op->attempt, INT16_MAX));
	pg_column_text(&t->columns[4], clock_format(death ? clock_wall_us() : r->started_us, at));
	pg_column_text(&t->columns[5], death ? op->text : r->worker);
	pg_column_text(&t->columns[6], death ? "death" : err_kind_name(r->kind));
	pg_column_text(&t->columns[7], death ? "the worker died while it ran this step" : r->message);
	pg_column_real(&t->columns[8], r->ms);
	pg_column_int(&t->columns[9], r->peak_rss_kb);
	pg_column_int(&t->columns[10], r->signal);
	t->rows++;
}

static int send_attempts(struct pg *pg, struct op **ops, size_t n, struct err *err)
{
	scoped(table_done) struct table t = { 0 };

	table_begin(&t, "uiuswtttfli");
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

	table_begin(&t, "uqtj");
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
		add_uuid(&t.columns[0], op->job);
		pg_column_text(&t.columns[1], hex);
		pg_column_text(&t.columns[2], message.text ? message.text : "");
		pg_column_text(&t.columns[3], problems.text);
		t.rows++;
	}
	return table_send(&t, pg, "INSERT INTO refused (id, submission, message, problems) SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::text[], "
		"$4::jsonb[]) ON CONFLICT DO NOTHING", err);
}

static int send_letter_changes(struct pg *pg, struct op **ops, size_t n, struct err *err)
{
	for (size_t k = 0; k < n; k++) {
		const struct op *op = ops[k];
		scoped(free_p) char *ordinal = NULL;

		if (op->status != OP_ACCEPTED || (op->kind != OP_DISCARD && op->kind != OP_SET_PARAMS))
			continue;
		ordinal = xasprintf("%d", op->ordinal);
		if (table_make_room(pg, err) < 0)
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
	scoped(backlog_done) struct backlog b = { 0 };
	size_t n;
	scoped(free_p) struct push *list = work_pushes(w, &n);

	for (size_t k = 0; k < n; k++) {
		struct wjob *j = list[k].job;
		struct inst *i = list[k].inst;

		if (handover_take(j, i) || queues_reserve(d->queues, queue_of(j, i->ordinal), j->high || i->probe))
			continue;
		i->push = false;
		metric_add(METRIC_BACKLOGGED, 1);
		if (backlog_add(&b, pg, queue_of(j, i->ordinal), j->raw, i->ordinal, err) < 0)
			return -1;
	}
	return backlog_send(&b, pg, err);
}

static int send_states(struct pg *pg, const struct changes *c, struct work *w, struct op **ops, size_t n, struct err *err)
{
	return send_new_jobs(pg, ops, n, w, err) < 0 || send_steps(pg, c->list, c->n, err) < 0 || send_jobs(pg, w, err) < 0 ? -1 : 0;
}

static int wait_for_leaves(struct pg *pg, struct work *w, struct err *err)
{
	size_t n = pg->nsent;
	scoped(free_p) PGresult **r = xcalloc(n, sizeof(PGresult *));

	if (pg_wait(pg, r, err) < 0)
		return -1;
	leaf_take(w, r[0]);
	for (size_t k = 0; k < n; k++)
		PQclear(r[k]);
	return 0;
}

int write_all(struct dispatcher *d, struct pg *pg, struct work *w, struct op **ops, size_t n, enum write_way how, struct err *err)
{
	scoped(changes_done) struct changes c = find_changes(w);

	if ((how == WRITE_LEAVES ? leaf_send(pg, w, err) : send_states(pg, &c, w, ops, n, err)) < 0 ||
	    send_passes(pg, &c, err) < 0 || send_retries(pg, &c, err) < 0 || send_dead(pg, &c, err) < 0 || send_artifacts(pg, &c, err) < 0 ||
	    send_attempts(pg, ops, n, err) < 0 || send_refused(pg, ops, n, err) < 0 || send_letter_changes(pg, ops, n, err) < 0 ||
	    origin_letters_send(pg, w, ops, n, err) < 0 || send_backlog(d, pg, w, err) < 0 || table_make_room(pg, err) < 0 ||
	    (how == WRITE_COMMIT && pg_send(pg, err, "COMMIT", PG_NONE) < 0)) {
		pg_close(pg);           /* half a pipeline is under way */
		return -1;
	}
	if (how == WRITE_LEAVES)
		return wait_for_leaves(pg, w, err);
	return pg_wait(pg, NULL, err);
}
