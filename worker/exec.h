/*
 * exec.h - running one task: its inputs, its tool, its outputs. Knows nothing of queues.
 *
 * Each slot has one executor, with its own connections and its own runner.
 */
#ifndef EXEC_H
#define EXEC_H

#include "conf.h"
#include "child.h"
#include "store.h"
#include "task.h"
#include "upstream.h"

struct executor {
	const struct conf *conf;
	struct store *store;
	struct httpc *http;             /* to the world */
	struct upstream upstream;       /* to the dispatchers */
	struct child child;
	int wake_fd;                    /* readable when a stop flag may have changed; not ours */
};

int executor_init(struct executor *x, const struct conf *conf, struct store *store, int wake_fd, struct err *err) must_use;
void executor_done(struct executor *x);

/* Always fills *ret; a failure is in it. `stop` is atomic. The step's time limit is over at deadline_ms. */
void exec_task(struct executor *x, const struct task *t, const bool *stop, int64_t deadline_ms, struct task_result *ret);

#endif
