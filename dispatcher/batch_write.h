/*
 * batch_write.h - what a batch changed: into PostgreSQL with the commit, and after it into Redis.
 */
#ifndef BATCH_WRITE_H
#define BATCH_WRITE_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"
#include "work.h"

enum write_way {
	WRITE_COMMIT,           /* BEGIN was sent */
	WRITE_AT_ONCE,          /* it was not: what is sent until the next pg_wait() is a transaction. For little */
	WRITE_LEAVES,           /* the same, of nothing else than leaf.h is for */
};

/* Every dirty row, in one pipeline that commits. Decides which pushes go to the backlog. */
int write_all(struct dispatcher *d, struct pg *pg, struct work *w, struct op **ops, size_t n, enum write_way how, struct err *err) must_use;

/* Tasks to their queues, dead letters to their lists, cancels and events to who listens. What Redis does not take
 * now is owed (d->pushes_owed), and reports of this batch are answered OP_FAILED so that they come again. */
void publish_all(struct dispatcher *d, struct pg *pg, struct redis *redis, struct work *w, struct op **ops, size_t n);

void count_metrics(const struct work *w, struct op **ops, size_t n);

#endif
