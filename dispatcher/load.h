/*
 * load.h - rows of job and step into a working set.
 */
#ifndef LOAD_H
#define LOAD_H

#include "pg.h"
#include "work.h"

/* Definitions of jobs of the set that were seen lately, so that work_want() can be called for them before their rows are
 * loaded. Not in a transaction. */
int load_known(struct pg *pg, struct work *w, struct err *err) must_use;

/* Loads the rows of all jobs of the set that have not been. Jobs that do not exist have no definition then. */
int load_jobs(struct pg *pg, struct work *w, struct err *err) must_use;
/* The same in two halves, with a pg_wait() between them; locks the rows, in the order of ids, FOR NO KEY UPDATE. */
int load_jobs_send(struct pg *pg, struct work *w, struct err *err) must_use;
int load_jobs_take(struct pg *pg, struct work *w, const PGresult *r, struct err *err) must_use;

/* Loads what the set wants, and empties the list of wants. */
int load_wants(struct pg *pg, struct work *w, struct err *err) must_use;
/* Of single instances in two halves; whole jobs are not sent for, and no longer wanted. */
int load_wants_send(struct pg *pg, struct work *w, bool *ret_sent, struct err *err) must_use;
void load_wants_take(struct work *w, const PGresult *r);

/* Pictures and parameters of the jobs in `jobs`, where they are not known. */
int load_inputs(struct pg *pg, struct wjob **jobs, size_t n, struct err *err) must_use;

#endif
