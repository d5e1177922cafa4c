/*
 * memory_budget.h - how much of the machine's memory all pictures of a worker may take at once.
 *
 * A runner says what its task will hold before it decodes; the slot takes that much here, and
 * waits when less is free. (A little it may take before, so that nobody has to ask: see
 * child_task.c.) First come, first served: while a large one waits, no small one overtakes it, so
 * each gets its turn.
 *
 * Nobody waits for ever and no two for each other: what one task may ask for (`most`) is never
 * more than the whole (`total`); a task holds nothing while it waits, for a second question of
 * the same task gives back first what the first one got; and who holds something is bounded by
 * its own time limit, and waits for nothing in here.
 *
 *	if (memory_take(&budget, &turn, bytes) == MEMORY_WAITS)
 *		poll(turn.wake_fd), then memory_look(&budget, &turn) until it is another state
 *	...
 *	memory_give(&budget, &turn);            however the task ended
 */
#ifndef MEMORY_BUDGET_H
#define MEMORY_BUDGET_H

#include "conf.h"

#include <pthread.h>

enum memory_state { MEMORY_NONE, MEMORY_WAITS, MEMORY_GRANTED, MEMORY_TOO_LARGE, MEMORY_CLOSED };

struct memory_turn {                    /* of one slot; the budget's lock */
	struct memory_turn *after;
	size_t bytes;
	enum memory_state state;
	int wake_fd;                    /* an eventfd: the state is no longer MEMORY_WAITS */
};

struct memory_budget {
	size_t total, most;             /* of all tasks, of one */
	pthread_mutex_t lock;           /* all below; a leaf: nothing else is locked under it */
	size_t granted, peak;           /* now, and at most so far */
	struct memory_turn *first, *last;
	bool is_closed;
};

void memory_budget_init(struct memory_budget *b, size_t total, size_t most);
void memory_budget_done(struct memory_budget *b);       /* no turn is left */
/* The settings say how much; see memory_limits(). */
void memory_budget_open(struct memory_budget *b, const struct conf *conf);
/* Whoever waits shall not, nor wait from now on: MEMORY_CLOSED. What is granted stays. */
void memory_budget_close(struct memory_budget *b);

void memory_turn_init(struct memory_turn *t);
void memory_turn_done(struct memory_turn *t);           /* it was given back */

/* MEMORY_GRANTED, MEMORY_WAITS, MEMORY_TOO_LARGE (over `most`, never), or MEMORY_CLOSED. */
enum memory_state memory_take(struct memory_budget *b, struct memory_turn *t, size_t bytes);
/* Granted at once, or nothing is held: nobody waits. */
bool memory_try(struct memory_budget *b, struct memory_turn *t, size_t bytes) must_use;
enum memory_state memory_look(struct memory_budget *b, struct memory_turn *t);
void memory_give(struct memory_budget *b, struct memory_turn *t);       /* in any state */
/* What is granted becomes at most so much: the picture was let go of, and something else is waited for. */
void memory_keep(struct memory_budget *b, struct memory_turn *t, size_t bytes);

/* As memory_keep() where more is granted, else as memory_take(). */
enum memory_state memory_hold(struct memory_budget *b, struct memory_turn *t, size_t bytes);

/* "memory: 900 MiB of 2048 MiB are free, it needs 1200 MiB", with how many come before it; "" when it does not wait. */
void memory_describe(struct memory_budget *b, const struct memory_turn *t, char *text, size_t size);
size_t memory_peak(struct memory_budget *b, size_t *ret_granted);

/* The two limits in bytes. The worker's 0 is half of what its cgroup or the machine has; a task never has more than
 * the worker, nor than the address space of a runner. */
void memory_limits(const struct conf *conf, size_t available, size_t *ret_total, size_t *ret_most);
/* The least memory.max of the process's cgroup (v2) and those above it, or the machine's memory. */
size_t memory_available(const char *proc_cgroup, const char *cgroup_root);

#endif
