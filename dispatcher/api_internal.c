/* api_internal.c - what workers ask: results, inputs, requeues. */
#include "envelope.h"
#include "errand.h"
#include "log.h"
#include "report.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define REPORTS_MAX 10000

/* Which report became which operation; the others were refused, and `answers` says why. */
struct reports {
	json_t *answers;                /* a string, an object, or null where an operation will tell */
	struct op **ops;
	size_t nops;
};

static void parse_reports(const json_t *list, struct reports *r)
{
	const json_t *report;
	struct err err;
	size_t i;

	r->answers = json_array();
	r->ops = xcalloc(json_array_size(list), sizeof(struct op *));
	json_array_foreach(list, i, report) {
		if (report_parse(report, &r->ops[r->nops], &err) == 0) {
			r->nops++;
			json_array_append_new(r->answers, json_null());
		} else {
			log_warn("report.refused", "err=%s", log_quote(err.msg));
			json_array_append_new(r->answers, json_pack("{s:s}", "refused", err.msg));
		}
	}
}

static void answer_results(struct request *req, json_t *take_answers)
{
	answer_json(req, 200, json_pack("{s:o}", "answers", take_answers));
}

static json_t *answer_of(const struct op *op)
{
	if (op->status == OP_FAILED) {
		log_warn("report.refused", "job=%s ordinal=%d err=%s", op->job, op->ordinal, log_quote(op->err.msg));
		return json_pack("{s:s}", "refused", op->err.msg);
	}
	return json_string(op_status_name(op->status));
}

/* What could not be done now is asked for again, as a whole: what was done then counts as duplicate. */
static void results_done(struct request *req)
{
	scoped(json_decref_p) json_t *answers = req->state;
	size_t i, k = 0;
	json_t *a;

	req->state = NULL;
	for (i = 0; i < json_array_size(answers); i++) {
		const struct op *op;

		a = json_array_get(answers, i);
		if (!json_is_null(a))
			continue;
		op = errand_op(req->errand, k++);
		if (op->status == OP_FAILED && op->err.kind != ERR_REJECT) {
			answer_err(req, 503, &op->err);
			return;
		}
		json_array_set_new(answers, i, answer_of(op));
	}
	answer_results(req, steal(&answers));
}

void api_results(struct request *req)
{
	scoped(json_decref_p) json_t *list = request_json(req, JSON_ARRAY);
	struct reports r = { 0 };

	if (!list)
		return;
	if (json_array_size(list) > REPORTS_MAX) {
		answer_error(req, 400, "%zu reports in one request; allowed are %d", json_array_size(list), REPORTS_MAX);
		return;
	}
	parse_reports(list, &r);
	if (!r.nops) {
		answer_results(req, r.answers);
	} else {
		req->state = r.answers;
		errand_run(req, r.ops, r.nops, results_done);
	}
	free(r.ops);
}

static int parse_ordinal(const char *text, int *ret)
{
	if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 7)
		return -1;
	*ret = (int)strtol(text, NULL, 10);
	return 0;
}

void api_inputs(struct request *req)
{
	struct buf text = { 0 };
	struct err err;
	int ordinal;

	if (!uuid_is(req->match.params[0]) || parse_ordinal(req->match.params[1], &ordinal) < 0) {
		answer_error(req, 400, "the path is /internal/v1/inputs/<uuid of a job>/<ordinal>");
		return;
	}
	if (envelope_inputs(request_pg(req), req->match.params[0], ordinal, &text, &err) == 0) {
		answer_text(req, 200, &text);
		return;
	}
	buf_free(&text);
	answer_err(req, 404, &err);
}

static void requeue_done(struct request *req)
{
	const struct op *op = errand_op(req->errand, 0);

	if (op->status == OP_FAILED)
		answer_err(req, 400, &op->err);
	else
		answer_json(req, 200, json_pack("{s:s}", "answer", op_status_name(op->status)));
}

void api_requeue(struct request *req)
{
	scoped(json_decref_p) json_t *body = request_json(req, JSON_OBJECT);
	const char *job = json_string_value(json_object_get(body, "job"));
	json_t *ordinal = json_object_get(body, "ordinal"), *attempt = json_object_get(body, "attempt");
	struct op *op;

	if (!body)
		return;
	if (!job || !uuid_is(job) || !json_is_integer(ordinal) || !json_is_integer(attempt) || json_integer_value(ordinal) < 0 ||
	    json_integer_value(ordinal) > DEFINITION_MAX_INSTANCES || json_integer_value(attempt) < 1 || json_integer_value(attempt) > INT16_MAX) {
		answer_error(req, 400, "the body is {\"job\": <uuid>, \"ordinal\": <whole number>, \"attempt\": <whole number from 1>}");
		return;
	}
	op = op_new(OP_REQUEUE_CHECK);
	op->job = xstrdup(job);
	op->ordinal = (int)json_integer_value(ordinal);
	op->attempt = (int)json_integer_value(attempt);
	errand_run(req, &op, 1, requeue_done);
}
