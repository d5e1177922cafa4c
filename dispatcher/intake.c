#include "intake.h"

#include "clock.h"
#include "deadletter.h"
#include "defstore.h"
#include "fault.h"
#include "log.h"
#include "metrics.h"
#include "submission.h"
#include "uuid.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TAKE_MAX        256
#define LOOK_MS         2000
#define TAKE_BYTES      "8388608"
#define LIST            "pixelfleet:jobs"
#define BLOCK_S         1
#define TOO_LARGE_KEPT  65536           /* of a submission that is larger than any that can be accepted */

struct intake {
	struct dispatcher *d;
	pthread_t thread;
	struct redis redis;
	struct pg pg;
	char taken[200];
	unsigned known_connects;        /* the connection whose id is client_id */
	_Atomic int64_t client_id;      /* 0: not known */
	_Atomic bool has_left;
	int64_t looked_ms;              /* last look at what is in `taken` though nobody has it in hand */
};

/* ---- one submission ---- */

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

/* OP_ACCEPT, or OP_REFUSE with the problems. -1: the database did not answer. */
static int read_submission(struct dispatcher *d, struct pg *pg, const char *id, const char *text, size_t len, struct op **ret, struct err *err)
{
	scoped(free_p) char *inner = unwrap(text, len);
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;
	struct op *op;
	int rc;

	if (inner)
		text = inner, len = strlen(inner);
	rc = submission_parse(text, len, d->conf.allowed_roots, &s, problems);
	if (rc == 0 && s->pipeline) {
		scoped(json_decref_p) json_t *body = NULL;

		if (pipeline_find(pg, s->pipeline, &body, err) == 0) {
			rc = submission_resolve(s, body, problems);
		} else if (err->kind == ERR_RETRY) {
			return -1;
		} else {
			json_array_append_new(problems, json_pack("{s:s, s:s, s:s}", "at", "/pipeline", "found", s->pipeline,
				"allowed", "the name or id of a stored pipeline"));
			rc = -1;
		}
	}
	op = op_new(rc == 0 ? OP_ACCEPT : OP_REFUSE);
	op->job = xstrdup(id);
	op->text_len = len > SUBMISSION_MAX_BYTES ? TOO_LARGE_KEPT : len;
	op->text = memcpy(xcalloc(op->text_len + 1, 1), text, op->text_len);
	if (rc == 0)
		op->submission = steal(&s);
	else
		op->problems = json_incref(problems);
	*ret = op;
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
	struct op *r = op_new(OP_REFUSE);

	r->job = xstrdup(op->job);
	r->text = memcpy(xcalloc(op->text_len + 1, 1), op->text, op->text_len);
	r->text_len = op->text_len;
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

/* Through the ledger, and out of the hash. On -1 the same call is made again; all of it is idempotent. */
static int settle(struct dispatcher *d, struct redis *redis, const char *taken, struct op **ops, size_t n, struct err *err)
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
		if (ops[k]->kind == OP_REFUSE && refuse(d, redis, taken, ops[k]->job, strlen(ops[k]->job), ops[k], err) < 0)
			return -1;
		if (ops[k]->kind == OP_ACCEPT)
			done[ndone++] = ops[k];
	}
	return forget(redis, taken, done, ndone, err);
}

static void pause_after(const struct err *err, const char *what)
{
	log_warn(what, "error=%s", log_quote(err->msg));
	clock_sleep_ms(500);
}

static void settle_for_sure(struct intake *i, struct op **ops, size_t n)
{
	struct err err;

	while (settle(i->d, &i->redis, i->taken, ops, n, &err) < 0) {
		if (i->d->stopping)
			return;         /* whoever adopts the hash goes on with it */
		pause_after(&err, "intake.waiting");
	}
}

/* ---- taking ---- */

/* So that intake_stop() need not wait for the block to end. */
static void learn_client_id(struct intake *i)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	struct err err;

	if (i->redis.ctx && i->known_connects == i->redis.connects)
		return;
	i->client_id = 0;
	if (redis_command(&i->redis, &reply, &err, "CLIENT ID") < 0)
		return;                 /* what is wrong shows in the command that matters */
	i->client_id = reply->integer;
	i->known_connects = i->redis.connects;
}

/* true: there is a submission to take. */
static bool wait_for_one(struct intake *i)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	struct err err;

	learn_client_id(i);
	if (redis_command(&i->redis, &reply, &err, "BLMOVE " LIST " " LIST " RIGHT RIGHT %d", BLOCK_S) == 0)
		return reply->type == REDIS_REPLY_STRING;
	if (strstr(err.msg, "OOM") && redis_command(&i->redis, &reply, &err, "LLEN " LIST) == 0) {
		if (reply->integer == 0)
			clock_sleep_ms(200);
		return reply->integer > 0;
	}
	pause_after(&err, "intake.redis");
	return false;
}

static int take(struct intake *i, redisReply **ret, struct err *err)
{
	char ids[TAKE_MAX][UUID_TEXT];
	const char *argv[5 + TAKE_MAX] = { LIST, i->taken, "pixelfleet:dispatchers", TAKE_BYTES, i->d->id };

	for (size_t k = 0; k < TAKE_MAX; k++) {
		uuid_new(ids[k]);
		argv[5 + k] = ids[k];
	}
	if (redis_script(&i->redis, "take", 3, 5 + TAKE_MAX, argv, NULL, ret, err) < 0)
		return -1;
	if (fault("intake.reply")) {
		redis_close(&i->redis);
		freeReplyObject(*ret);
		*ret = NULL;
		return err_set(err, ERR_RETRY, "fault: the reply is lost");
	}
	return 0;
}

