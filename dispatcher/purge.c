#include "purge.h"

#include "clock.h"
#include "queues.h"
#include "uuid.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX   2000         /* of one run; more wait for the next */
#define PIECE      5000         /* entries of a list that one script call looks at */
#define QUEUES_MAX 256

struct entry {
	char job[37], before[CLOCK_TEXT];
};

struct purge {
	pthread_mutex_t lock;
	struct entry *jobs;
	size_t n, cap;
};

struct purge *purge_new(void)
{
	struct purge *p = xcalloc(1, sizeof *p);

	must(pthread_mutex_init(&p->lock, NULL) == 0);
	return p;
}

void purge_free(struct purge *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p->jobs);
	free(p);
}

void purge_add(struct purge *p, const char *job, const char *before)
{
	struct entry *e;

	must(pthread_mutex_lock(&p->lock) == 0);
	p->jobs = grow(p->jobs, p->n + 1, &p->cap, sizeof *p->jobs);
	e = &p->jobs[p->n++];
	snprintf(e->job, sizeof e->job, "%s", job);
	snprintf(e->before, sizeof e->before, "%s", before);
	must(pthread_mutex_unlock(&p->lock) == 0);
}

static size_t take_jobs(struct purge *p, struct entry *to)
{
	size_t n;

	must(pthread_mutex_lock(&p->lock) == 0);
	n = min_of(p->n, (size_t)JOBS_MAX);
	if (n) {
		p->n -= n;
		memcpy(to, p->jobs + p->n, n * sizeof *to);
	}
	must(pthread_mutex_unlock(&p->lock) == 0);
	return n;
}

/* From the right end to the left: workers take from the left meanwhile, which only moves what was looked at. */
static int purge_queue(struct redis *redis, const char *queue, const char **argv, int argc, struct err *err)
{
	scoped(free_p) char *key = xasprintf("pixelfleet:queue:%s", queue);
	scoped(freeReplyObject_p) redisReply *len = NULL;

	if (redis_command(redis, &len, err, "LLEN %s", key) < 0)
		return -1;
	argv[0] = key;
	for (long long last = len->integer - 1; last >= 0; last -= PIECE) {
		char from[24], to[24];

		snprintf(from, sizeof from, "%lld", max_of(last - PIECE + 1, 0LL));
		snprintf(to, sizeof to, "%lld", last);
		argv[1] = from, argv[2] = to;
		if (redis_script(redis, "purge", 1, argc, argv, NULL, NULL, err) < 0)
			return -1;
	}
	return 0;
}

int purge_tell(struct redis *redis, const char *job, const char *before, struct err *err)
{
	if (strcmp(before, PURGE_ALL) == 0)
		return redis_append(redis, err, "PUBLISH pixelfleet:control {\"cancel\":\"%s\"}", job);
	return redis_append(redis, err, "PUBLISH pixelfleet:control {\"cancel\":\"%s\",\"before\":\"%s\"}", job, before);
}

/* Workers may have claimed some of them since they were told at the end of the job. */
static int tell_again(struct redis *redis, const struct entry *jobs, size_t n, struct err *err)
{
	for (size_t k = 0; k < n; k++)
		if (purge_tell(redis, jobs[k].job, jobs[k].before, err) < 0)
			return -1;
	for (size_t k = 0; k < n; k++)
		if (redis_reply(redis, NULL, err) < 0)
			return redis_close(redis), -1;  /* the rest of the answers is not awaited */
	return 0;
}

int purge_run(struct dispatcher *d, struct redis *redis, struct err *err)
{
	scoped(free_p) struct entry *jobs = xcalloc(JOBS_MAX, sizeof *jobs);
	scoped(free_p) const char **argv = xcalloc(2 * JOBS_MAX + 3, sizeof *argv);
	char names[QUEUES_MAX][40];
	size_t n = take_jobs(d->purge, jobs), nqueues;

	if (!n)
		return 0;
	for (size_t k = 0; k < n; k++) {
		argv[3 + 2 * k] = jobs[k].job;
		argv[4 + 2 * k] = jobs[k].before;
	}
	nqueues = queues_names(d->queues, names, QUEUES_MAX);
	for (size_t k = 0; k < nqueues; k++)
		if (purge_queue(redis, names[k], argv, 2 * (int)n + 3, err) < 0)
			return -1;
	return tell_again(redis, jobs, n, err);
}

/* ---- steps that run on though their job is over ---- */

/* Adds the jobs of the tasks that a heartbeat says were started. */
static void add_running(struct buf *ids, const redisReply *beat)
{
	scoped(json_decref_p) json_t *body = beat->type == REDIS_REPLY_STRING ? json_loadb(beat->str, beat->len, 0, NULL) : NULL;
	const json_t *task;
	size_t i;

	json_array_foreach(json_object_get(body, "running"), i, task) {
		const char *job = json_string_value(json_object_get(task, "job"));

		if (job && uuid_is(job))
			pg_array_word(ids, job);
	}
}

static int read_running(struct redis *redis, struct buf *ids, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *names = NULL;

	if (redis_command(redis, &names, err, "SMEMBERS pixelfleet:workers") < 0)
		return -1;
	for (size_t k = 0; k < names->elements; k++)
		if (redis_append(redis, err, "GET pixelfleet:worker:%s", names->element[k]->str) < 0)
			return -1;
	for (size_t k = 0; k < names->elements; k++) {
		scoped(freeReplyObject_p) redisReply *beat = NULL;

		if (redis_reply(redis, &beat, err) < 0)
			return redis_close(redis), -1;  /* the rest of the answers is not awaited */
		add_running(ids, beat);
	}
	return 0;
}

int purge_strays(struct pg *pg, struct redis *redis, struct err *err)
{
	scoped(buf_free) struct buf ids = { 0 };
	scoped(PQclear_p) PGresult *over = NULL;

	pg_array_begin(&ids);
	if (read_running(redis, &ids, err) < 0)
		return -1;
	pg_array_end(&ids);
	if (pg_query(pg, &over, err, "SELECT id::text FROM job WHERE id = ANY($1::uuid[]) AND state <> 'running'", PG_VALUES(ids.text)) < 0)
		return -1;
	for (int row = 0; row < PQntuples(over); row++)
		if (purge_tell(redis, pg_text(over, row, 0), PURGE_ALL, err) < 0)
			return -1;
	for (int row = 0; row < PQntuples(over); row++)
		if (redis_reply(redis, NULL, err) < 0)
			return redis_close(redis), -1;
	return 0;
}
