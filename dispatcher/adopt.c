#include "adopt.h"

#include "accept.h"
#include "log.h"
#include "metrics.h"
#include "origin.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define JOBS "pixelfleet:jobs"

static int push_what_is_owed(struct dispatcher *d, const char *job, struct err *err)
{
	struct op *op = op_new(OP_PUSH_OWED);
	int rc;

	op->job = xstrdup(job);
	ledger_call(d->ledger, op);
	rc = op->status == OP_FAILED ? -1 : 0;
	if (rc < 0)
		*err = *op->err;
	op_free(op);
	return rc;
}

/* An entry of a hash: the list, a newline, and what was taken from it; without a newline it is pixelfleet:jobs'. */
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

static int through_ledger(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *taken, struct op *op, struct err *err)
{
	if (accept_resolve(d, pg, &op, 1, err) < 0)
		return -1;
	ledger_call(d->ledger, op);
	if (accept_settle(d, redis, taken, &op, 1, err) < 0)
		return -1;
	return op->kind == OP_ACCEPT && op->status == OP_DUPLICATE ? push_what_is_owed(d, op->job, err) : 0;
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
	op = accept_read(d, origin, e->id->str, memcpy(xcalloc(e->len + 1, 1), e->text, e->len), e->len);
	if (!op)
		return accept_forget(redis, taken, (const char *[]){ e->id->str }, 1, err);
	rc = through_ledger(d, pg, redis, taken, op, err);
	op_free(op);
	metric_add(METRIC_ADOPTED, 1);
	return rc;
}

int adopt_all(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *dead, struct err *err)
{
	scoped(free_p) char *taken = xasprintf("pixelfleet:taken:%s", dead);
	scoped(freeReplyObject_p) redisReply *all = NULL;
	size_t adopted = 0;

	if (redis_command(redis, &all, err, "HGETALL %s", taken) < 0)
		return -1;
	for (size_t k = 0; k + 1 < all->elements; k += 2) {
		struct entry e = read_entry(all->element[k], all->element[k + 1]);
		int rc = adopt_one(d, pg, redis, taken, &e, err);

		free(e.list);
		if (rc < 0)
			return -1;
		adopted++;
	}
	if (adopted)
		log_info("intake.adopt", "from=%s submissions=%zu", dead, adopted);
	return 0;
}

/* Nobody has it in hand: when it came from this list and is still there, it is ours to do. */
static int adopt_own(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *taken, const char *list, const redisReply *id,
	size_t *adopted, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *value = NULL;
	struct entry e;
	int rc = 0;

	if (redis_command(redis, &value, err, "HGET %s %b", taken, id->str, id->len) < 0)
		return -1;
	if (value->type != REDIS_REPLY_STRING)
		return 0;
	e = read_entry(id, value);
	if (strcmp(e.list, list) == 0 || (strcmp(list, JOBS) == 0 && !*e.list)) {
		rc = adopt_one(d, pg, redis, taken, &e, err);
		(*adopted)++;
	}
	free(e.list);
	return rc;
}

int adopt_lost(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *list, struct hauls *hauls, struct err *err)
{
	scoped(free_p) char *taken = xasprintf("pixelfleet:taken:%s", d->id);
	scoped(freeReplyObject_p) redisReply *ids = NULL;
	size_t adopted = 0;

	if (redis_command(redis, &ids, err, "HKEYS %s", taken) < 0)
		return -1;
	for (size_t k = 0; k < ids->elements; k++)
		if (!hauls_contain(hauls, ids->element[k]->str) &&
		    adopt_own(d, pg, redis, taken, list, ids->element[k], &adopted, err) < 0)
			return -1;
	if (adopted)
		log_info("intake.adopt", "from=%s submissions=%zu", d->id, adopted);
	return 0;
}
