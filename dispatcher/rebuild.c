#include "rebuild.h"

#include "backlog.h"
#include "clock.h"
#include "envelope.h"
#include "load.h"
#include "log.h"
#include "metrics.h"
#include "queues.h"
#include "ranges.h"
#include "relist.h"
#include "taskset.h"
#include "uuid.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_KEY     "7262726675"
#define PARK_WAIT_MS 2000       /* workers park what they hold */
#define PUSH_WAIT_MS 1000       /* what was committed before arrives */
#define JOBS_PAGE    "500"
#define LIST_PAGE    2000
#define BACKLOG_PAGE "1000"
#define PAUSE_STEPS  10000
#define PUSH_CHUNK   1000
#define SETTLED_S    "10"       /* a scan leaves alone what was queued just now: it may be on its way */
#define MARK         "pixelfleet:rebuilding"

/* One comparison of the queues with PostgreSQL. */
struct scan {
	struct dispatcher *d;
	struct pg *pg;
	struct redis *redis;
	struct taskset set;
	char before[40];                /* PostgreSQL's time; steps that changed later are left alone */
	size_t found, pushed;
	rebuild_pause pause;
	void *arg;
};

/* Large parts go piece by piece; in between other things get their turn. */
static int go_on(struct scan *s, struct err *err)
{
	s->pause(s->arg);
	return s->d->stopping ? err_set(err, ERR_CANCEL, "the dispatcher stops") : 0;
}

static void wait_ms(struct scan *s, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (clock_mono_ms() < until && !s->d->stopping) {
		s->pause(s->arg);
		clock_sleep_ms(50);
	}
}

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

/* From the right end to the left: workers take from the left meanwhile, and what is pushed at the right only makes some be
 * read twice. */
static int read_list(struct scan *s, const char *key, struct err *err)
{
	for (long long last = -1;; last -= LIST_PAGE) {
		scoped(freeReplyObject_p) redisReply *r = NULL;

		if (redis_command(s->redis, &r, err, "LRANGE %s %lld %lld", key, last - LIST_PAGE + 1, last) < 0)
			return -1;
		for (size_t k = 0; k < r->elements; k++)
			taskset_add_entry(&s->set, r->element[k]->str, r->element[k]->len);
		if (r->elements < LIST_PAGE)
			return 0;
	}
}

static int read_lists(struct scan *s, const char *names_key, const char *prefix, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *names = NULL;

	if (redis_command(s->redis, &names, err, "SMEMBERS %s", names_key) < 0)
		return -1;
	for (size_t k = 0; k < names->elements; k++) {
		scoped(free_p) char *key = xasprintf("%s%s", prefix, names->element[k]->str);

		if (read_list(s, key, err) < 0 || go_on(s, err) < 0)
			return -1;
	}
	return 0;
}

static int read_backlog(struct scan *s, struct err *err)
{
	scoped(free_p) char *queue = xstrdup(""), *seq = xstrdup("0");
	size_t read = 0;

	for (;;) {
		scoped(PQclear_p) PGresult *r = NULL;
		int rows;

		if (pg_query(s->pg, &r, err, "SELECT job::text, ordinal, stride, steps, queue, seq FROM backlog WHERE (queue, seq) > ($1, $2::bigint) "
				"ORDER BY queue, seq LIMIT " BACKLOG_PAGE, PG_VALUES(queue, seq)) < 0)
			return -1;
		rows = PQntuples(r);
		for (int row = 0; row < rows; row++) {
			struct series of = { (int)pg_int(r, row, 1), (int)pg_int(r, row, 2), (int)pg_int(r, row, 3) };

			for (int k = 0; k < of.steps; k++)
				taskset_add(&s->set, pg_text(r, row, 0), series_ordinal(&of, k));
			read += (size_t)of.steps;
			if (read >= PAUSE_STEPS && go_on(s, err) < 0)
				return -1;
			read %= PAUSE_STEPS;
		}
		if (!rows)
			return 0;
		free(queue), free(seq);
		queue = xstrdup(pg_text(r, rows - 1, 4)), seq = xstrdup(pg_text(r, rows - 1, 5));
	}
}

/* In the order in which tasks go, from the backlog to a queue to a running list, so that each is seen in one of them. One
 * that moves back meanwhile may be missed, and is then pushed twice, which does no harm. */
