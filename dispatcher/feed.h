/* feed.h - measures the queues, and moves steps from the backlog table into those that have room. */
#ifndef FEED_H
#define FEED_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"

int feed_run(struct dispatcher *d, struct pg *pg, struct redis *redis, struct err *err) must_use;

#endif
