/*
 * syncer.h - waits for the disk, so that slots need not.
 *
 * A step's outputs have to be on the disk before anybody hears of them, and a disk takes longer to say so than many a
 * step takes to run. So what has run goes by here: a thread of its own makes the outputs of all that came meanwhile durable,
 * together, then hands the reports on to the reporter. The slot has begun its next task by then. A step whose outputs
 * could not be kept is reported as failed, of kind retry. A report that may wait for others (reporter.h) waits here first, so
 * that the disk is asked once for all of them.
 */
#ifndef SYNCER_H
#define SYNCER_H

#include "held.h"

struct worker;

struct syncer {
	struct worker *w;
	pthread_t thread;
	pthread_mutex_t lock;           /* all below */
	pthread_cond_t wake, room;
	struct line line;
	int64_t due_ms;                 /* when the first of the line wants to go; 0: at once */
	int64_t sleeps_until_ms;        /* 0: awake */
	bool is_leaving;
};

void syncer_start(struct syncer *s, struct worker *w);
/* Hands over what has run, with its h->unsynced. May be called under the lane's lock. */
void syncer_push(struct syncer *s, struct held *h);
void syncer_hurry(struct syncer *s);            /* what waits for others waits no more */
/* The disk is far behind: who makes outputs waits here before he makes more. */
void syncer_wait_room(struct syncer *s);
/* After the last push: ends when all of it is with the reporter. */
void syncer_stop(struct syncer *s);

#endif
