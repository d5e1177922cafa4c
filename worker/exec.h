/*
 * exec.h - running one task: its inputs, its tool, its outputs. Knows nothing of queues.
 *
 * Each slot has one executor, with its own connections and its own runner.
 */
#ifndef EXEC_H
#define EXEC_H

#include "conf.h"
#include "child.h"
#include "child_memory.h"
#include "inference.h"
#include "store.h"
#include "task.h"
#include "triton.h"
#include "upstream.h"

struct executor {
	const struct conf *conf;
	struct store *store;
	struct httpc *http;             /* to the world */
	struct triton triton;           /* to the model server */
	struct inference_seat seat;     /* to the worker's process that runs models */
	/* A step's model has to be read first; whose the executor is may set it. */
	void (*on_loading)(void *arg, const struct task *task, const char *name, int64_t bytes);
	void *arg;
	struct upstream upstream;       /* to the dispatchers */
	struct upstream gallery;        /* to the gallery's server, which may be the dispatchers */
	struct child child;
	struct memory_turn turn;        /* the task's, in the worker's budget */
	struct child_memory memory;     /* on_deadline is whose the executor is to set */
	bool leaves_sync;       /* the outputs of a task stay unsynced: whose the executor is sees to it */
	bool is_patient;                /* waits for a dispatcher that can tell the inputs, however long */
	int wake_fd;                    /* readable when a stop flag may have changed; not ours */
};

int executor_init(struct executor *x, const struct conf *conf, struct store *store, struct memory_budget *memory,
	struct inference *inference, int wake_fd, struct err *err) must_use;
void executor_done(struct executor *x);

/* Always fills *ret; a failure is in it. `stop` is atomic. The step's time limit is over at deadline_ms. */
void exec_task(struct executor *x, const struct task *t, const bool *stop, int64_t deadline_ms, struct task_result *ret);

#endif
