#include "deadletter.h"

#include "envelope.h"
#include "load.h"
#include "submission.h"

#include <stdlib.h>
#include <string.h>

#define AT_TEXT "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'"
#define CHUNK   500             /* letters a round trip */
#define INLINE_MAX (256 * 1024) /* a longer refused submission is in PostgreSQL only (table refused) */
#define HEAD_BYTES 1000         /* of it that the letter shows */

void letters_free(struct letters *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->list[i].queue);
		free(l->list[i].begins);
		free(l->list[i].text);
		free(l->list[i].task);
	}
	free(l->list);
	*l = (struct letters){ 0 };
}

static void write_letter(const PGresult *r, int row, struct outgoing *o, const struct node *n, int item, struct letter *to)
{
	scoped(buf_free) struct buf b = { 0 };

	snprintf(to->job, sizeof to->job, "%s", o->job->id);
	to->ordinal = o->ordinal;
	buf_printf(&b, "{\"job\":\"%s\",\"step\":\"%s\",\"item\":%d,", o->job->id, n->id, item);
	to->begins = xstrndup(b.text, b.len);
	buf_printf(&b, "\"tool\":\"%s\",\"queue\":\"%s\",\"error\":{\"kind\":\"%s\",\"message\":", n->tool->name, n->queue, pg_text(r, row, 3));
	buf_json_string(&b, pg_text(r, row, 4));
	buf_printf(&b, "},\"attempts\":%s,\"failed_at\":\"%s\",\"task\":", pg_text(r, row, 7), pg_text(r, row, 5));
	buf_add(&b, o->text.text, o->text.len);
	buf_puts(&b, "}");
	to->queue = xstrdup(n->queue);
	to->text = buf_take(&b);
	to->task = buf_take(&o->text);
}

static int query_letters(struct pg *pg, const struct want *which, size_t n, PGresult **ret, struct err *err)
{
	scoped(buf_free) struct buf jobs = { 0 }, ordinals = { 0 };

	pg_array_begin(&jobs), pg_array_begin(&ordinals);
	for (size_t k = 0; k < n; k++) {
		pg_array_word(&jobs, which[k].job->id);
		pg_array_int(&ordinals, which[k].ordinal);
	}
	pg_array_end(&jobs), pg_array_end(&ordinals);
	return pg_query(pg, ret, err, "SELECT l.job::text, l.ordinal, l.attempt, l.kind, l.message, to_char(l.failed_at, " AT_TEXT "), "
		"l.params::text, coalesce((SELECT json_agg(json_strip_nulls(json_build_object('attempt', a.attempt, "
		"'at', to_char(a.at, " AT_TEXT "), 'worker', a.worker, 'error', a.message, 'kind', a.kind, 'ms', a.ms, "
		"'peak_rss_kb', a.peak_rss_kb, 'signal', a.signal)) ORDER BY a.at, a.run) FROM attempt a "
		"WHERE a.job = l.job AND a.ordinal = l.ordinal), '[]')::text "
		"FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY u(job, ordinal, n) "
		"JOIN dead_letter l ON l.job = u.job AND l.ordinal = u.ordinal ORDER BY u.n", PG_VALUES(jobs.text, ordinals.text));
}

int letters_build(struct dispatcher *d, struct pg *pg, struct work *w, const struct want *which, size_t n, struct letters *ret,
	struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(free_p) json_t **params = NULL;
	struct outgoing *out;
	struct letters l = { 0 };
	size_t rows;
	int rc;

	if (!n) {
		*ret = l;
		return 0;
	}
	if (load_jobs(pg, w, err) < 0 || query_letters(pg, which, n, &r, err) < 0)
		return -1;
	rows = (size_t)PQntuples(r);
	out = xcalloc(rows, sizeof *out);
	params = xcalloc(rows, sizeof *params);
	for (size_t k = 0; k < rows; k++) {
		params[k] = pg_text(r, (int)k, 6) ? json_loads(pg_text(r, (int)k, 6), 0, NULL) : NULL;
		out[k] = (struct outgoing){ .job = work_job(w, pg_text(r, (int)k, 0)), .ordinal = (int)pg_int(r, (int)k, 1),
			.attempt = (int)pg_int(r, (int)k, 2), .params = params[k], .at = pg_text(r, (int)k, 5) };
	}
	rc = envelopes_build(d, pg, out, rows, err);
	if (rc == 0) {
		l.list = xcalloc(rows, sizeof *l.list);
		for (size_t k = 0; k < rows; k++) {
			int item, node = definition_node(out[k].job->def, out[k].job->items, out[k].ordinal, &item);

			write_letter(r, (int)k, &out[k], &out[k].job->def->nodes[node], item, &l.list[l.n++]);
		}
		*ret = l;
	}
	for (size_t k = 0; k < rows; k++)
		json_decref(params[k]);
	outgoing_free(out, rows);
	return rc;
}

