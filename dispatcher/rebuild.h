/*
 * rebuild.h - the queues made complete from PostgreSQL.
 *
 * What Redis should hold is known: every queued step of every open job that is not in the backlog. When
 * Redis is another one than the queues were last made from (run id or epoch differ from table fleet), or a push
 * failed, or once in a while: read what is there into a set, push what is missing, write the epoch last. One
 * dispatcher at a time, under an advisory lock.
 */
#ifndef REBUILD_H
#define REBUILD_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"

enum rebuild_why {
	REBUILD_NO,             /* Redis is the one that the queues were made from: only what is overdue is looked for */
	REBUILD_FIRST,          /* no queue was ever made from this database */
	REBUILD_LOST,           /* it is another Redis, or another PostgreSQL: contents are gone */
};

int rebuild_is_needed(struct pg *pg, struct redis *redis, enum rebuild_why *ret, struct err *err) must_use;

/* Called now and then on the way: what else there is to do in time. It may use the same connections. */
typedef void (*rebuild_pause)(void *arg);

/* LOST waits for workers to park what they hold, looks at every step that was queued before, and makes the dead-letter
 * lists anew; so does a push that is owed. The others only look at steps that have been queued for a while. What it takes
 * in memory is bounded, however many steps are queued. */
int rebuild_run(struct dispatcher *d, struct pg *pg, struct redis *redis, enum rebuild_why why, rebuild_pause pause, void *arg,
	struct err *err) must_use;

#endif
