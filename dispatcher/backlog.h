/*
 * backlog.h - queued steps over the window that Redis holds: table backlog.
 *
 * A row is a series of one job's instances, so that what comes and goes with a large job costs next to nothing. First in,
 * first out in each queue: by rows, and in each row by ordinals. Where a series does not fit, its front part is taken, and
 * the rest stays in its place.
 *
 *	scoped(backlog_done) struct backlog b = { 0 };
 *	for (...)                                       // by job, and in it by ordinal
 *		if (backlog_add(&b, pg, queue, job, ordinal, err) < 0)
 *			return -1;
 *	return backlog_send(&b, pg, err);               // goes with the next pg_wait()
 */
#ifndef BACKLOG_H
#define BACKLOG_H

#include "series.h"
#include "table.h"

#define BACKLOG_OPEN 8          /* queues of one job in which a series goes on though there are steps of others in between */

/* Rows on their way into the table; all zero at first. */
struct backlog {
	struct table table;
	uint8_t job[16];
	struct backlog_open {           /* the last of this job in each of its queues */
		const char *queue;
		struct series series;
	} open[BACKLOG_OPEN];
	int nopen;
};

void backlog_done(struct backlog *b);
/* `queue` is borrowed until backlog_send(). */
int backlog_add(struct backlog *b, struct pg *pg, const char *queue, const uint8_t job[16], int ordinal, struct err *err) must_use;
int backlog_send(struct backlog *b, struct pg *pg, struct err *err) must_use;

/* Takes `most` steps at most, those of at most `rows` rows from seq `from` on, and begins a transaction: when it is committed
 * they are out of the table, but for a commit that PostgreSQL forgets in a crash. A row of *ret for each, in order, binary:
 * seq, job, ordinal, attempt, pass, whether it is queued still. NULL when another dispatcher is at this queue. On -1, too,
 * there may be a transaction. */
int backlog_take(struct pg *pg, const char *queue, int64_t from, int rows, int most, PGresult **ret, struct err *err) must_use;

#endif
