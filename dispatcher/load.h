/*
 * load.h - rows of job and step into a working set.
 */
#ifndef LOAD_H
#define LOAD_H

#include "pg.h"
#include "work.h"

/* Loads every job of the set that has no definition yet; with `lock`, in the order of ids, FOR NO KEY UPDATE. Jobs that
 * do not exist stay without a definition. */
int load_jobs(struct pg *pg, struct work *w, bool lock, struct err *err) must_use;
/* Same, when the SELECT was sent before (load_jobs_send) and its result is at hand. */
int load_jobs_send(struct pg *pg, struct work *w, struct err *err) must_use;
int load_jobs_take(struct pg *pg, struct work *w, const PGresult *r, struct err *err) must_use;

/* Loads what the set wants, and empties the list of wants. */
int load_wants(struct pg *pg, struct work *w, struct err *err) must_use;

/* Pictures and parameters of the jobs in `jobs`, where they are not known. */
int load_inputs(struct pg *pg, struct wjob **jobs, size_t n, struct err *err) must_use;

#endif
