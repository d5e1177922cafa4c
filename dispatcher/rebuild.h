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

/* true when Redis or PostgreSQL is not what the queues were made from. */
int rebuild_is_needed(struct pg *pg, struct redis *redis, bool *ret, struct err *err) must_use;

/* `lost`: contents are gone; wait for workers to park what they hold, and make the dead-letter lists anew.
 * Otherwise only steps that have been queued for a while are looked at. */
int rebuild_run(struct dispatcher *d, struct pg *pg, struct redis *redis, bool lost, struct err *err) must_use;

#endif
