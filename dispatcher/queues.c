#include "queues.h"

#include "metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define QUEUES_MAX 256          /* more names than this are pushed to, but not measured */
#define FLIGHT     3            /* measurements: a task that was reserved before them has been pushed, or never will be */
#define RUN_MAX    500          /* tasks pushed by one command ... */
#define RUN_BYTES  (1u << 20)   /* ... and about so many bytes: Redis does nothing else meanwhile */

struct queue {
	char name[40];
	int64_t depth;
	int64_t reserved[FLIGHT];       /* since the last measurement; between it and the one before it; ... */
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
		k->depth++, k->reserved[0]++;
	else if (k)
		k->has_backlog = true;
	must(pthread_mutex_unlock(&q->lock) == 0);
	return room;
}

/* Some of what was reserved lately is in Redis by now and is counted twice for a moment: the window is kept rather than filled. */
int64_t queues_measured(struct queues *q, const char *name, int64_t depth, bool has_backlog)
{
	struct queue *k;

	must(pthread_mutex_lock(&q->lock) == 0);
	k = find(q, name);
	if (k) {
		for (size_t i = 0; i < FLIGHT; i++)
			depth += k->reserved[i];
		memmove(k->reserved + 1, k->reserved, sizeof k->reserved - sizeof *k->reserved);
		k->reserved[0] = 0;
		k->depth = depth;
		k->has_backlog = has_backlog;
	}
	must(pthread_mutex_unlock(&q->lock) == 0);
	return depth;
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

static bool goes_to_head(const struct outgoing *o)
{
	return o->job->high || o->probe;
}

/* Tasks that one command can push: the same queue, the same end of it. Returns the end of the run that begins at `from`. */
static size_t run_end(const struct outgoing *out, size_t from, size_t n, const char *queue)
{
	size_t k = from, bytes = 0;

	while (k < n && k - from < RUN_MAX && bytes < RUN_BYTES && goes_to_head(&out[k]) == goes_to_head(&out[from]) &&
	       strcmp(node_of(&out[k])->queue, queue) == 0)
		bytes += out[k++].text.len;
	return k;
}

static int append_run(struct redis *redis, const struct outgoing *out, size_t n, const char *queue, struct err *err)
{
	scoped(free_p) char *key = xasprintf("pixelfleet:queue:%s", queue);
	const char *argv[2 + RUN_MAX] = { goes_to_head(out) ? "LPUSH" : "RPUSH", key };
	size_t lens[2 + RUN_MAX] = { 5, strlen(key) };

	for (size_t k = 0; k < n; k++) {
		argv[2 + k] = out[k].text.text;
		lens[2 + k] = out[k].text.len;
	}
	return redis_append_argv(redis, 2 + (int)n, argv, lens, err);
}

/* Reads the answers to so many commands. An error answer (a full Redis) does not keep the others from being read. */
static int read_answers(struct redis *redis, unsigned commands, struct err *err)
{
	struct err first;
	int rc = 0;

	for (; commands; commands--)
		if (redis_reply(redis, NULL, err) < 0) {
			if (!redis->ctx)
				return -1;
			if (rc == 0)
				first = *err;
			rc = -1;
		}
	if (rc < 0)
		*err = first;
	return rc;
}

/* The name is said with every push: a Redis that lost everything lost the names too. */
int queues_append(struct redis *redis, const struct outgoing *out, size_t n, struct pushes *ret, struct err *err)
{
	struct met met = { 0 };
	unsigned commands = 0;

	*ret = (struct pushes){ 0 };
	for (size_t from = 0, to; from < n; from = to, commands++) {
		const char *queue = node_of(&out[from])->queue;

		to = run_end(out, from, n, queue);
		if (is_new_name(&met, queue)) {
			if (redis_append(redis, err, "SADD pixelfleet:queues %s", queue) < 0)
				return -1;
			commands++;
		}
		if (append_run(redis, out + from, to - from, queue, err) < 0)
			return -1;
	}
	*ret = (struct pushes){ commands, n };
	return 0;
}

int queues_finish(struct redis *redis, struct pushes *p, struct err *err)
{
	const struct pushes all = *p;

	*p = (struct pushes){ 0 };
	if (read_answers(redis, all.commands, err) < 0)
		return -1;
	metric_add(METRIC_PUSHED, all.tasks);
	return 0;
}

int queues_push(struct redis *redis, const struct outgoing *out, size_t n, struct err *err)
{
	struct pushes p;

	return queues_append(redis, out, n, &p, err) < 0 ? -1 : queues_finish(redis, &p, err);
}
