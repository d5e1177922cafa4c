/*
 * reporter.h - what has ended, on its way out of this worker.
 *
 * One thread. It POSTs what has finished since its last POST, as one batch; what a dispatcher
 * has answered for it takes out of pixelfleet:running, in one pipeline; and it puts back,
 * acknowledges or refuses what others gave up. Nothing else takes an entry out of `running`,
 * or out of the held set. With the answer may come follow-ups (handed.h); those that are quick it
 * runs itself, and their reports go out before the acknowledgements of the last ones, unless
 * one of those must not wait.
 *
 * A report that goes alone costs a dispatcher a batch, PostgreSQL a commit, and a wake-up of everybody on the way. So while a
 * lane's slots have more to do than they can, the reports of slow steps wait a little for others (lane.c says which, and how
 * long); all of them go when one is sent that does not wait, or when their lane, or another one that has been at work, runs
 * out of it. A lane that has long been idle waits with them.
 *
 * While no dispatcher can be reached it keeps the reports and tries again, for ever; while
 * Redis cannot be reached, the acknowledgements.
 */
#ifndef REPORTER_H
#define REPORTER_H

#include "held.h"
#include "redis.h"
#include "upstream.h"

struct worker;

struct reporter {
	struct worker *w;
	pthread_t thread;
	pthread_mutex_t lock;           /* inbox, inbox_due_ms, sleeps_until_ms, close_by_ms, wait_room */
	pthread_cond_t wake;
	pthread_cond_t room;            /* claimers wait here */
	unsigned wait_room;
	struct line inbox;
	int64_t inbox_due_ms;           /* when the first of them wants to be sent; 0: at once */
	int64_t sleeps_until_ms;        /* 0: awake */
	int64_t close_by_ms;            /* 0: no end in sight */

	size_t backlog;                 /* atomic: entries here */
	size_t waiting;                 /* atomic: reports that wait for others, here and in the syncer */
	int64_t stuck_since_ms;         /* atomic: no dispatcher takes reports since; 0: one does */
	int64_t tick_ms;                /* atomic: the thread was alive */

	/* The thread's own: */
	struct line reports, acks, putbacks, refusals, forgotten;
	struct redis redis;
	struct upstream upstream;
	size_t one_by_one;              /* so many reports go alone, to find the one that is refused */
	unsigned post_failures, redis_failures;
	int64_t post_due_ms, redis_due_ms;
	int64_t acks_since_ms;          /* the oldest of the acks; undefined when there is none */
	bool has_effects;               /* of the acks: somebody would notice if one of their tasks ran again */
};

int reporter_start(struct reporter *r, struct worker *w, struct err *err) must_use;
/* Ends within wait_ms. What could not be reported by then is put back; what could not be put back
 * stays in `running`. */
void reporter_stop(struct reporter *r, unsigned wait_ms);
void reporter_done(struct reporter *r);         /* nobody pushes any more */

/* Hands over an entry whose end is decided; by way of the syncer, when its outputs are not on the disk yet. */
void reporter_push(struct reporter *r, struct held *h);
void reporter_push_all(struct reporter *r, struct line *batch);         /* empty afterwards */
/* Somebody may soon have nothing to do: what waits for others waits no more. */
void reporter_hurry(struct reporter *r);

/* No dispatcher took a report for so long that claiming more would only pile up. */
bool reporter_is_stuck(const struct reporter *r);
/* So much waits here that claiming should pause. */
bool reporter_is_full(const struct reporter *r);
void reporter_wait_room(struct reporter *r, unsigned wait_ms);  /* until half of that has gone */
bool reporter_is_alive(const struct reporter *r);        /* its thread goes round */

#endif
