/*
 * claim.h - the thread that keeps one lane fed, on its own Redis connection.
 *
 * Idle, it waits with BLMOVE, which moves the task to pixelfleet:running:<worker> in the same
 * act; with more waiting, the script `claim` moves up to what the lane has room for. What is
 * quick it runs itself (quick.h). A Redis that is out of memory refuses BLMOVE but runs the
 * script, so then it polls.
 */
#ifndef CLAIM_H
#define CLAIM_H

#include "lane.h"
#include "redis.h"

struct worker;

struct claimer {
	struct worker *w;
	struct lane *lane;
	pthread_t thread;
	struct redis redis;
	int64_t client_id;      /* atomic: of the connection, to unblock it; 0: none */
	bool has_left;          /* atomic */
	unsigned connects;      /* the redis' own count when last looked at */
	bool is_dry;            /* the queue was empty when last asked */
	bool is_full;           /* Redis refuses BLMOVE for lack of memory */
	bool was_full;          /* it was said */
	unsigned failures;
};

void claimer_start(struct claimer *c, struct worker *w, struct lane *lane);
void claimer_join(struct claimer *c);

#endif
