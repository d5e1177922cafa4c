/*
 * flow_stage.h - everything a flow tool needs to run, in a test: a store in the test's
 * directory, default settings, a task to change before running.
 *
 *	struct flow_stage s;
 *	flow_stage_open(&s, "filter");
 *	assert_int_equal(flow_stage_run(&s, "{\"min_score\":0.5}", "[...]"), 0);
 *	... s.result, s.err ...
 *	flow_stage_close(&s);
 */
#ifndef FLOW_STAGE_H
#define FLOW_STAGE_H

#include "flow.h"

struct flow_stage {
	struct conf conf;
	struct store store;
	struct task task;
	const struct flow_tool *tool;
	struct httpc *http;
	struct upstream gallery;        /* deliver: whose url is to be set */
	bool stop;
	int wake_fd;
	int64_t deadline_ms;
	struct task_result result;
	struct err err;
};

void flow_stage_open(struct flow_stage *s, const char *tool);
/* params: JSON, defaults are filled in; inputs: a JSON list. */
int flow_stage_run(struct flow_stage *s, const char *params, const char *inputs);
void flow_stage_close(struct flow_stage *s);
char *flow_stage_data(const struct flow_stage *s);              /* the result's data as compact JSON */
char *flow_stage_file(struct flow_stage *s, const char *name);  /* the text of an artifact */

#endif