/* Letters of one queue stand together for one call of a script. Returns the end of the run that begins at `from`. */
static size_t run_end(const struct letters *l, size_t from)
{
	size_t k = from;

	while (k < l->n && k - from < CHUNK && strcmp(l->list[k].queue, l->list[from].queue) == 0)
		k++;
	return k;
}

/* Another dispatcher may revive or discard a letter while it is on its way here to the list: it looked there for what
 * it had to take out, and found nothing. */
static int take_gone(struct pg *pg, struct redis *redis, const struct letters *l, struct err *err)
{
	scoped(buf_free) struct buf jobs = { 0 }, ordinals = { 0 };
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(free_p) struct letter *gone = NULL;

	pg_array_begin(&jobs), pg_array_begin(&ordinals);
	for (size_t k = 0; k < l->n; k++) {
		pg_array_word(&jobs, l->list[k].job);
		pg_array_int(&ordinals, l->list[k].ordinal);
	}
	pg_array_end(&jobs), pg_array_end(&ordinals);
	if (pg_query(pg, &r, err, "SELECT u.n - 1 FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY u(job, ordinal, n) WHERE NOT EXISTS "
			"(SELECT FROM dead_letter l WHERE l.job = u.job AND l.ordinal = u.ordinal AND l.discarded_at IS NULL) ORDER BY u.n",
			PG_VALUES(jobs.text, ordinals.text)) < 0)
		return -1;
	gone = xcalloc((size_t)PQntuples(r), sizeof *gone);
	for (int row = 0; row < PQntuples(r); row++)
		gone[row] = l->list[pg_int(r, row, 0)];
	return letters_take(redis, &(struct letters){ gone, (size_t)PQntuples(r) }, err);
}

int letters_push(struct dispatcher *d, struct pg *pg, struct redis *redis, const struct letters *l, bool again, struct err *err)
{
	char most[16];

	snprintf(most, sizeof most, "%u", d->conf.dlq_max);
	for (size_t from = 0, to; from < l->n; from = to) {
		scoped(free_p) char *key = xasprintf("pixelfleet:dlq:%s", l->list[from].queue);
		scoped(free_p) const char **argv = NULL;
		int argc = 3;

		to = run_end(l, from);
		argv = xcalloc(3 + 2 * (to - from), sizeof *argv);
		argv[0] = key, argv[1] = most, argv[2] = again ? "again" : "new";
		for (size_t k = from; k < to; k++) {
			argv[argc++] = l->list[k].begins;
			argv[argc++] = l->list[k].text;
		}
		if (redis_script(redis, "dlq_add", 1, argc, argv, NULL, NULL, err) < 0)
			return -1;
	}
	return l->n ? take_gone(pg, redis, l, err) : 0;
}

