/*
 * control.h - what dispatchers broadcast on pixelfleet:control: {"cancel":"<job>"},
 * or with "before": only tasks enqueued before that time are meant, because others of the job may follow.
 *
 * What of that job has not started is dropped, what runs is stopped; each is reported with
 * the error kind "cancel". A broadcast that is missed costs only work in vain.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "held.h"

struct worker;

void control_start(struct worker *w);
void control_join(struct worker *w);

/* Whether the job was cancelled within the last seconds: asked of what is claimed, because a task may be
 * on its way here when the broadcast comes. */
bool control_was_cancelled(struct worker *w, const struct task *t);

/* What of a cancelled job has not started ends here; it is the caller's, and goes to the reporter. */
void control_drop(struct worker *w, struct held *h);

/* Does what one message says; anything else is ignored. */
void control_obey(struct worker *w, const char *text, unsigned long len);

#endif
