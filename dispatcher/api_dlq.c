/* api_dlq.c - dead letters: list, retry, discard. */
#include "deadletter.h"
#include "job_find.h"
#include "normal_form.h"
#include "refusals.h"
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#define REFUSED "jobs"          /* the queue of submissions that could not be accepted */

/* {"job"?,"step"?,"tool"?,"all"?,"params"?}; the strings live in `body`. */
struct choice {
	json_t *body;
	struct deadletter_filter filter;
	const json_t *params;
	char job[UUID_TEXT];
};

static void choice_done(struct choice *c)
{
	json_decref(c->body);
}

void api_dlq_queues(struct request *req)
{
	static const char sql[] = "SELECT queue, count(*) AS dead FROM dead_letter WHERE discarded_at IS NULL GROUP BY queue "
		"UNION ALL SELECT '" REFUSED "', count(*) FROM refused HAVING count(*) > 0 ORDER BY 1";
	scoped(PQclear_p) PGresult *r = NULL;
	struct buf text = { 0 };

	if (request_query(req, &r, sql, PG_NONE) < 0)
		return;
	buf_puts(&text, "{\"queues\":");
	rows_list(&text, r);
	buf_puts(&text, "}");
	answer_text(req, 200, &text);
}

void api_dlq_list(struct request *req)
{
	const char *queue = req->match.params[0];
	scoped(buf_free) struct buf letters = { 0 };
	struct buf text = { 0 };
	int64_t limit, offset, total;
	struct err err;
	int rc;

	if (request_arg_int(req, "limit", 50, 1, 1000, &limit) < 0 || request_arg_int(req, "offset", 0, 0, INT32_MAX, &offset) < 0)
		return;
	rc = strcmp(queue, REFUSED) == 0
		? refusals_list(request_pg(req), (int)limit, (int)offset, &letters, &total, &err)
		: deadletter_list(req->d, request_pg(req), queue, (int)limit, (int)offset, &letters, &total, &err);
	if (rc < 0) {
		answer_err(req, 400, &err);
		return;
	}
	buf_puts(&text, "{\"queue\":");
	buf_json_string(&text, queue);
	buf_printf(&text, ",\"total\":%lld,\"letters\":", (long long)total);
	buf_add(&text, letters.text, letters.len);
	buf_puts(&text, "}");
	answer_text(req, 200, &text);
}

static const char *read_text(const json_t *body, const char *member, json_t *problems)
{
	const json_t *v = json_object_get(body, member);

	if (!v || json_is_null(v))
		return NULL;
	if (!json_is_string(v))
		problem_add(problems, v, "a text|/%s", member);
	return json_string_value(v);
}

static void check_choice(struct choice *c, bool takes_params, json_t *problems)
{
	static const char *const with[] = { "job", "step", "tool", "all", "params", NULL };
	static const char *const without[] = { "job", "step", "tool", "all", NULL };
	const json_t *all = json_object_get(c->body, "all");

	problem_unknown_members(problems, c->body, takes_params ? with : without, "");
	c->filter.job = read_text(c->body, "job", problems);
	c->filter.step = read_text(c->body, "step", problems);
	c->filter.tool = read_text(c->body, "tool", problems);
	if (all && !json_is_boolean(all))
		problem_add(problems, all, "true or false|/all");
	c->filter.all = json_is_true(all);
	c->params = json_object_get(c->body, "params");
	if (c->params && !json_is_object(c->params))
		problem_add(problems, c->params, "an object of parameters|/params");
	if (!c->filter.job && !c->filter.step && !c->filter.tool && !c->filter.all)
		problem_add(problems, NULL, "job, step or tool to choose by, or \"all\": true|");
}

/* -1: it has answered. */
static int read_choice(struct request *req, bool takes_params, struct choice *c)
{
	scoped(json_decref_p) json_t *problems = json_array();
	bool refused = strcmp(req->match.params[0], REFUSED) == 0;

	c->body = request_json(req, JSON_OBJECT);
	if (!c->body)
		return -1;
	c->filter.queue = req->match.params[0];
	check_choice(c, takes_params, problems);
	if (refused && (c->filter.step || c->filter.tool || c->params))
		problem_add(problems, NULL, "for refused submissions: \"job\" with the id of one, or \"all\"|");
	if (refused && c->filter.job && !uuid_is(c->filter.job))
		problem_add(problems, json_object_get(c->body, "job"), "the id of a refused submission|/job");
	if (json_array_size(problems)) {
		answer_problems(req, problems);
		return -1;
	}
	if (!refused && c->filter.job) {
		if (job_find(req, c->filter.job, c->job) < 0)
			return -1;
		c->filter.job = c->job;
	}
	return 0;
}

static void answer_count(struct request *req, int rc, const char *what, int64_t n, const json_t *problems, const struct err *err)
{
	if (json_array_size(problems))
		answer_problems(req, problems);
	else if (rc < 0)
		answer_err(req, 400, err);
	else
		answer_json(req, 200, json_pack("{s:I}", what, (json_int_t)n));
}

void api_dlq_retry(struct request *req)
{
	scoped(choice_done) struct choice c = { 0 };
	scoped(json_decref_p) json_t *problems = json_array();
	struct err err;
	int64_t n = 0;
	int rc;

	if (read_choice(req, true, &c) < 0)
		return;
	if (strcmp(c.filter.queue, REFUSED) == 0)
		rc = refusals_retry(request_pg(req), request_redis(req), c.filter.job, &n, &err);
	else
		rc = deadletter_retry(req->d, request_pg(req), request_redis(req), &c.filter, c.params, problems, &n, &err);
	answer_count(req, rc, "retried", n, problems, &err);
}

void api_dlq_discard(struct request *req)
{
	scoped(choice_done) struct choice c = { 0 };
	struct err err;
	int64_t n = 0;
	int rc;

	if (read_choice(req, false, &c) < 0)
		return;
	if (strcmp(c.filter.queue, REFUSED) == 0)
		rc = refusals_discard(request_pg(req), request_redis(req), c.filter.job, &n, &err);
	else
		rc = deadletter_discard(req->d, request_pg(req), request_redis(req), &c.filter, &n, &err);
	answer_count(req, rc, "discarded", n, NULL, &err);
}
