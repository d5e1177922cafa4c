/*
 * lane.h - one served queue inside this worker: the line of claimed tasks, and the slots
 * that run them.
 *
 * The claimer pushes batches, slots take one at a time. A slot that takes a quick task wakes
 * nobody; one that takes a slow task wakes the next slot first: so a burst of quick tasks is
 * one thread's loop, and slow ones spread over all slots. How much may be claimed ahead
 * follows from how long tasks take: about 50 ms of work for each slot, or, when Redis is far away, what is done
 * in the time of two claims, at most LANE_PREFETCH_MAX, and nothing when tasks take longer than
 * half a second.
 *
 * The lane also knows when nobody would be idle for lack of an answer: then the report of a slow step need not go at once,
 * see reporter.h.
 *
 * Follow-ups that a dispatcher hands over (dispatcher/handover.h) wait in the same line. Their
 * room is their own, and for slow tasks larger, so that the steps of one picture stay together;
 * where tasks take longer than half a second there is none.
 */
#ifndef LANE_H
#define LANE_H

#include "held.h"

#define LANE_PREFETCH_MAX 128

struct slot;
struct reporter;

struct lane_slot {              /* what one slot does; under the lane's lock */
	struct held *current;   /* NULL: nothing */
	int64_t since_us;       /* wall clock: started */
	uint64_t picture;       /* whose pixels its runner should have: see affinity.h */
	int64_t deadline_ms;    /* monotonic; when its time limit is over */
	int wake_fd;            /* an eventfd that ends the slot's waiting */
};

struct lane {
	char *queue;
	char *key;                      /* pixelfleet:queue:<queue> */
	unsigned nslots;
	struct lane_slot *slots;
	struct reporter *reporter;      /* takes what ends without running */
	pthread_mutex_t lock;           /* all below */
	pthread_cond_t work;            /* slots wait here */
	pthread_cond_t room;            /* the claimer waits here */
	struct line line;
	size_t handed;                  /* of those in the line */
	unsigned busy, sleeping;        /* slots that run a task; that wait for one */
	bool is_closed;                 /* slots leave; what is pushed is given back */
	bool claimer_waits;
	bool is_dry;                    /* the queue was empty when the claimer last asked */
	double avg_us;                  /* moving average of a task's time */
	double claim_us;                /* and of a claim's, from asking to having */
	int64_t claimer_tick_ms;        /* the claimer was alive */
};

void lane_init(struct lane *l, const char *queue, unsigned nslots, struct reporter *reporter);
void lane_done(struct lane *l);

/* Hands over claimed tasks; `batch` is empty afterwards. */
void lane_push(struct lane *l, struct line *batch);

/* How long a claim that was answered with tasks took. */
void lane_claim_took(struct lane *l, int64_t took_us);

/* One that a dispatcher handed over, to the end of the line or before all others. */
void lane_hand(struct lane *l, struct held *h, bool first);
size_t lane_hand_room(struct lane *l);
/* A slot has nothing to do, and nothing waits: whoever has a task may as well run it himself, and say so. */
bool lane_would_start(struct lane *l);
void lane_ran(struct lane *l, int64_t took_us);

/* Slot `i` has ended `ended` (NULL at first; its `end` says how), and takes the next: waits for it.
 * NULL: the lane is closed. */
struct held *lane_take(struct lane *l, unsigned i, struct held *ended, int64_t took_us);

enum lane_room { LANE_NONE, LANE_ROOM, LANE_FREE_SLOT, LANE_STALE };
/* Waits at most wait_ms for a reason to claim. LANE_ROOM: *ret_n may be claimed; LANE_FREE_SLOT: and
 * a slot has nothing to do (or nothing but what is another one's: affinity.h); LANE_STALE: what was claimed ahead waits for slots that stay busy. */
enum lane_room lane_wait_room(struct lane *l, int64_t wait_ms, bool need_free_slot, size_t *ret_n);
void lane_give_back(struct lane *l);    /* all that waits goes back to the queue */

/* Takes h out of the line. false: it was not waiting. It is then the caller's. */
bool lane_withdraw(struct lane *l, struct held *h);
enum lane_cancel { LANE_WITHDRAWN, LANE_STOPPED, LANE_MARKED };
/* Withdraws h when it waits, and it is the caller's; stops it when it runs; marks it when it is on its way
 * into the lane, so that the slot which takes it stops at once (or out of it, where that does no harm). */
enum lane_cancel lane_cancel(struct lane *l, struct held *h);
void lane_stop_all(struct lane *l, enum held_why why);

void lane_close(struct lane *l);        /* what waits goes back, slots leave after what they run */
unsigned lane_busy(struct lane *l);
void lane_tick(struct lane *l);
/* Marks when the task of slot i is over its time. */
void lane_set_deadline(struct lane *l, unsigned i, int64_t deadline_ms);

#endif
