/* api_embed.c - POST /embed_text: a job with one step, answered when it has ended. */
#include "clip_models.h"
#include "errand.h"
#include "job_wait.h"
#include "submission.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX  8192
#define PATIENCE_S 60

static void answer_vector(struct request *req, const char *data)
{
	scoped(json_decref_p) json_t *given = json_loads(data, 0, NULL);
	json_t *embedding = json_object_get(given, "embedding");

	if (!json_is_array(embedding))
		answer_error(req, 502, "job %s gave no embedding", job_wait_id(req));
	else
		answer_json(req, 200, json_pack("{s:O}", "embedding", embedding));
}

/* Why it failed: the latest attempt that did. */
static void answer_failure(struct request *req, const char *state)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (request_query(req, &r, "SELECT kind, message FROM attempt WHERE job = $1::uuid ORDER BY at DESC LIMIT 1", PG_VALUES(job_wait_id(req))) < 0)
		return;
	if (PQntuples(r) == 0)
		answer_error(req, 503, "job %s ended as %s", job_wait_id(req), state);
	else
		answer_error(req, strcmp(pg_text(r, 0, 0), "reject") == 0 ? 422 : 503, "%s", pg_text(r, 0, 1));
}

static void finish(struct request *req)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (!job_wait_is_over(req) && req->d->stopping) {
		answer_error(req, 503, "this dispatcher is stopping; job %s goes on", job_wait_id(req));
		return;
	}
	if (!job_wait_is_over(req)) {
		answer_error(req, 504, "no worker has done it in %d s; job %s goes on", PATIENCE_S, job_wait_id(req));
		return;
	}
	if (request_query(req, &r, "SELECT j.state, s.data FROM job j JOIN step s ON s.job = j.id WHERE j.id = $1::uuid ORDER BY s.ordinal LIMIT 1",
		    PG_VALUES(job_wait_id(req))) < 0)
		return;
	if (PQntuples(r) == 1 && pg_text(r, 0, 1))
		answer_vector(req, pg_text(r, 0, 1));
	else
		answer_failure(req, PQntuples(r) == 1 ? pg_text(r, 0, 0) : "gone");
}

static void accepted(struct request *req)
{
	const struct op *op = errand_op(req->errand, 0);

	if (op->status == OP_FAILED)
		answer_err(req, 400, op->err);
	else
		job_wait(req, PATIENCE_S);
}

/* It goes before what waits: somebody looks at an empty page meanwhile. The definition is the same for all texts. */
static json_t *make_submission(const char *text, const char *model, const char *backend)
{
	return json_pack("{s:{s:s, s:[{s:s, s:s}]}, s:{s:{s:s, s:s, s:s}}, s:s, s:f}", "pipeline", "name", "embed_text", "steps",
		"id", "embed", "tool", "text_embed", "params", "embed", "text", text, "model", model, "backend", backend,
		"priority", "high", "deadline_s", (double)PATIENCE_S);
}

void api_embed_text(struct request *req)
{
	scoped(json_decref_p) json_t *body = request_json(req, JSON_OBJECT), *problems = json_array(), *job = NULL;
	const char *text = json_string_value(json_object_get(body, "text")), *label = json_string_value(json_object_get(body, "model"));
	scoped(submission_free_p) struct submission *s = NULL;
	scoped(clip_models_free) struct clip_models models = { 0 };
	scoped(buf_free) struct buf submission = { 0 };
	char id[UUID_TEXT];
	struct err err;
	struct op *op;

	if (!body)
		return;
	if (!text || !*text || strlen(text) > TEXT_MAX || (json_object_get(body, "model") && !label)) {
		answer_error(req, 400, "the body is {\"text\": 1 to %d bytes, \"model\"?: a label of CLIP_MODELS}", TEXT_MAX);
		return;
	}
	if (clip_models_read(&req->d->conf, &models, &err) < 0) {
		answer_err(req, 500, &err);
		return;
	}
	job = make_submission(text, clip_models_find(&req->d->conf, &models, label), req->d->conf.photo_backend);
	if (!job) {
		answer_error(req, 400, "\"text\" has a NUL character");
		return;
	}
	buf_json(&submission, job);
	if (submission_parse(req->d->definitions, submission.text, submission.len, "", &s, problems) < 0) {
		answer_problems(req, problems);
		return;
	}
	uuid_new(id);
	op = op_new(OP_ACCEPT);
	op->job = xstrdup(id);
	op->submission = steal(&s);
	job_wait_begin(req, id, finish);
	errand_run(req, &op, 1, accepted);
}
