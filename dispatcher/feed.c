#include "feed.h"

#include "backlog.h"
#include "clock.h"
#include "envelope.h"
#include "fault.h"
#include "load.h"
#include "queues.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK    2000LL
#define RUN_MAX  20000LL        /* of one queue at a time: other dispatchers feed it, too, and see only then that it is full */
#define WHOLE_MS 5000
#define LATE     50000LL        /* what is committed after so many later steps is found by the next look from the beginning */
#define ROWS_MIN 16

/* The jobs of the rows, one for each; steps of one job stand side by side. */
static struct wjob **jobs_of(struct work *w, const PGresult *r)
{
	int rows = PQntuples(r);
	struct wjob **jobs = xcalloc((size_t)rows, sizeof *jobs);

	for (int k = 0; k < rows; k++) {
		uint8_t raw[16];
		char id[UUID_TEXT];

		pg_uuid(r, k, 1, raw);
		if (k && memcmp(raw, jobs[k - 1]->raw, sizeof raw) == 0) {
			jobs[k] = jobs[k - 1];
			continue;
		}
		uuid_text(raw, id);
		jobs[k] = work_add_job(w, id);
	}
	return jobs;
}

/* They leave the table when their tasks are in the queue: a crash in between pushes twice, which does no harm. */
static int push_steps(struct dispatcher *d, struct pg *pg, struct redis *redis, const PGresult *r, struct err *err)
{
	scoped(work_done) struct work w = { 0 };
	scoped(free_p) struct wjob **jobs = jobs_of(&w, r);
	struct outgoing *out = xcalloc((size_t)PQntuples(r), sizeof *out);
	size_t n = 0;
	int rc = load_jobs(pg, &w, err);

	for (int row = 0; rc == 0 && row < PQntuples(r); row++) {
		struct wjob *j = jobs[row];

		if (j->def && j->state == JOB_RUNNING && pg_bool(r, row, 5))
			out[n++] = (struct outgoing){ .job = j, .ordinal = (int)pg_int(r, row, 2), .attempt = (int)pg_int(r, row, 3),
				.pass = (int)pg_int(r, row, 4) };
	}
	if (rc == 0 && n)
		rc = envelopes_build(d, pg, out, n, err);
	if (rc == 0 && n)
		rc = queues_push(redis, out, n, err);
	if (rc == 0)
		fault_die("feed.pushed");
	outgoing_free(out, n);
	return rc;
}

/* The next look begins about there: not behind the last row, as others are being written yet. */
static void remember(struct feed_place *p, const PGresult *r)
{
	int steps = PQntuples(r);

	p->rows = 1;
	for (int k = 1; k < steps; k++)
		p->rows += pg_int(r, k, 0) != pg_int(r, k - 1, 0);
	p->seq = max_of(p->seq, pg_int(r, steps - 1, 0) - LATE * p->rows / steps);
}

/* *ret_n: how many steps were taken. Only one dispatcher at a time feeds a queue; for the others this is none. A commit
 * that PostgreSQL forgets in a crash pushes twice, which does no harm, so nobody waits for it. */
static int feed_some(struct feed_place *p, struct dispatcher *d, struct pg *pg, struct redis *redis, long long room, int *ret_n,
	struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	int most = (int)min_of(room, CHUNK), rows = min_of(2 * p->rows + ROWS_MIN, most);

	if (backlog_take(pg, p->queue, p->seq, rows, most, &r, err) < 0 ||
	    (r && PQntuples(r) && push_steps(d, pg, redis, r, err) < 0)) {
		pg_rollback(pg);
		return -1;
	}
	*ret_n = r ? PQntuples(r) : 0;
	if (*ret_n)
		remember(p, r);
	return pg_script(pg, "COMMIT", err);
}

static struct feed_place *place_of(struct feed *f, const char *queue)
{
	for (size_t k = 0; k < f->n; k++)
		if (strcmp(f->places[k].queue, queue) == 0)
			return &f->places[k];
	if (f->n == FEED_QUEUES_MAX)
		return NULL;
	snprintf(f->places[f->n].queue, sizeof f->places[0].queue, "%s", queue);
	return &f->places[f->n++];
}

static void know_queues(struct feed *f, struct dispatcher *d)
{
	char names[FEED_QUEUES_MAX][40];
	size_t n = queues_names(d->queues, names, FEED_QUEUES_MAX);

	for (size_t k = 0; k < n; k++)
		(void)place_of(f, names[k]);
}

/* The queues that have a backlog, whoever wrote it: one look into the index for each. */
static int look_from_the_beginning(struct feed *f, struct dispatcher *d, struct pg *pg, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(pg, &r, err, "WITH RECURSIVE q AS ((SELECT queue FROM backlog ORDER BY queue LIMIT 1) UNION ALL "
			"SELECT (SELECT b.queue FROM backlog b WHERE b.queue > q.queue ORDER BY b.queue LIMIT 1) FROM q WHERE q.queue IS NOT NULL) "
			"SELECT queue FROM q WHERE queue IS NOT NULL", PG_NONE) < 0)
		return -1;
	for (size_t k = 0; k < f->n; k++) {
		f->places[k].has_backlog = false;
		f->places[k].seq = 0;
	}
	for (int row = 0; row < PQntuples(r); row++) {
		struct feed_place *p = place_of(f, pg_text(r, row, 0));

		queues_know(d->queues, pg_text(r, row, 0));
		if (p)
			p->has_backlog = true;
	}
	f->whole_ms = clock_mono_ms() + WHOLE_MS;
	return 0;
}

/* Of the queues that are known, which have a backlog. */
static int look(struct feed *f, struct pg *pg, struct err *err)
{
	scoped(buf_free) struct buf queues = { 0 }, seqs = { 0 };
	scoped(PQclear_p) PGresult *r = NULL;

	pg_array_begin(&queues), pg_array_begin(&seqs);
	for (size_t k = 0; k < f->n; k++) {
		pg_array_text(&queues, f->places[k].queue);
		pg_array_int(&seqs, f->places[k].seq);
	}
	pg_array_end(&queues), pg_array_end(&seqs);
	if (pg_query(pg, &r, err, "SELECT EXISTS (SELECT FROM backlog b WHERE b.queue = u.queue AND b.seq >= u.seq) "
			"FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY u(queue, seq, n) ORDER BY u.n", PG_VALUES(queues.text, seqs.text)) < 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++)
		f->places[row].has_backlog = pg_bool(r, row, 0);
	return 0;
}

static int feed_queue(struct feed_place *p, struct dispatcher *d, struct pg *pg, struct redis *redis, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *len = NULL;
	long long room;
	int n = 1;

	if (redis_command(redis, &len, err, "LLEN pixelfleet:queue:%s", p->queue) < 0)
		return -1;
	room = min_of((long long)d->conf.queue_window - queues_measured(d->queues, p->queue, len->integer, p->has_backlog), RUN_MAX);
	for (; p->has_backlog && n && room > 0; room -= n)
		if (feed_some(p, d, pg, redis, room, &n, err) < 0)
			return -1;
	return 0;
}

int feed_run(struct feed *f, struct dispatcher *d, struct pg *pg, struct redis *redis, struct err *err)
{
	know_queues(f, d);
	if ((clock_mono_ms() >= f->whole_ms ? look_from_the_beginning(f, d, pg, err) : look(f, pg, err)) < 0)
		return -1;
	for (size_t k = 0; k < f->n; k++)
		if (feed_queue(&f->places[k], d, pg, redis, err) < 0)
			return -1;
	return 0;
}
