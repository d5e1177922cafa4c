/*
 * batch.h - one transaction of the ledger: operations in, rows out, and what is to be pushed.
 */
#ifndef BATCH_H
#define BATCH_H

#include "dispatcher.h"
#include "pg.h"
#include "work.h"

/* How the ledger's connection plans: its statements are all "these few rows by primary key". */
#define BATCH_PG_SETUP "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; " \
	"SET enable_mergejoin = off; SET enable_bitmapscan = off; SET jit = off"

/* How many instances a batch has in memory because of this operation, roughly. */
size_t batch_weight(const struct op *op);

/* Applies the n operations in one transaction; what was loaded and changed is in *ret_work, for the pushes (publish_all)
 * and borrowing from the operations. On success every op has its status. On -1 nothing was committed, or it is not known
 * (the same operations may be given again: each is idempotent), and *ret_work is as it was: empty.
 * Ops that follow from these (the next chunk of a large job) are linked into *ret_more. */
int batch_run(struct dispatcher *d, struct pg *pg, struct work *ret_work, struct op **ops, size_t n, struct op **ret_more,
	struct err *err) must_use;

#endif
