#include "handover.h"

#include "clock.h"
#include "fault.h"
#include "log.h"
#include "metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUES_MAX 64
#define ROOM_MAX   1000
#define NEEDS_MAX  32           /* a step with more needs belongs to no worker in particular */
#define FRESH_MS   5000         /* then the worker may have given up this request */
#define PUSH_MAX   256          /* tasks in one script call */
#define SHARERS_MAX 16          /* steps that go along with the first one of their picture */

struct room {
	_Atomic unsigned refs;
	char worker[128];
	int64_t since_ms;
	struct {
		char queue[40];
		int left, taken;        /* taken: by the batch that is not committed yet; the ledger's thread */
		const struct wjob *job; /* whose picture `item` the last one taken shares with others, in this batch; or NULL */
		int item, sharers;
	} queues[QUEUES_MAX];
	size_t nqueues;
	struct buf first, others;       /* JSON texts; the publisher's, then the answer's */
	size_t nfirst, nothers;
};

/* ---- a request's ---- */

/* Of a name that becomes part of a key. */
static bool is_word(const char *s, size_t most)
{
	size_t n = s ? strlen(s) : 0;

	return n && n < most && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

struct room *room_parse(const char *header)
{
	scoped(json_decref_p) json_t *o = header ? json_loads(header, 0, NULL) : NULL;
	const char *worker = json_string_value(json_object_get(o, "worker")), *queue;
	struct room *r;
	json_t *n;

	if (!is_word(worker, sizeof r->worker))
		return NULL;
	r = xcalloc(1, sizeof *r);
	r->refs = 1;
	r->since_ms = clock_mono_ms();
	snprintf(r->worker, sizeof r->worker, "%s", worker);
	json_object_foreach(json_object_get(o, "room"), queue, n) {
		if (r->nqueues == QUEUES_MAX || !is_word(queue, sizeof r->queues[0].queue) || json_integer_value(n) <= 0)
			continue;
		snprintf(r->queues[r->nqueues].queue, sizeof r->queues[0].queue, "%s", queue);
		r->queues[r->nqueues++].left = (int)min_of(json_integer_value(n), (json_int_t)ROOM_MAX);
	}
	return r;
}

struct room *room_ref(struct room *r)
{
	if (r)
		r->refs++;
	return r;
}

void room_unref(struct room *r)
{
	if (!r || --r->refs)
		return;
	buf_free(&r->first);
	buf_free(&r->others);
	free(r);
}

void room_write(const struct room *r, struct buf *to)
{
	if (!r || !(r->nfirst + r->nothers))
		return;
	buf_puts(to, ",\"tasks\":[");
	buf_add(to, r->first.text ? r->first.text : "", r->first.len);
	if (r->nfirst && r->nothers)
		buf_puts(to, ",");
	buf_add(to, r->others.text ? r->others.text : "", r->others.len);
	buf_printf(to, "],\"first\":%zu", r->nfirst);
}

static void add_task(struct room *r, const struct outgoing *o)
{
	struct buf *to = o->job->high ? &r->first : &r->others;
	size_t *n = o->job->high ? &r->nfirst : &r->nothers;

	if ((*n)++)
		buf_puts(to, ",");
	buf_json_string(to, o->text.text);
}

/* ---- which tasks ---- */

static struct room *next_room(struct op **ops, size_t n, size_t *k)
{
	for (; *k < n; ++*k) {
		struct room *r = ops[*k]->room;

		if (r && (*k == 0 || ops[*k - 1]->room != r)) {
			++*k;
			return r;
		}
	}
	return NULL;
}

void handover_begin(struct op **ops, size_t n)
{
	struct room *r;

	for (size_t k = 0; (r = next_room(ops, n, &k));)
		for (size_t q = 0; q < r->nqueues; q++)
			r->queues[q].taken = 0, r->queues[q].job = NULL;
}

void handover_commit(struct op **ops, size_t n)
{
	struct room *r;

	for (size_t k = 0; (r = next_room(ops, n, &k));)
		for (size_t q = 0; q < r->nqueues; q++) {
			r->queues[q].left -= r->queues[q].taken;
			r->queues[q].taken = 0;
		}
}

struct choice {
	struct inst *inst;
	const struct wjob *job;
	const struct node *node;
	int item;
};

/* Steps that share a decoded picture stay together, in the room of the first one: elsewhere it would be decoded again. */
static bool take_one(struct room *r, const struct choice *c)
{
	size_t q = 0;

	while (q < r->nqueues && strcmp(r->queues[q].queue, c->node->queue) != 0)
		q++;
	if (q == r->nqueues)
		return false;
	if (c->node->shared && r->queues[q].job == c->job && r->queues[q].item == c->item && ++r->queues[q].sharers < SHARERS_MAX)
		return true;
	if (r->queues[q].taken >= r->queues[q].left)
		return false;
	r->queues[q].taken++;
	r->queues[q].job = c->node->shared ? c->job : NULL;
	r->queues[q].item = c->item;
	r->queues[q].sharers = 0;
	return true;
}

static int count_needs(const struct wjob *j, const struct node *n)
{
	int count = 0;

	for (int k = 0; k < n->nneeds; k++)
		count += n->tool->scope == TOOL_ALL && j->def->nodes[n->needs[k]].tool->scope == TOOL_EACH ? j->items : 1;
	return count;
}

static void try_need(struct wjob *j, int ordinal, void *arg)
{
	struct choice *c = arg;
	const struct inst *need = work_inst(j, ordinal);

	if (!c->inst->hand && need && need->room && clock_mono_ms() - need->room->since_ms < FRESH_MS && take_one(need->room, c))
		c->inst->hand = need->room;
}

bool handover_take(struct wjob *j, struct inst *i)
{
	int item;
	const struct node *n = work_node(j, i->ordinal, &item);
	struct choice c = { i, j, n, item };

	if (i->probe || count_needs(j, n) > NEEDS_MAX)
		return false;
	each_need(j, i->ordinal, try_need, &c);
	return i->hand != NULL;
}

/* ---- on their way ---- */

static int call_script(struct redis *redis, const struct room *r, const char **argv, size_t *lens, int argc, bool *ret_alive, struct err *err)
{
	scoped(free_p) char *beat = xasprintf("pixelfleet:worker:%s%s", r->worker, fault("ledger.hand") ? ":nobody" : "");
	scoped(free_p) char *running = xasprintf("pixelfleet:running:%s", r->worker);
	scoped(freeReplyObject_p) redisReply *reply = NULL;

	argv[0] = beat, argv[1] = running, argv[2] = "pixelfleet:queues", argv[3] = "pixelfleet:queue:";
	for (int k = 0; k < 4; k++)
		lens[k] = strlen(argv[k]);
	if (redis_script(redis, "hand_over", 3, argc, argv, lens, &reply, err) < 0)
		return -1;
	*ret_alive = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
	return 0;
}

/* Up to PUSH_MAX tasks of this room, from out[*from] on. */
static int push_some(struct redis *redis, struct room *r, const struct outgoing *out, size_t n, size_t *from, struct err *err)
{
	const struct outgoing *some[PUSH_MAX];
	const char *argv[4 + 3 * PUSH_MAX];
	size_t lens[countof(argv)], count = 0;
	bool alive;
	int argc = 4;

	for (; *from < n && count < PUSH_MAX; ++*from) {
		const struct outgoing *o = &out[*from];
		int item;

		if (o->room != r)
			continue;
		argv[argc] = work_node(o->job, o->ordinal, &item)->queue;
		lens[argc] = strlen(argv[argc]);
		argc++;
		argv[argc] = o->job->high ? "LPUSH" : "RPUSH", lens[argc++] = 5;
		argv[argc] = o->text.text, lens[argc++] = o->text.len;
		some[count++] = o;
	}
	if (!count)
		return 0;
	if (call_script(redis, r, argv, lens, argc, &alive, err) < 0)
		return -1;
	metric_add(METRIC_PUSHED, count);
	if (!alive)
		log_info("handover.refused", "worker=%s tasks=%zu", r->worker, count);
	else
		metric_add(METRIC_HANDED_OVER, count);
	for (size_t k = 0; alive && k < count; k++)
		add_task(r, some[k]);
	return 0;
}

static bool is_first_of_room(const struct outgoing *out, size_t k)
{
	for (size_t before = 0; before < k; before++)
		if (out[before].room == out[k].room)
			return false;
	return true;
}

int handover_push(struct redis *redis, const struct outgoing *out, size_t n, struct err *err)
{
	for (size_t k = 0; k < n; k++) {
		if (!is_first_of_room(out, k))
			continue;
		for (size_t from = k; from < n;)
			if (push_some(redis, out[k].room, out, n, &from, err) < 0)
				return -1;
	}
	return 0;
}
