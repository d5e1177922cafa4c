#include "accept.h"

#include "clock.h"
#include "deadletter.h"
#include "defstore.h"
#include "submission.h"
#include "utf8.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define TOO_LARGE_KEPT 65536            /* of a submission that is larger than any that can be accepted */

/* ---- reading ---- */

/* {"id","at","error",...,"submission":{...}}: a letter that a person repaired and pushed back is its submission. */
static char *unwrap(const char *text, size_t len)
{
	scoped(json_decref_p) json_t *letter = NULL, *ignored = NULL;
	scoped(buf_free) struct buf b = { 0 };
	const json_t *s;

	if (len < 20 || strncmp(text, "{\"id\":\"", 7) != 0 || !memmem(text, len, "\"submission\":", 13))
		return NULL;
	ignored = json_array();
	letter = json_parse_strict(text, len, SUBMISSION_MAX_DEPTH + 1, ignored);
	s = json_object_get(letter, "submission");
	if (!json_object_get(letter, "error") || !s)
		return NULL;
	if (json_is_string(s))
		return xstrdup(json_string_value(s));
	buf_json(&b, s);
	return buf_take(&b);
}

static struct op *make_op(enum op_kind kind, const struct origin *from, const char *id, const char *text, size_t len)
{
	struct op *op = op_new(kind);

	op->job = xstrdup(id);
	op->origin = from;
	op->text_len = len > SUBMISSION_MAX_BYTES ? utf8_whole(text, TOO_LARGE_KEPT) : len;
	op->text = memcpy(xcalloc(op->text_len + 1, 1), text, op->text_len);
	return op;
}

/* -1: it cannot be accepted (err is ERR_REJECT), or the database did not answer. */
static int read_submission(struct dispatcher *d, struct pg *pg, const char *text, size_t len, struct submission **ret, json_t *problems,
	struct err *err)
{
	scoped(submission_free_p) struct submission *s = NULL;
	scoped(json_decref_p) json_t *body = NULL;

	err->kind = ERR_REJECT;
	if (submission_parse(text, len, d->conf.allowed_roots, &s, problems) < 0)
		return -1;
	if (s->pipeline && pipeline_find(pg, s->pipeline, &body, err) < 0) {
		if (err->kind == ERR_REJECT)
			json_array_append_new(problems, json_pack("{s:s, s:s, s:s}", "at", "/pipeline", "found", s->pipeline,
				"allowed", "the name or id of a stored pipeline"));
		return -1;
	}
	if (s->pipeline && submission_resolve(s, body, problems) < 0)
		return -1;
	*ret = steal(&s);
	return 0;
}

int accept_read(struct dispatcher *d, struct pg *pg, const struct origin *from, const char *id, const char *text, size_t len,
	struct op **ret, struct err *err)
{
	scoped(free_p) char *inner = from ? NULL : unwrap(text, len);
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;
	int rc;

	if (inner)
		text = inner, len = strlen(inner);
	err->kind = ERR_REJECT;
	rc = from ? origin_read(d->origins, from, text, len, &s, problems) : read_submission(d, pg, text, len, &s, problems, err);
	if (rc < 0 && err->kind == ERR_RETRY)
		return -1;
	*ret = NULL;
	if (rc < 0) {
		*ret = make_op(OP_REFUSE, from, id, text, len);
		(*ret)->problems = json_incref(problems);
	} else if (s) {
		*ret = make_op(OP_ACCEPT, from, id, text, len);
		(*ret)->submission = steal(&s);
	}
	return 0;
}

/* ---- what became of it ---- */

static int forget(struct redis *redis, const char *taken, struct op **ops, size_t n, struct err *err)
{
	scoped(free_p) const char **argv = xcalloc(n + 2, sizeof *argv);
	int argc = 0;

	argv[argc++] = "HDEL", argv[argc++] = taken;
	for (size_t k = 0; k < n; k++)
		argv[argc++] = ops[k]->job;
	if (argc == 2)
		return 0;
	return redis_append_argv(redis, argc, argv, NULL, err) < 0 ? -1 : redis_reply(redis, NULL, err);
}

