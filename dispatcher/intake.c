#include "intake.h"

#include "accept.h"
#include "adopt.h"
#include "clock.h"
#include "fault.h"
#include "hauls.h"
#include "log.h"
#include "origin.h"
#include "uuid.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TAKE_FIRST 32           /* most of a take that waits: the first one shall not wait for the making of many ids */
#define TAKE_MAX   256          /* most of one take */
#define TAKE_BYTES "2097152"
#define LOOK_MS    2000
#define JOBS       "pixelfleet:jobs"
#define BLOCK_S    1
#define FULL_MS    200          /* between looks into a Redis without memory */

/* One list, taken from by one thread. */
struct taker {
	struct dispatcher *d;
	const char *list;
	const struct origin *origin;    /* NULL: pixelfleet:jobs */
	pthread_t thread;
	struct redis redis;
	struct pg pg;
	char taken[200];
	struct hauls *hauls;            /* in hand */
	bool more;                      /* the last take left something in the list, as it seems */
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

/* Waits for a submission and takes what there is then, in one pipeline: it is on its way a round trip sooner. A Redis
 * without memory refuses to wait, not to take. */
static int take_when_there(struct taker *t, int argc, const char **argv, redisReply **ret, struct err *err)
{
	struct err refused = { 0 };
	int waited;

	if (redis_append(&t->redis, err, "BLMOVE %s %s RIGHT RIGHT %d", t->list, t->list, BLOCK_S) < 0 ||
	    redis_script_append(&t->redis, "take", 3, argc, argv, NULL, err) < 0)
		return -1;
	waited = redis_reply(&t->redis, NULL, &refused);
	if (!t->redis.ctx)
		return *err = refused, -1;
	if (redis_reply(&t->redis, ret, err) < 0 &&
	    (!strstr(err->msg, "NOSCRIPT") || redis_script(&t->redis, "take", 3, argc, argv, NULL, ret, err) < 0))
		return -1;
	if (waited == 0 || (*ret)->elements)
		return 0;
	if (strstr(refused.msg, "OOM"))
		return clock_sleep_ms(FULL_MS), 0;
	return *err = refused, -1;
}

/* The ids that the jobs will have are made here, so that a submission has the same one whoever goes on with it. */
static int take(struct taker *t, bool waits, size_t most, char (*ids)[UUID_TEXT], redisReply **ret, struct err *err)
{
	const char *argv[5 + TAKE_MAX] = { t->list, t->taken, "pixelfleet:dispatchers", TAKE_BYTES, t->d->id };

	for (size_t k = 0; k < most; k++) {
		uuid_new(ids[k]);
		argv[5 + k] = ids[k];
	}
	if (waits)
		learn_client_id(t);
	if ((waits ? take_when_there(t, 5 + (int)most, argv, ret, err) :
		    redis_script(&t->redis, "take", 3, 5 + (int)most, argv, NULL, ret, err)) < 0)
		return -1;
	if ((*ret)->elements && fault("intake.reply")) {
		redis_close(&t->redis);
		freeReplyObject(*ret);
		*ret = NULL;
		return err_set(err, ERR_RETRY, "fault: the reply is lost");
	}
	return 0;
}

/* false: this dispatcher stops. */
static bool resolve_for_sure(struct taker *t, struct op **ops, size_t n)
{
	struct err err;

	while (accept_resolve(t->d, &t->pg, ops, n, &err) < 0) {
		if (t->d->stopping)
			return false;
		pause_after(&err, "intake.waiting");
	}
	return true;
}

/* One that asks for nothing leaves no operation. */
static size_t read_all(struct taker *t, const redisReply *texts, char (*ids)[UUID_TEXT], struct op **ops)
{
	const char *gone[TAKE_MAX];
	size_t n = 0, ngone = 0;
	struct err err;

	for (size_t k = 0; k < texts->elements; k++) {
		redisReply *text = texts->element[k];

		ops[n] = accept_read(t->d, t->origin, ids[k], steal(&text->str), text->len);
		if (ops[n])
			n++;
		else
			gone[ngone++] = ids[k];
	}
	if (accept_forget(&t->redis, t->taken, gone, ngone, &err) < 0)
		pause_after(&err, "intake.redis");      /* they are looked at once more */
	return n;
}

static void free_all(struct op **ops, size_t n)
{
	for (size_t k = 0; k < n; k++)
		op_free(ops[k]);
	free(ops);
}

static void take_some(struct taker *t, bool waits)
{
	size_t most = waits ? TAKE_FIRST : TAKE_MAX, n;
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	char ids[TAKE_MAX][UUID_TEXT];
	struct op **ops;
	struct err err;

	t->more = false;
	if (take(t, waits, most, ids, &reply, &err) < 0) {
		pause_after(&err, "intake.redis");
		return;
	}
	if (reply->elements)
		fault_die("intake.taken");
	t->more = reply->elements == most;
	ops = xcalloc(most, sizeof *ops);
	n = read_all(t, reply, ids, ops);
	if (n && resolve_for_sure(t, ops, n))
		hauls_submit(t->hauls, ops, n);
	else
		free_all(ops, n);       /* whoever adopts the hash goes on with it */
}

/* A reply to take() may be lost after Redis did it, or the script may run late, after a link that hung. */
static void take_up_lost(struct taker *t)
{
	struct err err;

	if (clock_mono_ms() - t->looked_ms < LOOK_MS)
		return;
	if (adopt_lost(t->d, &t->pg, &t->redis, t->list, t->hauls, &err) < 0)
		pause_after(&err, "intake.waiting");
	else
		t->looked_ms = clock_mono_ms();
}

/* ---- threads ---- */

static void *run(void *arg)
{
	struct taker *t = arg;

	while (hauls_have_room(t->hauls)) {
		take_up_lost(t);
		take_some(t, !t->more);
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
	t->hauls = hauls_new(d, t->taken);
	must(pthread_create(&t->thread, NULL, run, t) == 0);
	pthread_setname_np(t->thread, "intake");
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
		hauls_free(i->takers[k].hauls);
		redis_done(&i->takers[k].redis);
		pg_done(&i->takers[k].pg);
	}
	free(i->takers);
	free(i);
}
