/*
 * crew_inside.h - what crew.c (the queue, who does what) and crew_work.c (doing it) share. One lock guards all of it but
 * what is in hand: a caller has its round_of, and the requests in it, to itself until it leaves; only
 * `live`, `kill_at` and is_gone are the lock's there, too.
 */
#ifndef CREW_INSIDE_H
#define CREW_INSIDE_H

#include "crew.h"
#include "round.h"
#include "sync.h"

enum work { WORK_NONE, WORK_TIDY, WORK_DESCRIBE, WORK_RUN, WORK_LOAD, WORK_REFUSE };

/* What one caller does. */
struct round_of {
	struct round_of *next;
	enum work work;
	struct shelved *model;
	struct request *r[ROUND_MOST];
	size_t n, live;                 /* live: those whose asker is still there, and was not refused */
	void *run;                      /* the engine's handle; NULL: nothing to stop */
	int64_t kill_at;                /* monotonic ms; 0: not at all */
	bool was_quiet;                 /* of a load: nobody else did anything when it began */
	struct removed removed;         /* to be put away first */
};

struct crew {
	struct crew_options o;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t *threads;
	size_t nthreads;
	bool is_stopped;
	struct request *queue;          /* oldest first */
	struct round_of *rounds;
	size_t active;                  /* callers that have work */
	struct shelf shelf;
};

/* ---- crew.c ---- */

/* Under the lock. */
void crew_enqueue_first(struct crew *c, struct request *r);
void crew_unlink(struct crew *c, struct request *r);

/* ---- crew_work.c; all without the lock ---- */

void crew_work(struct crew *c, struct round_of *w);
void crew_put_away(struct crew *c, struct removed *gone);

/* Answers; all but the first end the request. */
void crew_say_loading(struct request *r);
void crew_describe(struct crew *c, struct request *r, const struct signature *s, unsigned load_ms);
void crew_refuse(struct request *r, const struct err *why);
void crew_finish(struct request *r);

#endif
