/*
 * progress.h - what a running step has to tell whoever watches its job, published on pixelfleet:events:<job>:
 *
 *	{"progress":{"step":"boxes","item":0,"what":"loading model clip/image","bytes":351684416}}
 *
 * A slot only leaves the message; the pulse, which has a connection to Redis, publishes it. Nobody waits for it, and when
 * Redis does not take it, it is lost.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "redis.h"
#include "task.h"

#include <pthread.h>

#define PROGRESS_MOST 32        /* that wait; further ones are lost */

struct progress {
	pthread_mutex_t lock;   /* a leaf */
	struct {
		char job[37];
		char *text;
	} waiting[PROGRESS_MOST];
	size_t n;
};

void progress_init(struct progress *p);
void progress_done(struct progress *p);

/* bytes: how much there is to do, 0: not known. */
void progress_tell(struct progress *p, const struct task *task, const char *what, int64_t bytes);
void progress_publish(struct progress *p, struct redis *redis);

#endif
