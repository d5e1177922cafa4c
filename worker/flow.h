/*
 * flow.h - the tools that run in the worker itself: they talk, count and wait, and never
 * decode a picture.
 *
 * To add one: its rows in shared/tools.def (runs PARENT), its line in flows.def, its file
 * flow_NAME.c with `int flow_NAME(...)`, and tests/unit/test_flow_NAME.c.
 */
#ifndef FLOW_H
#define FLOW_H

#include "conf.h"
#include "httpc.h"
#include "store.h"
#include "task.h"
#include "upstream.h"

struct flow_job {
	const struct task *task;
	const json_t *params;           /* the defaults are filled in */
	const json_t *inputs;           /* a list, as in task.h */
	const struct conf *conf;
	struct store *store;
	struct httpc *http;
	struct upstream *gallery;       /* where results of photo and text messages go */
	const bool *stop;               /* atomic: end with ERR_CANCEL soon */
	int wake_fd;                    /* readable when stop has changed */
	int64_t deadline_ms;            /* monotonic: the step's time limit */
};

struct flow_tool {
	const char *name;
	bool is_quick;                  /* microseconds: not worth waking another thread for */
	/* Fills ret->artifacts and ret->data, both NULL before. */
	int (*run)(const struct flow_job *job, struct task_result *ret, struct err *err) must_use;
};

#define FLOW(name, speed) int flow_##name(const struct flow_job *job, struct task_result *ret, struct err *err) must_use;
#include "flows.def"
#undef FLOW

const struct flow_tool *flow_find(const char *name);    /* NULL: no such tool in the parent */
bool flow_is_quick(const struct task *t);

/* The data of inputs[i], from the task or from the artifact that it was too large for; NULL when
 * the input is no data. *ret is a new reference. */
int flow_input_data(const struct flow_job *job, size_t i, json_t **ret, struct err *err) must_use;
/* REQUEST_TIMEOUT, or what is left of the step's time limit; at least 1. */
unsigned flow_request_timeout_s(const struct flow_job *job);

#endif