static int read_what_is_there(struct scan *s, struct err *err)
{
	return read_backlog(s, err) < 0 || read_lists(s, "pixelfleet:queues", "pixelfleet:queue:", err) < 0 ||
		read_lists(s, "pixelfleet:workers", "pixelfleet:running:", err) < 0 ? -1 : 0;
}

/* ---- what is missing ---- */

static int push_chunk(struct scan *s, struct outgoing *out, size_t n, struct err *err)
{
	int rc = envelopes_build(s->d, s->pg, out, n, err);

	if (rc == 0)
		rc = queues_push(s->redis, out, n, err);
	if (rc == 0)
		metric_add(METRIC_REBUILT_TASKS, n);
	for (size_t k = 0; k < n; k++)
		buf_free(&out[k].text);
	return rc;
}

/* Steps over the window go to the backlog. */
static int put_in_backlog(struct pg *pg, const struct outgoing *out, size_t n, struct err *err)
{
	scoped(backlog_done) struct backlog b = { 0 };
	int item;

	for (size_t k = 0; k < n; k++)
		if (backlog_add(&b, pg, work_node(out[k].job, out[k].ordinal, &item)->queue, out[k].job->raw, out[k].ordinal, err) < 0)
			return -1;
	return backlog_send(&b, pg, err) < 0 ? -1 : pg_settle(pg, err);
}

static int push_missing(struct scan *s, struct work *w, const PGresult *steps, struct err *err)
{
	scoped(free_p) struct outgoing *out = xcalloc(PUSH_CHUNK, sizeof *out), *over = xcalloc(PUSH_CHUNK, sizeof *over);
	int rows = PQntuples(steps);

	for (int row = 0; row < rows;) {
		size_t n = 0, nover = 0;

		for (; row < rows && n < PUSH_CHUNK && nover < PUSH_CHUNK; row++) {
			struct outgoing o = { .job = work_job(w, pg_text(steps, row, 0)), .ordinal = (int)pg_int(steps, row, 1),
				.attempt = (int)pg_int(steps, row, 2), .pass = (int)pg_int(steps, row, 3) };
			int item;

			if (!o.job || !o.job->def || taskset_has(&s->set, o.job->id, o.ordinal))
				continue;
			if (queues_reserve(s->d->queues, work_node(o.job, o.ordinal, &item)->queue, o.job->high))
				out[n++] = o;
			else
				over[nover++] = o;
		}
		if ((n && push_chunk(s, out, n, err) < 0) || put_in_backlog(s->pg, over, nover, err) < 0)
			return -1;
		s->pushed += n + nover;
	}
	return 0;
}

/* Where the scan is: the jobs before this one are done, and of this one the instances before `from`. */
struct place {
	char job[UUID_TEXT];
	int from;
};

struct page {
	struct work work;
	struct ranges ranges;
};

static void page_done(struct page *p)
{
	work_done(&p->work);
	ranges_done(&p->ranges);
}

/* Large jobs take several pages: what one page takes in memory and time does not depend on the jobs. */
static void page_fill(struct page *p, const PGresult *jobs, struct place *at)
{
	for (int row = 0; row < PQntuples(jobs) && p->ranges.rows < RANGES_ROWS; row++) {
		const char *job = pg_text(jobs, row, 0);
		int lo = strcmp(job, at->job) == 0 ? at->from : 0, hi = min_of((int)pg_int(jobs, row, 1), lo + RANGES_ROWS - p->ranges.rows);

		snprintf(at->job, sizeof at->job, "%s", job);
		at->from = max_of(lo, hi);
		if (hi <= lo)
			continue;
		work_add_job(&p->work, job);
		ranges_add(&p->ranges, job, lo, hi);
	}
	ranges_end(&p->ranges);
}

static int push_page(struct scan *s, struct page *p, struct err *err)
{
	scoped(PQclear_p) PGresult *steps = NULL;

	if (load_jobs(s->pg, &p->work, err) < 0 ||
	    pg_query(s->pg, &steps, err, "SELECT s.job::text, s.ordinal, s.attempt, s.pass "
			"FROM unnest($1::uuid[], $2::int[], $3::int[]) u(job, lo, hi) "
			"JOIN step s ON s.job = u.job AND s.ordinal >= u.lo AND s.ordinal < u.hi "
			"WHERE s.state = 'queued' AND s.changed_at < $4::timestamptz ORDER BY s.job, s.ordinal",
			PG_VALUES(p->ranges.jobs.text, p->ranges.lo.text, p->ranges.hi.text, s->before)) < 0)
		return -1;
	return push_missing(s, &p->work, steps, err);
}