int letters_take(struct redis *redis, const struct letters *l, struct err *err)
{
	for (size_t from = 0, to; from < l->n; from = to) {
		scoped(free_p) char *key = xasprintf("pixelfleet:dlq:%s", l->list[from].queue);
		scoped(free_p) const char **argv = NULL;
		int argc = 1;

		to = run_end(l, from);
		argv = xcalloc(1 + to - from, sizeof *argv);
		argv[0] = key;
		for (size_t k = from; k < to; k++)
			argv[argc++] = l->list[k].begins;
		if (redis_script(redis, "dlq_take", 1, argc, argv, NULL, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- for people ---- */

struct selection {
	struct work work;
	struct want *which;
	size_t n;
};

static void selection_done(struct selection *s)
{
	work_done(&s->work);
	free(s->which);
}

static void select_rows(struct selection *s, const PGresult *r)
{
	s->n = (size_t)PQntuples(r);
	s->which = xcalloc(s->n, sizeof *s->which);
	for (size_t k = 0; k < s->n; k++)
		s->which[k] = (struct want){ work_add_job(&s->work, pg_text(r, (int)k, 0)), (int)pg_int(r, (int)k, 1) };
}

int deadletter_list(struct dispatcher *d, struct pg *pg, const char *queue, int limit, int offset,
	struct buf *to, int64_t *ret_total, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL, *count = NULL;
	scoped(selection_done) struct selection s = { 0 };
	scoped(letters_free) struct letters l = { 0 };
	scoped(free_p) char *limit_text = xasprintf("%d", limit), *offset_text = xasprintf("%d", offset);

	if (pg_query(pg, &count, err, "SELECT count(*) FROM dead_letter WHERE queue = $1 AND discarded_at IS NULL", PG_VALUES(queue)) < 0 ||
	    pg_query(pg, &r, err, "SELECT job::text, ordinal FROM dead_letter WHERE queue = $1 AND discarded_at IS NULL "
			"ORDER BY failed_at DESC, job, ordinal LIMIT $2::int OFFSET $3::int", PG_VALUES(queue, limit_text, offset_text)) < 0)
		return -1;
	select_rows(&s, r);
	if (letters_build(d, pg, &s.work, s.which, s.n, &l, err) < 0)
		return -1;
	buf_puts(to, "[");
	for (size_t k = 0; k < l.n; k++)
		buf_printf(to, "%s%s", k ? "," : "", l.list[k].text);
	buf_puts(to, "]");
	*ret_total = pg_int(count, 0, 0);
	return 0;
}

/* The next CHUNK that match, in the order of (job, ordinal), after `after`. */
static int select_chunk(struct pg *pg, const struct deadletter_filter *f, const char *after_job, int after_ordinal,
	struct selection *s, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(free_p) char *ordinal = xasprintf("%d", after_ordinal);

	if (pg_query(pg, &r, err, "SELECT l.job::text, l.ordinal FROM dead_letter l JOIN step_view v ON v.job = l.job AND v.ordinal = l.ordinal "
			"WHERE l.queue = $1 AND l.discarded_at IS NULL AND v.state = 'failed' AND ($2::uuid IS NULL OR l.job = $2::uuid) "
			"AND ($3::text IS NULL OR v.step = $3) AND ($4::text IS NULL OR v.tool = $4) AND (l.job, l.ordinal) > ($5::uuid, $6::int) "
			"ORDER BY l.job, l.ordinal LIMIT 500", PG_VALUES(f->queue, f->job, f->step, f->tool, after_job, ordinal)) < 0)
		return -1;
	select_rows(s, r);
	return 0;
}

static void check_new_params(const struct selection *s, const json_t *params, json_t *problems)
{
	for (size_t k = 0; k < s->n && json_array_size(problems) == 0; k++) {
		struct wjob *j = s->which[k].job;
		int item, node = definition_node(j->def, j->items, s->which[k].ordinal, &item);

		tool_check_params(j->def->nodes[node].tool, params, "/params", problems);
	}
}

static int call_op(struct dispatcher *d, enum op_kind kind, const struct want *which, const char *text, struct err *err)
{
	struct op *op = op_new(kind);
	int rc = 0;

	op->job = xstrdup(which->job->id);
	op->ordinal = which->ordinal;
	if (text) {
		op->text = xstrdup(text);
		op->text_len = strlen(text);
	}
	ledger_call(d->ledger, op);
	if (op->status == OP_FAILED) {
		*err = *op->err;
		rc = -1;
	}
	op_free(op);
	return rc;
}

static int requeue_letters(struct redis *redis, const struct letters *l, struct err *err)
{
	for (size_t k = 0; k < l->n; k++)
		if (redis_append(redis, err, "LPUSH pixelfleet:queue:%s %s", l->list[k].queue, l->list[k].text) < 0)
			return -1;
	for (size_t k = 0; k < l->n; k++)
		if (redis_reply(redis, NULL, err) < 0)
			return redis_close(redis), -1;  /* full, maybe: the rest of the answers is not awaited */
	return 0;
}

static int retry_chunk(struct dispatcher *d, struct pg *pg, struct redis *redis, struct selection *s, const json_t *params,
	json_t *problems, struct err *err)
{
	scoped(letters_free) struct letters l = { 0 };

	if (load_jobs(pg, &s->work, err) < 0)
		return -1;
	if (params) {
		scoped(buf_free) struct buf text = { 0 };

		check_new_params(s, params, problems);
		if (json_array_size(problems))
			return err_set(err, ERR_REJECT, "the parameters do not fit the tool");
		buf_json(&text, params);
		for (size_t k = 0; k < s->n; k++)
			if (call_op(d, OP_SET_PARAMS, &s->which[k], text.text, err) < 0)
				return -1;
	}
	if (letters_build(d, pg, &s->work, s->which, s->n, &l, err) < 0)
		return -1;
	return letters_take(redis, &l, err) < 0 || requeue_letters(redis, &l, err) < 0 ? -1 : 0;
}

static int discard_chunk(struct dispatcher *d, struct pg *pg, struct redis *redis, struct selection *s, struct err *err)
{
	scoped(letters_free) struct letters l = { 0 };

	if (letters_build(d, pg, &s->work, s->which, s->n, &l, err) < 0)
		return -1;
	for (size_t k = 0; k < s->n; k++)
		if (call_op(d, OP_DISCARD, &s->which[k], NULL, err) < 0)
			return -1;
	return letters_take(redis, &l, err);
}

static int walk(struct dispatcher *d, struct pg *pg, struct redis *redis, const struct deadletter_filter *f, bool discard,
	const json_t *params, json_t *problems, int64_t *ret_n, struct err *err)
{
	char job[37] = "00000000-0000-0000-0000-000000000000";
	int64_t total = 0;
	int ordinal = -1;

	must(f->all || f->job || f->step || f->tool);
	for (;;) {
		scoped(selection_done) struct selection s = { 0 };

		if (select_chunk(pg, f, job, ordinal, &s, err) < 0)
			return -1;
		if (!s.n)
			break;
		if ((discard ? discard_chunk(d, pg, redis, &s, err) : retry_chunk(d, pg, redis, &s, params, problems, err)) < 0)
			return -1;
		total += (int64_t)s.n;
		memcpy(job, s.which[s.n - 1].job->id, sizeof job);
		ordinal = s.which[s.n - 1].ordinal;
	}
	*ret_n = total;
	return 0;
}

int deadletter_retry(struct dispatcher *d, struct pg *pg, struct redis *redis, const struct deadletter_filter *f,
	const json_t *params, json_t *problems, int64_t *ret_n, struct err *err)
{
	return walk(d, pg, redis, f, false, params, problems, ret_n, err);
}

int deadletter_discard(struct dispatcher *d, struct pg *pg, struct redis *redis, const struct deadletter_filter *f,
	int64_t *ret_n, struct err *err)
{
	return walk(d, pg, redis, f, true, NULL, NULL, ret_n, err);
}

/* ---- refused submissions ---- */

json_t *bytes_readable(const char *bytes, size_t len)
{
	scoped(buf_free) struct buf b = { 0 };
	json_t *s = json_stringn(bytes, len);

	if (s && !memchr(bytes, '\0', len))
		return s;
	json_decref(s);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c >= 0x20 && c < 0x7f)
			buf_add(&b, bytes + i, 1);
		else
			buf_printf(&b, "\\x%02x", c);
	}
	return json_string(b.text ? b.text : "");
}

void refusal_text(const char *id, const char *at, const char *submission, size_t len, const json_t *problems, struct buf *to)
{
	scoped(buf_free) struct buf message = { 0 };
	scoped(json_decref_p) json_t *ignored = json_array();
	scoped(json_decref_p) json_t *body = len > INLINE_MAX ? NULL : json_parse_strict(submission, len, SUBMISSION_MAX_DEPTH, ignored);
	scoped(json_decref_p) json_t *letter = NULL;

	problems_text(problems, &message);
	letter = json_pack("{s:s, s:s, s:{s:s, s:O}}", "id", id, "at", at, "error", "message", message.text ? message.text : "", "problems", problems);
	if (len <= INLINE_MAX) {
		json_object_set_new(letter, "submission", body && json_is_object(body) ? json_incref(body) : bytes_readable(submission, len));
	} else {
		json_object_set_new(letter, "bytes", json_integer((json_int_t)len));
		json_object_set_new(letter, "head", bytes_readable(submission, HEAD_BYTES));
	}
	buf_json(to, letter);
}