static void accept_some(struct intake *i)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	scoped(free_p) struct op **ops = NULL;
	struct err err;
	size_t n;

	if (take(i, &reply, &err) < 0) {
		pause_after(&err, "intake.redis");
		return;
	}
	n = reply->elements / 2;
	if (n)
		fault_die("intake.taken");
	ops = xcalloc(n, sizeof *ops);
	for (size_t k = 0; k < n; k++) {
		const redisReply *id = reply->element[2 * k], *text = reply->element[2 * k + 1];

		while (read_submission(i->d, &i->pg, id->str, text->str, text->len, &ops[k], &err) < 0) {
			if (i->d->stopping) {
				n = k;
				break;
			}
			pause_after(&err, "intake.waiting");
		}
	}
	if (n)
		settle_for_sure(i, ops, n);
	for (size_t k = 0; k < n; k++)
		op_free(ops[k]);
}

/* A reply to take() may be lost after Redis did it, or the script may run late, after a link that hung: what is in the
 * hash while nothing is in hand is taken up as if its dispatcher had died. */
static void take_up_lost(struct intake *i)
{
	struct err err;

	if (clock_mono_ms() - i->looked_ms < LOOK_MS)
		return;
	if (intake_adopt(i->d, &i->pg, &i->redis, i->d->id, &err) < 0)
		pause_after(&err, "intake.waiting");
	else
		i->looked_ms = clock_mono_ms();
}

static void *run(void *arg)
{
	struct intake *i = arg;

	while (!i->d->stopping) {
		take_up_lost(i);
		if (wait_for_one(i))
			accept_some(i);
	}
	i->has_left = true;
	return NULL;
}

struct intake *intake_start(struct dispatcher *d)
{
	struct intake *i = xcalloc(1, sizeof *i);

	i->d = d;
	redis_init(&i->redis, d->conf.redis_url);
	pg_init(&i->pg, d->conf.database_url, NULL);
	snprintf(i->taken, sizeof i->taken, "pixelfleet:taken:%s", d->id);
	must(pthread_create(&i->thread, NULL, run, i) == 0);
	return i;
}

void intake_stop(struct intake *i)
{
	struct redis other;
	struct err err;

	if (!i)
		return;
	redis_init(&other, i->d->conf.redis_url);
	while (!i->has_left) {
		if (i->client_id && redis_command(&other, NULL, &err, "CLIENT UNBLOCK %lld", (long long)i->client_id) < 0)
			log_debug("intake.unblock", "error=%s", log_quote(err.msg));
		clock_sleep_ms(20);
	}
	redis_done(&other);
	pthread_join(i->thread, NULL);
	redis_done(&i->redis);
	pg_done(&i->pg);
	free(i);
}

/* ---- adopting ---- */

static int push_what_is_owed(struct dispatcher *d, const char *job, struct err *err)
{
	struct op *op = op_new(OP_PUSH_OWED);
	int rc;

	op->job = xstrdup(job);
	ledger_call(d->ledger, op);
	rc = op->status == OP_FAILED ? -1 : 0;
	if (rc < 0)
		*err = op->err;
	op_free(op);
	return rc;
}

/* No dispatcher wrote this entry: it is refused under an id of its own, lest it be tried for ever. */
static int refuse_foreign(struct dispatcher *d, struct redis *redis, const char *taken, const redisReply *id, const redisReply *value,
	struct err *err)
{
	char fresh[UUID_TEXT];
	struct op *op = op_new(OP_REFUSE);
	int rc = -1;

	uuid_new(fresh);
	op->job = xstrdup(fresh);
	op->text = memcpy(xcalloc(value->len + 1, 1), value->str, value->len);
	op->text_len = value->len;
	op->problems = json_pack("[{s:s, s:s}]", "at", "", "allowed", "an entry that a dispatcher took from pixelfleet:jobs, under a UUID");
	ledger_call(d->ledger, op);
	if (!has_failed(&op, 1, err))
		rc = refuse(d, redis, taken, id->str, id->len, op, err);
	op_free(op);
	return rc;
}

static int adopt_one(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *taken, const redisReply *id,
	const redisReply *value, struct err *err)
{
	const char *text = memchr(value->str, '\n', value->len);
	struct op *op;
	int rc;

	if (id->len != UUID_TEXT - 1 || !uuid_is(id->str))
		return refuse_foreign(d, redis, taken, id, value, err);
	text = text ? text + 1 : value->str;
	if (read_submission(d, pg, id->str, text, value->len - (size_t)(text - value->str), &op, err) < 0)
		return -1;
	rc = settle(d, redis, taken, &op, 1, err);
	if (rc == 0 && op->kind == OP_ACCEPT && op->status == OP_DUPLICATE)
		rc = push_what_is_owed(d, id->str, err);
	op_free(op);
	metric_add(METRIC_ADOPTED, 1);
	return rc;
}

int intake_adopt(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *dead, struct err *err)
{
	scoped(free_p) char *taken = xasprintf("pixelfleet:taken:%s", dead);
	scoped(freeReplyObject_p) redisReply *all = NULL;

	if (redis_command(redis, &all, err, "HGETALL %s", taken) < 0)
		return -1;
	if (all->elements)
		log_info("intake.adopt", "from=%s submissions=%zu", dead, all->elements / 2);
	for (size_t k = 0; k + 1 < all->elements; k += 2)
		if (adopt_one(d, pg, redis, taken, all->element[k], all->element[k + 1], err) < 0)
			return -1;
	return 0;
}