static int push_all_missing(struct scan *s, struct err *err)
{
	struct place at = { "00000000-0000-0000-0000-000000000000", 0 };

	for (;;) {
		scoped(page_done) struct page p = { .ranges = { .rows = 0 } };
		scoped(PQclear_p) PGresult *jobs = NULL;

		if (pg_query(s->pg, &jobs, err, "SELECT j.id::text, j.made FROM job j WHERE j.state = 'running' AND j.id >= $1::uuid ORDER BY j.id "
				"LIMIT " JOBS_PAGE, PG_VALUES(at.job)) < 0)
			return -1;
		page_fill(&p, jobs, &at);
		if (p.ranges.rows && push_page(s, &p, err) < 0)
			return -1;
		if (!p.ranges.rows && PQntuples(jobs) <= 1)    /* the one that the scan was at */
			return 0;
		if (go_on(s, err) < 0)
			return -1;
	}
}

/* ---- all of it ---- */

/* Everything, or, where nothing is known to be amiss, what has been queued for a while. */
static int choose_time(struct scan *s, bool everything, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(s->pg, &r, err, "SELECT (clock_timestamp() - CASE WHEN $1::boolean THEN interval '0' "
			"ELSE interval '" SETTLED_S " seconds' END)::text",
			PG_VALUES(everything ? "t" : "f")) < 0)
		return -1;
	snprintf(s->before, sizeof s->before, "%s", pg_text(r, 0, 0));
	return 0;
}

static int compare(struct scan *s, bool everything, struct err *err)
{
	do {
		if (read_what_is_there(s, err) < 0 || push_all_missing(s, err) < 0 ||
		    (everything && relist_missing(s->d, s->pg, s->redis, &s->set, err) < 0))
			return -1;
		s->found += s->set.n;
	} while (taskset_next(&s->set));
	return relist_wrong(s->d, s->pg, s->redis, everything, err);
}

static int run_locked(struct scan *s, enum rebuild_why why, struct err *err)
{
	/* What fails from here on is owed again. What is owed was committed before; what is committed later its ledger pushes. */
	bool lost = why != REBUILD_NO, owed = atomic_exchange(&s->d->pushes_owed, false);
	int64_t began = clock_mono_ms();

	if (choose_time(s, why == REBUILD_LOST || owed, err) < 0) {
		s->d->pushes_owed |= owed;
		return -1;
	}
	if (why == REBUILD_LOST || owed)
		wait_ms(s, why == REBUILD_LOST ? PARK_WAIT_MS : PUSH_WAIT_MS);
	if ((lost && mark_begin(s->d, s->redis, err) < 0) || compare(s, lost || owed, err) < 0 ||
	    (lost && write_identity(s->pg, s->redis, err) < 0)) {
		s->d->pushes_owed = true;
		return -1;
	}
	metric_add(METRIC_REBUILDS, 1);
	if (lost || s->pushed)
		log_info("rebuild.done", "lost=%d found=%zu pushed=%zu ms=%lld", lost, s->found, s->pushed, (long long)(clock_mono_ms() - began));
	return 0;
}

int rebuild_run(struct dispatcher *d, struct pg *pg, struct redis *redis, enum rebuild_why why, rebuild_pause pause, void *arg,
	struct err *err)
{
	struct scan s = { .d = d, .pg = pg, .redis = redis, .pause = pause, .arg = arg };
	scoped(PQclear_p) PGresult *r = NULL;
	int rc;

	if (pg_query(pg, &r, err, "SELECT pg_try_advisory_lock(" LOCK_KEY ")", PG_NONE) < 0)
		return -1;
	if (*pg_text(r, 0, 0) != 't')
		return 0;               /* another dispatcher is at it */
	d->rebuilding = why == REBUILD_LOST;
	rc = run_locked(&s, why, err);
	taskset_done(&s.set);
	d->rebuilding = false;
	if (rc < 0)
		pg_close(pg);           /* and with it the lock, whatever state the connection is in */
	else if (pg_script(pg, "SELECT pg_advisory_unlock(" LOCK_KEY ")", err) < 0)
		return -1;
	return rc;
}
