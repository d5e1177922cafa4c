#include "feed.h"

#include "load.h"
#include "queues.h"

#include <stdlib.h>
#include <string.h>

#define QUEUES_MAX 256
#define CHUNK      2000LL

/* The rows go when their tasks are in the queue: a crash in between pushes twice, which does no harm. */
static int push_rows(struct dispatcher *d, struct pg *pg, struct redis *redis, const PGresult *r, struct err *err)
{
	scoped(work_done) struct work w = { 0 };
	size_t rows = (size_t)PQntuples(r), n = 0;
	struct outgoing *out = xcalloc(rows, sizeof *out);
	int rc;

	for (size_t k = 0; k < rows; k++)
		work_add_job(&w, pg_text(r, (int)k, 0));
	rc = load_jobs(pg, &w, err);
	for (size_t k = 0; rc == 0 && k < rows; k++) {
		struct wjob *j = work_job(&w, pg_text(r, (int)k, 0));

		if (j->def && j->state == JOB_RUNNING && *pg_text(r, (int)k, 3) == 't')
			out[n++] = (struct outgoing){ .job = j, .ordinal = (int)pg_int(r, (int)k, 1), .attempt = (int)pg_int(r, (int)k, 2),
				.pass = (int)pg_int(r, (int)k, 4) };
	}
	if (rc == 0 && n)
		rc = envelopes_build(d, pg, out, n, err);
	if (rc == 0 && n)
		rc = queues_push(redis, out, n, err);
	outgoing_free(out, n);
	return rc;
}

static int feed_queue(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *queue, long long room, struct err *err)
{
	scoped(free_p) char *most = xasprintf("%lld", min_of(room, CHUNK));
	scoped(PQclear_p) PGresult *r = NULL;
	int rc;

	if (pg_script(pg, "BEGIN", err) < 0)
		return -1;
	rc = pg_query(pg, &r, err, "WITH gone AS (DELETE FROM backlog WHERE (queue, seq) IN (SELECT queue, seq FROM backlog WHERE queue = $1 "
		"ORDER BY seq LIMIT $2::int FOR UPDATE SKIP LOCKED) RETURNING seq, job, ordinal) "
		"SELECT g.job::text, g.ordinal, s.attempt, s.state = 'queued', s.pass FROM gone g JOIN step s ON s.job = g.job AND s.ordinal = g.ordinal "
		"ORDER BY g.seq", PG_VALUES(queue, most));
	if (rc == 0)
		rc = push_rows(d, pg, redis, r, err);
	if (rc == 0)
		return pg_script(pg, "COMMIT", err);
	pg_rollback(pg);
	return -1;
}

/* The queues that have a backlog: one look into the index for each. Another dispatcher, or this one before it was
 * started again, may have written it. */
static int find_backlogs(struct dispatcher *d, struct pg *pg, PGresult **ret, struct err *err)
{
	if (pg_query(pg, ret, err, "WITH RECURSIVE q AS ((SELECT queue FROM backlog ORDER BY queue LIMIT 1) UNION ALL "
			"SELECT (SELECT b.queue FROM backlog b WHERE b.queue > q.queue ORDER BY b.queue LIMIT 1) FROM q WHERE q.queue IS NOT NULL) "
			"SELECT queue FROM q WHERE queue IS NOT NULL", PG_NONE) < 0)
		return -1;
	for (int row = 0; row < PQntuples(*ret); row++)
		queues_know(d->queues, pg_text(*ret, row, 0));
	return 0;
}

static bool is_among(const PGresult *queues, const char *name)
{
	for (int row = 0; row < PQntuples(queues); row++)
		if (strcmp(pg_text(queues, row, 0), name) == 0)
			return true;
	return false;
}

int feed_run(struct dispatcher *d, struct pg *pg, struct redis *redis, struct err *err)
{
	scoped(PQclear_p) PGresult *backlogs = NULL;
	char names[QUEUES_MAX][40];
	size_t n;

	if (find_backlogs(d, pg, &backlogs, err) < 0)
		return -1;
	n = queues_names(d->queues, names, QUEUES_MAX);
	for (size_t k = 0; k < n; k++) {
		scoped(freeReplyObject_p) redisReply *len = NULL;
		bool has_backlog = is_among(backlogs, names[k]);
		int64_t depth;

		if (redis_command(redis, &len, err, "LLEN pixelfleet:queue:%s", names[k]) < 0)
			return -1;
		depth = queues_measured(d->queues, names[k], len->integer, has_backlog);
		for (long long room = (long long)d->conf.queue_window - depth; has_backlog && room > 0; room -= CHUNK)
			if (feed_queue(d, pg, redis, names[k], room, err) < 0)
				return -1;
	}
	return 0;
}
