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

static struct op *make_op(enum op_kind kind, const struct origin *from, const char *id, char *take_text, size_t len)
{
	struct op *op = op_new(kind);

	op->job = xstrdup(id);
	op->origin = from;
	op->text = take_text;
	op->text_len = len;
	if (len > SUBMISSION_MAX_BYTES) {
		op->text_len = utf8_whole(take_text, TOO_LARGE_KEPT);
		op->text = xrealloc(take_text, op->text_len + 1);
		op->text[op->text_len] = '\0';
	}
	return op;
}

struct op *accept_read(struct dispatcher *d, const struct origin *from, const char *id, char *take_text, size_t len)
{
	char *inner = from ? NULL : unwrap(take_text, len);
	scoped(free_p) char *text = inner ? inner : take_text;
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;
	struct op *op;
	int rc;

	if (inner) {
		free(take_text);
		len = strlen(inner);
	}
	rc = from ? origin_read(d->origins, from, text, len, &s, problems)
		: submission_parse(d->definitions, text, len, d->conf.allowed_roots, &s, problems);
	if (rc == 0 && !s)
		return NULL;
	op = make_op(rc < 0 ? OP_REFUSE : OP_ACCEPT, from, id, steal(&text), len);
	if (rc < 0)
		op->problems = steal(&problems);
	else
		op->submission = steal(&s);
	return op;
}

/* The same operation, with the same text, is a refusal from now on. */
static void turn_down(struct op *op, json_t *take_problems)
{
	op->kind = OP_REFUSE;
	op->problems = take_problems;
	submission_free(steal(&op->submission));
}

static bool is_named(const struct op *op)
{
	return op->kind == OP_ACCEPT && op->submission->pipeline && !op->submission->definition;
}

static void resolve(struct dispatcher *d, struct op *op, const char *stored)
{
	scoped(json_decref_p) json_t *problems = json_array();

	if (!stored)
		json_array_append_new(problems, json_pack("{s:s, s:s, s:s}", "at", "/pipeline", "found", op->submission->pipeline,
			"allowed", "the name or id of a stored pipeline"));
	else if (submission_resolve(d->definitions, op->submission, stored, problems) == 0)
		return;
	turn_down(op, steal(&problems));
}

int accept_resolve(struct dispatcher *d, struct pg *pg, struct op **ops, size_t n, struct err *err)
{
	scoped(json_decref_p) json_t *named = json_object();
	const char *name;
	json_t *stored;

	for (size_t k = 0; k < n; k++)
		if (is_named(ops[k]))
			json_object_set_new(named, ops[k]->submission->pipeline, json_null());
	json_object_foreach(named, name, stored) {
		scoped(free_p) char *text = NULL;

		if (pipeline_find(pg, name, &text, err) < 0 && err->kind == ERR_RETRY)
			return -1;
		if (text)
			json_object_set_new(named, name, json_string(text));
	}
	for (size_t k = 0; k < n; k++)
		if (is_named(ops[k]))
			resolve(d, ops[k], json_string_value(json_object_get(named, ops[k]->submission->pipeline)));
	return 0;
}

/* ---- what became of it ---- */

int accept_forget(struct redis *redis, const char *taken, const char **ids, size_t n, struct err *err)
{
	scoped(free_p) const char **argv = NULL;

	if (!n)
		return 0;
	argv = xcalloc(n + 2, sizeof *argv);
	argv[0] = "HDEL", argv[1] = taken;
	memcpy(argv + 2, ids, n * sizeof *ids);
	return redis_append_argv(redis, (int)n + 2, argv, NULL, err) < 0 ? -1 : redis_reply(redis, NULL, err);
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

static bool is_to_be_refused(const struct op *op)
{
	return op->kind == OP_ACCEPT && (op->status == OP_CONFLICT || (op->status == OP_FAILED && op->err && op->err->kind == ERR_REJECT));
}

bool accept_is_undone(const struct op *op)
{
	return op->status == OP_FAILED && !is_to_be_refused(op);
}

static json_t *why_not_accepted(const struct op *op)
{
	if (op->status == OP_CONFLICT)
		return json_pack("[{s:s, s:s, s:s}]", "at", "/id", "found", op->submission->client_id,
			"allowed", "an id that was not used before for another body");
	return json_pack("[{s:s, s:s}]", "at", "", "allowed", op->err->msg);
}

static int check_done(struct op **ops, size_t n, struct err *err)
{
	for (size_t k = 0; k < n; k++)
		if (accept_is_undone(ops[k])) {
			if (ops[k]->err)
				*err = *ops[k]->err;
			return ops[k]->err ? -1 : err_set(err, ERR_RETRY, "it has not been at the ledger");
		}
	return 0;
}

/* The letter of a message is owed from the commit on (origin_letter.h), and the entry can go. */
static bool is_listed_here(const struct op *op)
{
	return op->kind == OP_REFUSE && !op->origin;
}

int accept_settle(struct dispatcher *d, struct redis *redis, const char *taken, struct op **ops, size_t n, struct err *err)
{
	scoped(free_p) const char **gone = NULL;
	size_t ngone = 0;

	if (check_done(ops, n, err) < 0)
		return -1;
	gone = xcalloc(n, sizeof *gone);
	for (size_t k = 0; k < n; k++) {
		struct op *op = ops[k];

		if (is_to_be_refused(op)) {     /* its client id is taken, or its row was not possible */
			turn_down(op, why_not_accepted(op));
			ledger_call(d->ledger, op);
			if (check_done(&op, 1, err) < 0)
				return -1;
		}
		if (!is_listed_here(op))
			gone[ngone++] = op->job;
		else if (refuse(d, redis, taken, op->job, strlen(op->job), op, err) < 0)
			return -1;
	}
	return accept_forget(redis, taken, gone, ngone, err);
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
	if (check_done(&op, 1, err) == 0)
		rc = refuse(d, redis, taken, field->str, field->len, op, err);
	op_free(op);
	return rc;
}
