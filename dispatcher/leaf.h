/*
 * leaf.h - successes that nothing waits for: of steps without dependents, in jobs where all goes well.
 *
 * That is the last step of each picture, and all there is in a job of one step. What such a report does is known without a
 * look at the rows: the step is queued, and succeeds; the job runs, counts one more, and ends with the last one. So nothing is
 * read first. One statement locks the jobs in the order of their ids, changes them and the steps, and fails when any of them
 * is not what it was taken for (cancelled, reported already, put off, the end of a job in which something has failed): then
 * nothing was done, and the batch goes the long way.
 */
#ifndef LEAF_H
#define LEAF_H

#include "ledger.h"
#include "pg.h"
#include "work.h"

/* Whether all operations are such successes, as far as is known (job_facts.h). If so, their jobs and steps are put into the
 * set as they are expected to be, but for the jobs' counters, which begin at 0. The jobs are there already, with their
 * definitions where those are known. */
bool leaf_expect(struct work *w, struct op **ops, size_t n);

/* Writes them, of a set of nothing else. */
int leaf_send(struct pg *pg, const struct work *w, struct err *err) must_use;
/* Whether that was what failed: not all were as expected. */
bool leaf_was_wrong(const struct pg *pg);
/* What became of the jobs, from its result. */
void leaf_take(struct work *w, const PGresult *r);

#endif
