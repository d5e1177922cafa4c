/*
 * batch.h - one transaction of the ledger: operations in, rows and pushes out.
 */
#ifndef BATCH_H
#define BATCH_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"

/* How the ledger's connection plans: its statements are all "these few rows by primary key". */
#define BATCH_PG_SETUP "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; " \
	"SET enable_mergejoin = off; SET enable_bitmapscan = off; SET jit = off"

/* Applies the n operations in one transaction, then pushes. On success every op has its status. On -1 nothing was
 * committed, or it is not known (the same operations may be given again: each is idempotent).
 * Ops that follow from these (the next chunk of a large job) are linked into *ret_more. */
int batch_run(struct dispatcher *d, struct pg *pg, struct redis *redis, struct op **ops, size_t n, struct op **ret_more,
	struct err *err) must_use;

#endif
