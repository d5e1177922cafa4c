#include "intake.h"

#include "accept.h"
#include "clock.h"
#include "fault.h"
#include "log.h"
#include "metrics.h"
#include "origin.h"
#include "uuid.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TAKE_MAX   256
#define LOOK_MS    2000
#define TAKE_BYTES "8388608"
#define JOBS       "pixelfleet:jobs"
#define BLOCK_S    1

/* One list, taken from by one thread. */
struct taker {
	struct dispatcher *d;
	const char *list;
	const struct origin *origin;    /* NULL: pixelfleet:jobs */
	pthread_t thread;
	struct redis redis;
	struct pg pg;
	char taken[200];
	unsigned known_connects;        /* the connection whose id is client_id */
	_Atomic int64_t client_id;      /* 0: not known */
	_Atomic bool has_left;
	int64_t looked_ms;              /* last look at what is in `taken` though nobody has it in hand */
};

struct intake {
	struct taker *takers;
	size_t n;
};

static void pause_after(const struct err *err, const char *what)
{
	log_warn(what, "error=%s", log_quote(err->msg));
	clock_sleep_ms(500);
}

static void settle_for_sure(struct taker *t, struct op **ops, size_t n)
{
	struct err err;

	while (accept_settle(t->d, &t->redis, t->taken, ops, n, &err) < 0) {
		if (t->d->stopping)
			return;         /* whoever adopts the hash goes on with it */
		pause_after(&err, "intake.waiting");
	}
}

/* ---- taking ---- */

/* So that intake_stop() need not wait for the block to end. */
static void learn_client_id(struct taker *t)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	struct err err;

	if (t->redis.ctx && t->known_connects == t->redis.connects)
		return;
	t->client_id = 0;
	if (redis_command(&t->redis, &reply, &err, "CLIENT ID") < 0)
		return;                 /* what is wrong shows in the command that matters */
	t->client_id = reply->integer;
	t->known_connects = t->redis.connects;
}

/* true: there is something to take. */
static bool wait_for_one(struct taker *t)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	struct err err;

	learn_client_id(t);
	if (redis_command(&t->redis, &reply, &err, "BLMOVE %s %s RIGHT RIGHT %d", t->list, t->list, BLOCK_S) == 0)
		return reply->type == REDIS_REPLY_STRING;
	if (strstr(err.msg, "OOM") && redis_command(&t->redis, &reply, &err, "LLEN %s", t->list) == 0) {
		if (reply->integer == 0)
			clock_sleep_ms(200);
		return reply->integer > 0;
	}
	pause_after(&err, "intake.redis");
	return false;
}

static int take(struct taker *t, redisReply **ret, struct err *err)
{
	char ids[TAKE_MAX][UUID_TEXT];
	const char *argv[5 + TAKE_MAX] = { t->list, t->taken, "pixelfleet:dispatchers", TAKE_BYTES, t->d->id };

	for (size_t k = 0; k < TAKE_MAX; k++) {
		uuid_new(ids[k]);
		argv[5 + k] = ids[k];
	}
	if (redis_script(&t->redis, "take", 3, 5 + TAKE_MAX, argv, NULL, ret, err) < 0)
		return -1;
	if (fault("intake.reply")) {
		redis_close(&t->redis);
		freeReplyObject(*ret);
		*ret = NULL;
		return err_set(err, ERR_RETRY, "fault: the reply is lost");
	}
	return 0;
}

/* *ret is NULL when there is nothing to do for it. false: this dispatcher stops. */
static bool read_for_sure(struct taker *t, const redisReply *id, const redisReply *text, struct op **ret)
{
	struct err err;

	while (accept_read(t->d, &t->pg, t->origin, id->str, text->str, text->len, ret, &err) < 0) {
		if (t->d->stopping)
			return false;
		pause_after(&err, "intake.waiting");
	}
	return true;
}

static void accept_some(struct taker *t)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	scoped(free_p) struct op **ops = NULL;
	size_t taken, n = 0;
	struct err err;

	if (take(t, &reply, &err) < 0) {
		pause_after(&err, "intake.redis");
		return;
	}
	taken = reply->elements / 2;
	if (taken)
		fault_die("intake.taken");
	ops = xcalloc(taken, sizeof *ops);
	for (size_t k = 0; k < taken; k++) {
		const redisReply *id = reply->element[2 * k];

		if (!read_for_sure(t, id, reply->element[2 * k + 1], &ops[n]))
			break;
		if (ops[n])
			n++;
		else if (accept_forget(&t->redis, t->taken, id->str, &err) < 0)
			pause_after(&err, "intake.redis");      /* it is looked at once more */
	}
	if (n)
		settle_for_sure(t, ops, n);
	for (size_t k = 0; k < n; k++)
		op_free(ops[k]);
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

/* An entry of a hash: the list, a newline, and what was taken from it. */
struct entry {
	const redisReply *id, *value;
	char *list;             /* "": no dispatcher wrote this */
	const char *text;
	size_t len;
};

static struct entry read_entry(const redisReply *id, const redisReply *value)
{
	const char *end = memchr(value->str, '\n', value->len);
	struct entry e = { .id = id, .value = value, .text = end ? end + 1 : value->str };

	e.len = value->len - (size_t)(e.text - value->str);
	if (id->len == UUID_TEXT - 1 && uuid_is(id->str))
		e.list = end ? xstrndup(value->str, (size_t)(end - value->str)) : xstrdup(JOBS);
	else
		e.list = xstrdup("");
	return e;
}

