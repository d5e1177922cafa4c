#include "rebuild.h"

#include "clock.h"
#include "envelope.h"
#include "load.h"
#include "log.h"
#include "metrics.h"
#include "queues.h"
#include "relist.h"
#include "taskset.h"
#include "uuid.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_KEY     "7262726675"
#define PARK_WAIT_MS 2000
#define JOBS_PAGE    "500"
#define PUSH_CHUNK   1000
#define SETTLED_S    "10"       /* a scan leaves alone what was queued just now: it may be on its way */
#define MARK         "pixelfleet:rebuilding"

/* ---- which Redis, which PostgreSQL ---- */

struct identity {
	char run_id[64], epoch[64], system[32];
	int timeline;
};

static int read_now(struct pg *pg, struct redis *redis, struct identity *id, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *epoch = NULL;
	scoped(PQclear_p) PGresult *r = NULL;

	if (redis_command(redis, &epoch, err, "GET pixelfleet:epoch") < 0)
		return -1;
	if (pg_query(pg, &r, err, "SELECT system_identifier::text, timeline_id FROM pg_control_system(), pg_control_checkpoint()", PG_NONE) < 0)
		return -1;
	*id = (struct identity){ .timeline = (int)pg_int(r, 0, 1) };
	snprintf(id->run_id, sizeof id->run_id, "%s", redis->run_id);
	snprintf(id->epoch, sizeof id->epoch, "%s", epoch->type == REDIS_REPLY_STRING ? epoch->str : "");
	snprintf(id->system, sizeof id->system, "%s", pg_text(r, 0, 0));
	return 0;
}

int rebuild_is_needed(struct pg *pg, struct redis *redis, enum rebuild_why *ret, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	struct identity now;
	bool same;

	if (read_now(pg, redis, &now, err) < 0)
		return -1;
	if (pg_query(pg, &r, err, "SELECT epoch, redis_run_id, system_identifier, timeline FROM fleet", PG_NONE) < 0)
		return -1;
	same = *now.epoch && strcmp(now.epoch, pg_text(r, 0, 0)) == 0 && strcmp(now.run_id, pg_text(r, 0, 1)) == 0 &&
		strcmp(now.system, pg_text(r, 0, 2)) == 0 && now.timeline == pg_int(r, 0, 3);
	*ret = same ? REBUILD_NO : *pg_text(r, 0, 0) ? REBUILD_LOST : REBUILD_FIRST;
	return 0;
}

/* A mark that goes with everything else when Redis is emptied while it is filled. */
static int mark_begin(struct dispatcher *d, struct redis *redis, struct err *err)
{
	return redis_command(redis, NULL, err, "SET " MARK " %s EX 3600", d->id);
}

static int mark_end(struct redis *redis, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *gone = NULL;

	if (redis_command(redis, &gone, err, "DEL " MARK) < 0)
		return -1;
	return gone->integer ? 0 : err_set(err, ERR_RETRY, "Redis was emptied again while its queues were made");
}

/* The epoch last: whoever sees it knows that the queues are complete. */
static int write_identity(struct pg *pg, struct redis *redis, struct err *err)
{
	struct identity now;
	char epoch[UUID_TEXT];
	scoped(free_p) char *timeline = NULL;

	uuid_new(epoch);
	if (read_now(pg, redis, &now, err) < 0)
		return -1;
	timeline = xasprintf("%d", now.timeline);
	if (pg_query(pg, NULL, err, "UPDATE fleet SET epoch = $1, redis_run_id = $2, system_identifier = $3, timeline = $4::int",
			PG_VALUES(epoch, now.run_id, now.system, timeline)) < 0 || mark_end(redis, err) < 0)
		return -1;
	return redis_command(redis, NULL, err, "SET pixelfleet:epoch %s", epoch);
}

/* ---- what is there ---- */

static int read_list(struct redis *redis, const char *key, struct taskset *set, struct err *err)
{
	for (long long from = 0;; from += 5000) {
		scoped(freeReplyObject_p) redisReply *r = NULL;

		if (redis_command(redis, &r, err, "LRANGE %s %lld %lld", key, from, from + 4999) < 0)
			return -1;
		for (size_t k = 0; k < r->elements; k++)
			taskset_add_entry(set, r->element[k]->str, r->element[k]->len);
		if (r->elements < 5000)
			return 0;
	}
}

