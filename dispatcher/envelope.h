/*
 * envelope.h - task envelopes (shape: shared/task.h), made from a working set and PostgreSQL, so
 * that any dispatcher can make any task's envelope at any time.
 */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include "dispatcher.h"
#include "pg.h"
#include "work.h"

struct room;

struct outgoing {               /* a task on its way to a queue */
	struct wjob *job;
	int ordinal, attempt, pass;
	bool probe;             /* to the head of its queue, and the worker is told */
	struct room *room;      /* it is handed over, see handover.h; or NULL */
	const json_t *params;   /* replace the step's; or NULL */
	const char *at;         /* its enqueued_at; NULL: now */
	struct buf text;        /* the envelope */
};

/* Fills in the texts. Inputs come from results of this batch or from PostgreSQL. */
int envelopes_build(struct dispatcher *d, struct pg *pg, struct outgoing *out, size_t n, struct err *err) must_use;
void outgoing_free(struct outgoing *out, size_t n);

/* {"inputs":[...]} of one instance, for workers whose envelope only named it. ERR_REJECT: no such step. */
int envelope_inputs(struct pg *pg, const char *job, int ordinal, struct buf *to, struct err *err) must_use;

#endif
