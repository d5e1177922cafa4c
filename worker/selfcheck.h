/*
 * selfcheck.h - is what this worker holds the same as what Redis says it holds?
 *
 * After a lost reply a task may be in pixelfleet:running that nobody here knows: an orphan.
 * Seen in two checks some seconds apart (a claim may be under way in the first), it is adopted.
 * After a lost Redis a task may be here that is not in `running`: it is parked there again,
 * so that the dispatchers, who rebuild the queues, see it. Unless this worker was taken for
 * dead and its list moved back to the queues: then what has not started is forgotten.
 */
#ifndef SELFCHECK_H
#define SELFCHECK_H

#include "redis.h"

struct worker;

struct orphan {
	char *raw;
	size_t len;
	int64_t seen_ms;        /* first */
};

struct selfcheck {
	struct worker *w;
	struct orphan *orphans;
	size_t norphans;
};

void selfcheck_done(struct selfcheck *c);

/* was_reaped: the heartbeat had expired and the epoch is the same. */
int selfcheck_run(struct selfcheck *c, struct redis *redis, bool was_reaped, struct err *err) must_use;

#endif