static int read_lists(struct redis *redis, const char *names_key, const char *prefix, struct taskset *set, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *names = NULL;

	if (redis_command(redis, &names, err, "SMEMBERS %s", names_key) < 0)
		return -1;
	for (size_t k = 0; k < names->elements; k++) {
		scoped(free_p) char *key = xasprintf("%s%s", prefix, names->element[k]->str);

		if (read_list(redis, key, set, err) < 0)
			return -1;
	}
	return 0;
}

static int read_redis(struct redis *redis, struct taskset *set, struct err *err)
{
	/* A task moves from a queue to a running list: queues first, so that it is seen in one of them. One that moves
	 * back meanwhile may be missed, and is then pushed twice, which does no harm. */
	return read_lists(redis, "pixelfleet:queues", "pixelfleet:queue:", set, err) < 0 ||
		read_lists(redis, "pixelfleet:workers", "pixelfleet:running:", set, err) < 0 ? -1 : 0;
}

static int read_backlog(struct pg *pg, struct taskset *set, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(pg, &r, err, "SELECT job::text, ordinal FROM backlog", PG_NONE) < 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++)
		taskset_add(set, pg_text(r, row, 0), (int)pg_int(r, row, 1));
	return 0;
}

/* ---- what is missing ---- */

static int push_chunk(struct dispatcher *d, struct pg *pg, struct redis *redis, struct outgoing *out, size_t n, struct err *err)
{
	int rc = envelopes_build(d, pg, out, n, err);

	if (rc == 0)
		rc = queues_push(redis, out, n, err);
	if (rc == 0)
		metric_add(METRIC_REBUILT_TASKS, n);
	for (size_t k = 0; k < n; k++)
		buf_free(&out[k].text);
	return rc;
}

/* Steps over the window go to the backlog. */
static int put_in_backlog(struct pg *pg, const struct outgoing *out, size_t n, struct err *err)
{
	scoped(buf_free) struct buf queues = { 0 }, jobs = { 0 }, ordinals = { 0 };

	if (!n)
		return 0;
	pg_array_begin(&queues), pg_array_begin(&jobs), pg_array_begin(&ordinals);
	for (size_t k = 0; k < n; k++) {
		int item;

		pg_array_text(&queues, out[k].job->def->nodes[definition_node(out[k].job->def, out[k].job->items, out[k].ordinal, &item)].queue);
		pg_array_word(&jobs, out[k].job->id);
		pg_array_int(&ordinals, out[k].ordinal);
	}
	pg_array_end(&queues), pg_array_end(&jobs), pg_array_end(&ordinals);
	return pg_query(pg, NULL, err, "INSERT INTO backlog (queue, job, ordinal) SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[])",
		PG_VALUES(queues.text, jobs.text, ordinals.text));
}

static int push_missing(struct dispatcher *d, struct pg *pg, struct redis *redis, struct work *w, const PGresult *steps, const struct taskset *set,
	size_t *pushed, struct err *err)
{
	scoped(free_p) struct outgoing *out = xcalloc(PUSH_CHUNK, sizeof *out), *over = xcalloc(PUSH_CHUNK, sizeof *over);
	int rows = PQntuples(steps);

	for (int row = 0; row < rows;) {
		size_t n = 0, nover = 0;

		for (; row < rows && n < PUSH_CHUNK && nover < PUSH_CHUNK; row++) {
			struct outgoing o = { .job = work_job(w, pg_text(steps, row, 0)), .ordinal = (int)pg_int(steps, row, 1),
				.attempt = (int)pg_int(steps, row, 2), .pass = (int)pg_int(steps, row, 3) };
			int item;

			if (!o.job || !o.job->def || taskset_has(set, o.job->id, o.ordinal))
				continue;
			if (queues_reserve(d->queues, o.job->def->nodes[definition_node(o.job->def, o.job->items, o.ordinal, &item)].queue, o.job->high))
				out[n++] = o;
			else
				over[nover++] = o;
		}
		if ((n && push_chunk(d, pg, redis, out, n, err) < 0) || put_in_backlog(pg, over, nover, err) < 0)
			return -1;
		*pushed += n + nover;
	}
	return 0;
}

