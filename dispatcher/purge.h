/*
 * purge.h - tasks of jobs that are over, out of the queues. They would do no harm (their reports are
 * stale), only waste work; so this is done now and then for many jobs at once, a piece of a list at a time.
 */
#ifndef PURGE_H
#define PURGE_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"

struct purge *purge_new(void);
void purge_free(struct purge *p);
/* Takes tasks that were enqueued before `before` (as clock_format() writes it); PURGE_ALL: all of them. */
#define PURGE_ALL "~"
void purge_add(struct purge *p, const char *job, const char *before);
/* The broadcast that tells workers: {"cancel":"<job>"} or, when tasks of the job may follow, {"cancel":"<job>","before":"..."}. */
int purge_tell(struct redis *redis, const char *job, const char *before, struct err *err) must_use;
/* Goes over all queues if there is anything to do. */
int purge_run(struct dispatcher *d, struct redis *redis, struct err *err) must_use;
/* The broadcast reaches only who listens just then. Tells again of jobs that are over and have steps which, the
 * heartbeats say, still run: each would keep a slot until its time limit. */
int purge_strays(struct pg *pg, struct redis *redis, struct err *err) must_use;

#endif
