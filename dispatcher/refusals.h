/*
 * refusals.h - submissions that could not be accepted: table refused, list pixelfleet:dlq:jobs.
 *
 * The API shows them as the queue "jobs" of dead letters.
 */
#ifndef REFUSALS_H
#define REFUSALS_H

#include "pg.h"
#include "redis.h"

/* {"id","submission","error","at"}, newest first, as JSON list. */
int refusals_list(struct pg *pg, int limit, int offset, struct buf *to, int64_t *ret_total, struct err *err) must_use;

/* id NULL: all. Retry submits the same bytes once more (what was missing may be there now). */
int refusals_retry(struct pg *pg, struct redis *redis, const char *id, int64_t *ret_n, struct err *err) must_use;
int refusals_discard(struct pg *pg, struct redis *redis, const char *id, int64_t *ret_n, struct err *err) must_use;

#endif