static int push_page(struct dispatcher *d, struct pg *pg, struct redis *redis, const PGresult *jobs, bool even_new, const struct taskset *set,
	size_t *pushed, struct err *err)
{
	scoped(work_done) struct work w = { 0 };
	scoped(buf_free) struct buf ids = { 0 };
	scoped(PQclear_p) PGresult *steps = NULL;

	pg_array_begin(&ids);
	for (int row = 0; row < PQntuples(jobs); row++) {
		work_add_job(&w, pg_text(jobs, row, 0));
		pg_array_word(&ids, pg_text(jobs, row, 0));
	}
	pg_array_end(&ids);
	if (load_jobs(pg, &w, false, err) < 0 ||
	    pg_query(pg, &steps, err, "SELECT job::text, ordinal, attempt, pass FROM step WHERE job = ANY($1::uuid[]) AND state = 'queued' "
			"AND ($2::boolean OR changed_at < now() - interval '" SETTLED_S " seconds') ORDER BY job, ordinal",
			PG_VALUES(ids.text, even_new ? "t" : "f")) < 0)
		return -1;
	return push_missing(d, pg, redis, &w, steps, set, pushed, err);
}

static int push_all_missing(struct dispatcher *d, struct pg *pg, struct redis *redis, bool even_new, const struct taskset *set, size_t *pushed,
	struct err *err)
{
	char after[UUID_TEXT] = "00000000-0000-0000-0000-000000000000";

	for (;;) {
		scoped(PQclear_p) PGresult *jobs = NULL;

		if (pg_query(pg, &jobs, err, "SELECT id::text FROM job WHERE state = 'running' AND id > $1::uuid ORDER BY id LIMIT " JOBS_PAGE,
				PG_VALUES(after)) < 0)
			return -1;
		if (!PQntuples(jobs))
			return 0;
		if (push_page(d, pg, redis, jobs, even_new, set, pushed, err) < 0)
			return -1;
		snprintf(after, sizeof after, "%s", pg_text(jobs, PQntuples(jobs) - 1, 0));
	}
}

/* ---- all of it ---- */

static int run_locked(struct dispatcher *d, struct pg *pg, struct redis *redis, enum rebuild_why why, struct err *err)
{
	/* What fails from here on is owed again. What is owed may have been queued just now, so that nothing is left alone. */
	bool lost = why != REBUILD_NO, owed = atomic_exchange(&d->pushes_owed, false);
	scoped(taskset_done) struct taskset set = { 0 };
	int64_t began = clock_mono_ms();
	size_t pushed = 0;

	if (why == REBUILD_LOST)
		clock_sleep_ms(PARK_WAIT_MS);
	if ((lost && mark_begin(d, redis, err) < 0) || read_redis(redis, &set, err) < 0 || read_backlog(pg, &set, err) < 0 ||
	    push_all_missing(d, pg, redis, why == REBUILD_LOST || owed, &set, &pushed, err) < 0 ||
	    ((lost || owed) && relist_missing(d, pg, redis, &set, err) < 0) || relist_wrong(d, pg, redis, lost || owed, err) < 0 ||
	    (lost && write_identity(pg, redis, err) < 0)) {
		d->pushes_owed = true;
		return -1;
	}
	metric_add(METRIC_REBUILDS, 1);
	if (lost || pushed)
		log_info("rebuild.done", "lost=%d found=%zu pushed=%zu ms=%lld", lost, set.n, pushed, (long long)(clock_mono_ms() - began));
	return 0;
}

int rebuild_run(struct dispatcher *d, struct pg *pg, struct redis *redis, enum rebuild_why why, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	int rc;

	if (pg_query(pg, &r, err, "SELECT pg_try_advisory_lock(" LOCK_KEY ")", PG_NONE) < 0)
		return -1;
	if (*pg_text(r, 0, 0) != 't')
		return 0;               /* another dispatcher is at it */
	d->rebuilding = why == REBUILD_LOST;
	rc = run_locked(d, pg, redis, why, err);
	d->rebuilding = false;
	if (rc < 0)
		pg_close(pg);           /* and with it the lock, whatever state the connection is in */
	else if (pg_script(pg, "SELECT pg_advisory_unlock(" LOCK_KEY ")", err) < 0)
		return -1;
	return rc;
}
