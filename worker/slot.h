/*
 * slot.h - one of a lane's threads: takes a task, runs it, hands over how it ended.
 */
#ifndef SLOT_H
#define SLOT_H

#include "exec.h"
#include "lane.h"

struct worker;

struct slot {
	struct worker *w;
	struct lane *lane;
	unsigned index;         /* in its lane */
	struct executor executor;
	pthread_t thread;
};

int slot_start(struct slot *s, struct worker *w, struct lane *lane, unsigned index, struct err *err) must_use;
void slot_join(struct slot *s);         /* its lane is closed; its child is gone afterwards */
void slot_done(struct slot *s);         /* nobody looks at it any more */

/* Fills in h->end, and the report: what becomes of a task that has run. */
void slot_decide(struct worker *w, struct held *h, struct task_result *r);

#endif
