#include "queues.h"

#include "metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define QUEUES_MAX 256          /* more names than this are pushed to, but not measured */

struct queue {
	char name[40];
	int64_t depth;
	bool has_backlog;
};

struct queues {
	pthread_mutex_t lock;
	unsigned window;
	struct queue list[QUEUES_MAX];
	size_t n;
};

struct queues *queues_new(unsigned window)
{
	struct queues *q = xcalloc(1, sizeof *q);

	must(pthread_mutex_init(&q->lock, NULL) == 0);
	q->window = window;
	return q;
}

void queues_free(struct queues *q)
{
	if (!q)
		return;
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* With the lock held. NULL when there are too many names. */
static struct queue *find(struct queues *q, const char *name)
{
	for (size_t i = 0; i < q->n; i++)
		if (strcmp(q->list[i].name, name) == 0)
			return &q->list[i];
	if (q->n == QUEUES_MAX)
		return NULL;
	snprintf(q->list[q->n].name, sizeof q->list[0].name, "%s", name);
	return &q->list[q->n++];
}

bool queues_reserve(struct queues *q, const char *name, bool high)
{
	struct queue *k;
	bool room;

	must(pthread_mutex_lock(&q->lock) == 0);
	k = find(q, name);
	room = high || !k || (!k->has_backlog && k->depth < (int64_t)q->window);
	if (room && k)
		k->depth++;
	else if (k)
		k->has_backlog = true;
	must(pthread_mutex_unlock(&q->lock) == 0);
	return room;
}

void queues_measured(struct queues *q, const char *name, int64_t depth, bool has_backlog)
{
	struct queue *k;

	must(pthread_mutex_lock(&q->lock) == 0);
	k = find(q, name);
	if (k) {
		k->depth = depth;
		k->has_backlog = has_backlog;
	}
	must(pthread_mutex_unlock(&q->lock) == 0);
}

void queues_know(struct queues *q, const char *name)
{
	must(pthread_mutex_lock(&q->lock) == 0);
	find(q, name);
	must(pthread_mutex_unlock(&q->lock) == 0);
}

size_t queues_names(struct queues *q, char (*names)[40], size_t max)
{
	size_t n;

	must(pthread_mutex_lock(&q->lock) == 0);
	n = min_of(q->n, max);
	for (size_t i = 0; i < n; i++)
		memcpy(names[i], q->list[i].name, sizeof names[i]);
	must(pthread_mutex_unlock(&q->lock) == 0);
	return n;
}

/* Names met in one push. */
struct met {
	const char *names[16];
	size_t n;
};

/* true once for each name, as long as there is room to remember it. */
static bool is_new_name(struct met *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->names[i], name) == 0)
			return false;
	if (m->n < countof(m->names))
		m->names[m->n++] = name;
	return true;
}

static const struct node *node_of(const struct outgoing *o)
{
	int item;

	return &o->job->def->nodes[definition_node(o->job->def, o->job->items, o->ordinal, &item)];
}

/* The name is said with every push: a Redis that lost everything lost the names too. */
int queues_push(struct redis *redis, const struct outgoing *out, size_t n, struct err *err)
{
	unsigned commands = 0;
	struct met met = { 0 };
	struct err first;
	int rc = 0;

	for (size_t k = 0; k < n; k++) {
		const char *name = node_of(&out[k])->queue;

		if (is_new_name(&met, name)) {
			if (redis_append(redis, err, "SADD pixelfleet:queues %s", name) < 0)
				return -1;
			commands++;
		}
		if (redis_append(redis, err, out[k].job->high ? "LPUSH pixelfleet:queue:%s %b" : "RPUSH pixelfleet:queue:%s %b",
				name, out[k].text.text, out[k].text.len) < 0)
			return -1;
		commands++;
	}
	for (; commands; commands--)
		if (redis_reply(redis, NULL, err) < 0) {
			if (!redis->ctx)
				return -1;
			first = *err;           /* an error answer (OOM): read the others all the same */
			rc = -1;
		}
	if (rc < 0)
		*err = first;
	else
		metric_add(METRIC_PUSHED, n);
	return rc;
}
