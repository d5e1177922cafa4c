/*
 * publisher.h - what follows from committed batches, in the order of their commits, while the next batch is at PostgreSQL.
 *
 * A batch is handed over when it is committed, or has failed for good, and belongs to the publisher from then on. Of
 * one that was committed the pushes are made; then, and only then, its operations are completed. A few batches may
 * wait; with more, who hands over waits: what is slow at the end (Redis) slows the beginning.
 *
 * A later batch may change, in PostgreSQL, what an earlier one is about to push. That is right all the same: Redis sees
 * what it would see if each push came before the next commit, because pushes are made from what the batch itself knew,
 * and what undoes them (a cancel's purge, a revived letter's removal) is published by the later batch, behind them. What
 * is read from PostgreSQL for a push is final (results of succeeded steps, a job's pictures), or a dead letter, whose row
 * is then at least as new as the batch. Between publishers there is no order, as there is none between dispatchers: a
 * task may be pushed after its job was cancelled, and its report is stale then.
 */
#ifndef PUBLISHER_H
#define PUBLISHER_H

#include "ledger.h"
#include "work.h"

struct committed {
	struct work work;               /* empty when the batch has failed */
	bool has_failed;
	struct committed *next;
	size_t n;
	struct op *ops[];
};

/* Makes the pushes of a committed batch. */
typedef void (*publish_fn)(struct committed *c, void *arg);

struct publisher;

/* A zeroed one with these operations. */
struct committed *committed_new(struct op **ops, size_t n);

struct publisher *publisher_start(publish_fn publish, void *arg);
/* Publishes what was handed over, then ends the thread. */
void publisher_stop(struct publisher *p);
/* From one thread only. at_once: nobody waits for the caller, so that it may as well publish by itself when nothing
 * else is under way: on an idle system that saves waking a thread. */
void publisher_give(struct publisher *p, struct committed *take_c, bool at_once);

#endif
