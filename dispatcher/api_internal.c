/* api_internal.c - what workers ask: results, inputs, requeues. */
#include "envelope.h"
#include "errand.h"
#include "handover.h"
#include "log.h"
#include "report.h"
#include "report_scan.h"
#include "submission.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define REPORTS_MAX 10000

DEFINE_SCOPED(struct room *, room_unref)

/* Which report became which operation; the others were refused, and `answers` says why. */
struct reports {
	json_t *answers;                /* {"refused"}, or null where an operation will tell; NULL: all will */
	struct op **ops;
	size_t n, nops, cap;
};

static void reports_done(struct reports *r)
{
	for (size_t k = 0; k < r->nops; k++)
		op_free(r->ops[k]);
	free(r->ops);
	json_decref(r->answers);
}

static void add_report(struct reports *r, struct op *take_op)
{
	r->ops = grow(r->ops, r->nops + 1, &r->cap, sizeof *r->ops);
	r->ops[r->nops++] = take_op;
	r->n++;
	if (r->answers)
		json_array_append_new(r->answers, json_null());
}

static void add_refused(struct reports *r, const struct err *err)
{
	log_warn("report.refused", "err=%s", log_quote(err->msg));
	if (!r->answers)
		r->answers = json_array();
	while (json_array_size(r->answers) < r->n)
		json_array_append_new(r->answers, json_null());
	json_array_append_new(r->answers, json_pack("{s:s}", "refused", err->msg));
	r->n++;
}

static void add_parsed(struct reports *r, const json_t *report)
{
	struct op *op;
	struct err err;

	if (report_parse(report, &op, &err) == 0)
		add_report(r, op);
	else
		add_refused(r, &err);
}

/* false: the body must be looked at as a whole. */
static bool scan_reports(const struct buf *body, struct reports *r)
{
	struct report_scan s = { .at = body->text, .end = body->text + body->len };
	const char *text;
	struct op *op;
	size_t len;
	int rc = 0;

	while (r->n <= REPORTS_MAX && (rc = report_scan_next(&s, &text, &len, &op)) == 1) {
		scoped(json_decref_p) json_t *ignored = NULL, *report = NULL;

		if (op) {
			add_report(r, op);
			continue;
		}
		ignored = json_array();
		report = json_parse_strict(text, len, SUBMISSION_MAX_DEPTH - 1, ignored);
		if (!report)
			return false;
		add_parsed(r, report);
	}
	return rc == 0 && r->n && r->n <= REPORTS_MAX;
}

/* 0, or it has answered. */
static int read_reports(struct request *req, struct reports *r)
{
	scoped(json_decref_p) json_t *list = NULL;
	const json_t *report;
	size_t i;

	if (req->body.text && scan_reports(&req->body, r))
		return 0;
	reports_done(r);
	*r = (struct reports){ 0 };
	list = request_json(req, JSON_ARRAY);
	if (!list)
		return -1;
	if (json_array_size(list) > REPORTS_MAX) {
		answer_error(req, 400, "%zu reports in one request; allowed are %d", json_array_size(list), REPORTS_MAX);
		return -1;
	}
	json_array_foreach(list, i, report)
		add_parsed(r, report);
	return 0;
}

static void answer_results(struct request *req, struct buf *take_answers, const struct room *room)
{
	struct buf text = *take_answers;

	*take_answers = (struct buf){ 0 };
	buf_puts(&text, "]");
	room_write(room, &text);
	buf_puts(&text, "}");
	answer_text(req, 200, &text);
}

static void add_refusal(struct buf *to, const char *why)
{
	buf_puts(to, "{\"refused\":");
	buf_json_string(to, why);
	buf_puts(to, "}");
}

static void add_answer(struct buf *to, const struct op *op)
{
	if (op->status == OP_FAILED) {
		log_warn("report.refused", "job=%s ordinal=%d err=%s", op->job, op->ordinal, log_quote(op->err->msg));
		add_refusal(to, op->err->msg);
		return;
	}
	buf_add(to, "\"", 1);
	buf_puts(to, op_status_name(op->status));
	buf_add(to, "\"", 1);
}

/* What could not be done now is asked for again, as a whole: what was done then counts as duplicate. */
static void results_done(struct request *req)
{
	size_t n = errand_count(req->errand), k = 0, i = 0;
	scoped(buf_free) struct buf answers = { 0 };

	for (size_t o = 0; o < n; o++) {
		const struct op *op = errand_op(req->errand, o);

		if (op->status == OP_FAILED && op->err->kind != ERR_REJECT) {
			answer_err(req, 503, op->err);
			return;
		}
	}
	buf_puts(&answers, "{\"answers\":[");
	for (; k < n || i < json_array_size(req->state); i++) {
		const char *refused = json_string_value(json_object_get(json_array_get(req->state, i), "refused"));

		if (i)
			buf_add(&answers, ",", 1);
		if (refused)
			add_refusal(&answers, refused);
		else
			add_answer(&answers, errand_op(req->errand, k++));
	}
	answer_results(req, &answers, errand_op(req->errand, 0)->room);
}

static void answer_refused(struct request *req, const struct reports *r)
{
	scoped(buf_free) struct buf answers = { 0 };
	const json_t *one;
	size_t i;

	buf_puts(&answers, "{\"answers\":[");
	json_array_foreach(r->answers, i, one) {
		if (i)
			buf_add(&answers, ",", 1);
		add_refusal(&answers, json_string_value(json_object_get(one, "refused")));
	}
	answer_results(req, &answers, NULL);
}

void api_results(struct request *req)
{
	scoped(reports_done) struct reports r = { 0 };
	scoped(room_unref_p) struct room *room = NULL;

	if (read_reports(req, &r) < 0)
		return;
	if (!r.nops) {
		answer_refused(req, &r);
		return;
	}
	room = room_parse(request_header(req, "x-pixelfleet-room"));
	for (size_t k = 0; k < r.nops; k++)
		r.ops[k]->room = room_ref(room);
	req->state = steal(&r.answers);
	errand_run(req, r.ops, r.nops, results_done);
	r.nops = 0;                     /* they are the errand's */
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
		answer_err(req, 400, op->err);
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