int accept_forget(struct redis *redis, const char *taken, const char *id, struct err *err)
{
	return redis_command(redis, NULL, err, "HDEL %s %s", taken, id);
}

/* `field` of the hash is the job's id, but in a hash that somebody else wrote into. */
static int refuse(struct dispatcher *d, struct redis *redis, const char *taken, const char *field, size_t field_len, const struct op *op,
	struct err *err)
{
	scoped(buf_free) struct buf letter = { 0 };
	char at[CLOCK_TEXT], most[16];
	const char *argv[] = { taken, "pixelfleet:dlq:jobs", field, NULL, most };
	size_t lens[countof(argv)];

	snprintf(most, sizeof most, "%u", d->conf.dlq_max);
	refusal_text(op->job, clock_format(clock_wall_us(), at), op->text, op->text_len, op->problems, &letter);
	argv[3] = letter.text;
	for (size_t i = 0; i < countof(argv); i++)
		lens[i] = i == 2 ? field_len : strlen(argv[i]);
	return redis_script(redis, "refuse_job", 2, 5, argv, lens, NULL, err);
}

/* An accepted submission that turned out not to be: its client id is taken, or its row was not possible. */
static struct op *as_refusal(const struct op *op)
{
	struct op *r = make_op(OP_REFUSE, op->origin, op->job, op->text, op->text_len);

	r->problems = json_array();
	if (op->status == OP_CONFLICT)
		json_array_append_new(r->problems, json_pack("{s:s, s:s, s:s}", "at", "/id", "found", op->submission->client_id,
			"allowed", "an id that was not used before for another body"));
	else
		json_array_append_new(r->problems, json_pack("{s:s, s:s}", "at", "", "allowed", op->err.msg));
	return r;
}

static bool is_to_be_refused(const struct op *op)
{
	return op->kind == OP_ACCEPT && (op->status == OP_CONFLICT || (op->status == OP_FAILED && op->err.kind == ERR_REJECT));
}

static bool has_failed(struct op **ops, size_t n, struct err *err)
{
	for (size_t k = 0; k < n; k++)
		if (ops[k]->status == OP_FAILED && !is_to_be_refused(ops[k])) {
			*err = ops[k]->err;
			return true;
		}
	return false;
}

/* The letter of a message is owed from the commit on (origin_letter.h), and the entry can go. */
static bool is_listed_here(const struct op *op)
{
	return op->kind == OP_REFUSE && !op->origin;
}

int accept_settle(struct dispatcher *d, struct redis *redis, const char *taken, struct op **ops, size_t n, struct err *err)
{
	scoped(free_p) struct op **done = xcalloc(n, sizeof *done);
	size_t ndone = 0;

	ledger_call_all(d->ledger, ops, n);
	if (has_failed(ops, n, err))
		return -1;
	for (size_t k = 0; k < n; k++) {
		if (is_to_be_refused(ops[k])) {
			struct op *refusal = as_refusal(ops[k]);

			ledger_call(d->ledger, refusal);
			op_free(ops[k]);
			ops[k] = refusal;
			if (has_failed(&refusal, 1, err))
				return -1;
		}
		if (!is_listed_here(ops[k]))
			done[ndone++] = ops[k];
		else if (refuse(d, redis, taken, ops[k]->job, strlen(ops[k]->job), ops[k], err) < 0)
			return -1;
	}
	return forget(redis, taken, done, ndone, err);
}

int accept_foreign(struct dispatcher *d, struct redis *redis, const char *taken, const redisReply *field, const redisReply *value,
	struct err *err)
{
	char fresh[UUID_TEXT];
	struct op *op;
	int rc = -1;

	uuid_new(fresh);
	op = op_new(OP_REFUSE);
	op->job = xstrdup(fresh);
	op->text = memcpy(xcalloc(value->len + 1, 1), value->str, value->len);
	op->text_len = value->len;
	op->problems = json_pack("[{s:s, s:s}]", "at", "", "allowed", "an entry that a dispatcher took from pixelfleet:jobs, under a UUID");
	ledger_call(d->ledger, op);
	if (!has_failed(&op, 1, err))
		rc = refuse(d, redis, taken, field->str, field->len, op, err);
	op_free(op);
	return rc;
}
