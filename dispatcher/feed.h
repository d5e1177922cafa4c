/*
 * feed.h - measures the queues, and moves steps from the backlog table into those that have room.
 *
 * A table that is emptied from its head keeps, until it is vacuumed, an index full of what was there. So where the head is
 * now is remembered, and only now and then looked for from the beginning.
 */
#ifndef FEED_H
#define FEED_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"

#define FEED_QUEUES_MAX 256

struct feed {                           /* all zero at first */
	struct feed_place {
		char queue[40];
		int64_t seq;            /* nothing, or little, of its backlog is before this one */
		int rows;               /* taken at once the last time: the next time it will be about as many */
		bool has_backlog;
	} places[FEED_QUEUES_MAX];
	size_t n;
	int64_t whole_ms;               /* when it is to be looked for from the beginning */
};

int feed_run(struct feed *f, struct dispatcher *d, struct pg *pg, struct redis *redis, struct err *err) must_use;

#endif
