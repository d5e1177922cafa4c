/* api_jobs.c - submit, list, show and cancel jobs. */
#include "defstore.h"
#include "errand.h"
#include "job_find.h"
#include "job_view.h"
#include "log.h"
#include "metrics.h"
#include "normal_form.h"
#include "rows.h"
#include "submission.h"

#include <stdlib.h>
#include <string.h>

static void submit_done(struct request *req)
{
	const struct op *op = errand_op(req->errand, 0);
	const char *state = *op->result_state ? op->result_state : "running";

	switch (op->status) {
	case OP_ACCEPTED:
		answer_json(req, 202, json_pack("{s:s, s:s}", "id", op->result_job, "state", state));
		return;
	case OP_DUPLICATE:
		answer_json(req, 202, json_pack("{s:s, s:s, s:b}", "id", op->result_job, "state", state, "duplicate", 1));
		return;
	case OP_CONFLICT:
		answer_error(req, 409, "the id '%.200s' is another submission's, with another body (job %s)", op->submission->client_id,
			op->result_job);
		return;
	case OP_FAILED:
		answer_err(req, 400, op->err);
		return;
	case OP_STALE:
	case OP_UNKNOWN:
	case OP_GO:
	case OP_POISON:
		break;
	}
	must(!"no answer to a submission");
}

/* The named pipeline's definition; -1 with problems, or with an answer given. */
static int resolve(struct request *req, struct submission *s, json_t *problems)
{
	scoped(free_p) char *text = NULL;
	json_t *name;
	struct err err;

	if (pipeline_find(request_pg(req), s->pipeline, &text, &err) == 0)
		return submission_resolve(req->d->definitions, s, text, problems);
	if (err.kind != ERR_REJECT) {
		answer_err(req, 503, &err);
		return -1;
	}
	name = json_string(s->pipeline);
	problem_add(problems, name, "the name or id of a stored pipeline (GET /api/v1/pipelines lists them)|/pipeline");
	json_decref(name);
	return -1;
}

void api_job_submit(struct request *req)
{
	scoped(submission_free_p) struct submission *s = NULL;
	scoped(json_decref_p) json_t *problems = json_array();
	char id[UUID_TEXT];
	struct op *op;

	if (submission_parse(req->d->definitions, req->body.text ? req->body.text : "", req->body.len, req->d->conf.allowed_roots, &s, problems) < 0 ||
	    (s->pipeline && !s->definition && resolve(req, s, problems) < 0)) {
		if (json_array_size(problems)) {
			metric_add(METRIC_JOBS_REFUSED, 1);
			answer_problems(req, problems);
		}
		return;
	}
	uuid_new(id);
	op = op_new(OP_ACCEPT);
	op->job = xstrdup(id);
	op->submission = steal(&s);
	errand_run(req, &op, 1, submit_done);
}

static void cancel_done(struct request *req)
{
	const struct op *op = errand_op(req->errand, 0);

	if (op->status == OP_FAILED)
		answer_err(req, 400, op->err);
	else if (op->status == OP_UNKNOWN)
		answer_error(req, 404, "there is no job '%s'", op->job);
	else if (op->status == OP_CONFLICT)
		answer_error(req, 409, "job %s has ended already%s%s", op->job, *op->result_state ? ": " : "", op->result_state);
	else
		answer_json(req, 202, json_pack("{s:s, s:s}", "id", op->job, "state", *op->result_state ? op->result_state : "cancelled"));
}

void api_job_cancel(struct request *req)
{
	char id[UUID_TEXT];
	struct op *op;

	if (job_find(req, req->match.params[0], id) < 0)
		return;
	op = op_new(OP_CANCEL);
	op->job = xstrdup(id);
	errand_run(req, &op, 1, cancel_done);
}

/* "key:value" to {"key":"value"}; -1: a 400 was answered. */
static int label_filter(struct request *req, struct buf *json)
{
	const char *label = request_arg(req, "label"), *colon = label ? strchr(label, ':') : NULL;
	scoped(free_p) char *key = NULL;

	if (!label)
		return 0;
	if (!colon || colon == label) {
		answer_error(req, 400, "?label=%.60s: allowed is key:value", label);
		return -1;
	}
	key = xstrndup(label, (size_t)(colon - label));
	buf_puts(json, "{");
	buf_json_string(json, key);
	buf_puts(json, ":");
	buf_json_string(json, colon + 1);
	buf_puts(json, "}");
	return 0;
}

static int state_filter(struct request *req, const char **ret)
{
	static const char *const states[] = { "running", "succeeded", "partial", "failed", "cancelled" };
	const char *state = request_arg(req, "state");

	for (size_t i = 0; state && i < countof(states); i++)
		if (strcmp(states[i], state) == 0) {
			*ret = state;
			return 0;
		}
	if (!state)
		return 0;
	answer_error(req, 400, "?state=%.60s: allowed is one of running, succeeded, partial, failed, cancelled", state);
	return -1;
}

void api_job_list(struct request *req)
{
	static const char sql[] = "SELECT " JOB_VIEW_COLUMNS ", coalesce(jsonb_array_length(j.images), 0) AS images FROM job j "
		"JOIN definition d ON d.id = j.definition WHERE ($1::text IS NULL OR j.state = $1::job_state) "
		"AND ($2::uuid IS NULL OR j.id < $2::uuid) AND ($3::jsonb IS NULL OR j.labels @> $3::jsonb) ORDER BY j.id DESC LIMIT $4::int";
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(buf_free) struct buf label = { 0 }, most = { 0 };
	const char *state = NULL, *before = request_arg(req, "before");
	struct buf text = { 0 };
	int64_t limit;
	int n;

	if (state_filter(req, &state) < 0 || label_filter(req, &label) < 0 || request_arg_int(req, "limit", 50, 1, 1000, &limit) < 0)
		return;
	if (before && !uuid_is(before)) {
		answer_error(req, 400, "?before=%.60s: allowed is the id of a job", before);
		return;
	}
	buf_printf(&most, "%lld", (long long)limit + 1);
	if (request_query(req, &r, sql, PG_VALUES(state, before, label.text, most.text)) < 0)
		return;
	n = (int)min_of((int64_t)PQntuples(r), limit);
	buf_puts(&text, "{\"jobs\":[");
	for (int i = 0; i < n; i++) {
		buf_puts(&text, i ? "," : "");
		rows_object(&text, r, i);
	}
	buf_puts(&text, "],\"next\":");
	if (PQntuples(r) > n)
		buf_json_string(&text, pg_text(r, n - 1, 0));
	else
		buf_puts(&text, "null");
	buf_puts(&text, "}");
	answer_text(req, 200, &text);
}

void api_job_show(struct request *req)
{
	char id[UUID_TEXT];
	int64_t limit, after;

	if (request_arg_int(req, "limit", 1000, 1, 10000, &limit) < 0 || request_arg_int(req, "after", -1, -1, INT32_MAX, &after) < 0 ||
	    job_find(req, req->match.params[0], id) < 0)
		return;
	job_view(req, id, (int)limit, (int)after);
}