/* A name as the settings take it, so not the first line of somebody's text. */
static bool is_list_name(const char *s)
{
	return *s && strcspn(s, " \t{}[]\"") == strlen(s);
}

static int give_back(struct redis *redis, const char *taken, const struct entry *e, struct err *err)
{
	const char *argv[] = { taken, e->list, e->id->str, e->text };
	const size_t lens[] = { strlen(taken), strlen(e->list), e->id->len, e->len };

	log_info("intake.give_back", "list=%s", log_quote(e->list));
	return redis_script(redis, "give_back", 2, 4, argv, lens, NULL, err);
}

static int adopt_one(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *taken, const struct entry *e, struct err *err)
{
	const struct origin *origin = origin_find(d->origins, e->list);
	struct op *op;
	int rc;

	if (!*e->list)
		return accept_foreign(d, redis, taken, e->id, e->value, err);
	if (!origin && strcmp(e->list, JOBS) != 0 && is_list_name(e->list))
		return give_back(redis, taken, e, err);
	if (accept_read(d, pg, origin, e->id->str, e->text, e->len, &op, err) < 0)
		return -1;
	if (!op)
		return accept_forget(redis, taken, e->id->str, err);
	rc = accept_settle(d, redis, taken, &op, 1, err);
	if (rc == 0 && op->kind == OP_ACCEPT && op->status == OP_DUPLICATE)
		rc = push_what_is_owed(d, e->id->str, err);
	op_free(op);
	metric_add(METRIC_ADOPTED, 1);
	return rc;
}

/* `list`: only what came from there; NULL: all. */
static int adopt(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *dead, const char *list, struct err *err)
{
	scoped(free_p) char *taken = xasprintf("pixelfleet:taken:%s", dead);
	scoped(freeReplyObject_p) redisReply *all = NULL;
	size_t adopted = 0;

	if (redis_command(redis, &all, err, "HGETALL %s", taken) < 0)
		return -1;
	for (size_t k = 0; k + 1 < all->elements; k += 2) {
		struct entry e = read_entry(all->element[k], all->element[k + 1]);
		bool is_meant = !list || strcmp(e.list, list) == 0 || (strcmp(list, JOBS) == 0 && !*e.list);
		int rc = is_meant ? adopt_one(d, pg, redis, taken, &e, err) : 0;

		free(e.list);
		if (rc < 0)
			return -1;
		adopted += is_meant;
	}
	if (adopted)
		log_info("intake.adopt", "from=%s submissions=%zu", dead, adopted);
	return 0;
}

int intake_adopt(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *dead, struct err *err)
{
	return adopt(d, pg, redis, dead, NULL, err);
}

/* A reply to take() may be lost after Redis did it, or the script may run late, after a link that hung: what is in the
 * hash while nothing is in hand is taken up as if its dispatcher had died. */
static void take_up_lost(struct taker *t)
{
	struct err err;

	if (clock_mono_ms() - t->looked_ms < LOOK_MS)
		return;
	if (adopt(t->d, &t->pg, &t->redis, t->d->id, t->list, &err) < 0)
		pause_after(&err, "intake.waiting");
	else
		t->looked_ms = clock_mono_ms();
}

/* ---- threads ---- */

static void *run(void *arg)
{
	struct taker *t = arg;

	while (!t->d->stopping) {
		take_up_lost(t);
		if (wait_for_one(t))
			accept_some(t);
	}
	t->has_left = true;
	return NULL;
}

static void start(struct taker *t, struct dispatcher *d, const char *list, const struct origin *origin)
{
	t->d = d;
	t->list = list;
	t->origin = origin;
	redis_init(&t->redis, d->conf.redis_url);
	pg_init(&t->pg, d->conf.database_url, NULL);
	snprintf(t->taken, sizeof t->taken, "pixelfleet:taken:%s", d->id);
	must(pthread_create(&t->thread, NULL, run, t) == 0);
}

struct intake *intake_start(struct dispatcher *d)
{
	struct intake *i = xcalloc(1, sizeof *i);
	size_t norigins;
	const struct origin *origins = origins_all(d->origins, &norigins);

	i->n = 1 + norigins;
	i->takers = xcalloc(i->n, sizeof *i->takers);
	start(&i->takers[0], d, JOBS, NULL);
	for (size_t k = 0; k < norigins; k++)
		start(&i->takers[1 + k], d, origins[k].list, &origins[k]);
	return i;
}

/* false: all of them have left. */
static bool unblock(struct intake *i, struct redis *other)
{
	bool any = false;
	struct err err;

	for (size_t k = 0; k < i->n; k++) {
		const struct taker *t = &i->takers[k];

		if (t->has_left)
			continue;
		any = true;
		if (t->client_id && redis_command(other, NULL, &err, "CLIENT UNBLOCK %lld", (long long)t->client_id) < 0)
			log_debug("intake.unblock", "error=%s", log_quote(err.msg));
	}
	return any;
}

void intake_stop(struct intake *i)
{
	struct redis other;

	if (!i)
		return;
	redis_init(&other, i->takers[0].d->conf.redis_url);
	while (unblock(i, &other))
		clock_sleep_ms(20);
	redis_done(&other);
	for (size_t k = 0; k < i->n; k++) {
		pthread_join(i->takers[k].thread, NULL);
		redis_done(&i->takers[k].redis);
		pg_done(&i->takers[k].pg);
	}
	free(i->takers);
	free(i);
}
