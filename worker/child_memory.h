/*
 * child_memory.h - a runner's question for memory (shared/wire.h), on the worker's side: it
 * waits until the budget has room. The time of waiting is nobody's fault: the task's time limit
 * moves by it, and the watchdogs do not count it.
 */
#ifndef CHILD_MEMORY_H
#define CHILD_MEMORY_H

#include "child.h"
#include "memory_budget.h"

#include <jansson.h>

struct child_memory {
	struct memory_budget *budget;
	struct memory_turn *turn;
	/* The task's time limit is another one; 0: none while it waits. May be NULL. */
	void (*on_deadline)(void *arg, int64_t deadline_ms);
	void *arg;
};

/* The answer is sent, when it is "no" as well. *deadline_ms moves by the wait, on -1 as well. ERR_CANCEL: *stop
 * became true, or the worker drains. ERR_RETRY: the runner is of no more use. */
int child_memory_answer(const struct child *c, const struct child_memory *m, const json_t *said, const bool *stop, int wake_fd,
	int64_t *deadline_ms, struct err *err) must_use;

/* So much is held from now on, for something else than before; waits for it when that is more than it holds. ERR_REJECT: it is
 * more than a task may have. */
int child_memory_hold(const struct child *c, const struct child_memory *m, size_t bytes, const char *what, const bool *stop,
	int wake_fd, int64_t *deadline_ms, struct err *err) must_use;

#endif
