/*
 * quick.h - tasks of microseconds, run by the thread that got them.
 *
 * To wake a slot costs more than a noop does, and the hand-over to another thread more than the
 * step. So a claimer, or the reporter with the follow-ups of its reports, runs what is quick itself,
 * as long as a slot would start it at once. What is not, or would have to read files, goes to the lane.
 */
#ifndef QUICK_H
#define QUICK_H

#include "held.h"

struct worker;

bool quick_may_run(const struct worker *w, const struct held *h);
/* h has ended afterwards, and is still the caller's, for the reporter. */
void quick_run(struct worker *w, struct held *h);
/* Runs those of the batch that it may, up to the first that it may not, and gives them to the reporter; the rest is
 * left there. */
void quick_run_some(struct worker *w, struct line *batch);

#endif
