/*
 * child_task.h - one task, given to a runner: inputs go as descriptors, outputs come into
 * descriptors of the store, and the words are those of shared/wire.h.
 *
 * The runner's death is this task's error, never ours: signal, memory and time are in the
 * message. The next task finds a fresh one.
 */
#ifndef CHILD_TASK_H
#define CHILD_TASK_H

#include "child.h"
#include "child_memory.h"
#include "inference.h"
#include "store.h"
#include "task.h"
#include "triton.h"

struct child_task {
	const struct task *task;
	const json_t *params;   /* the defaults are filled in */
	const json_t *inputs;
	struct store *store;
	struct triton *triton;  /* NULL: models cannot be asked for */
	struct inference_seat *seat;
	/* A model has to be read first; may be NULL. */
	void (*on_loading)(void *arg, const struct task *task, const char *name, int64_t bytes);
	void *arg;
	const bool *stop;       /* atomic: end with ERR_CANCEL */
	int wake_fd;            /* readable when stop may have changed */
	int64_t deadline_ms;    /* monotonic; waiting for memory does not count */
	struct child_memory memory;
};

/* result->artifacts, data, signal and peak_rss_kb are filled as far as they are known, on -1 as well. */
int child_run(struct child *c, const struct child_task *job, struct task_result *result, struct err *err) must_use;

#endif
