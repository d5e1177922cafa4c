#include "flow.h"

#include "clock.h"
#include "inputs.h"

#include <string.h>

enum { SLOW = false, QUICK = true };

static const struct flow_tool tools[] = {
#define FLOW(name, speed) { #name, speed, flow_##name },
#include "flows.def"
#undef FLOW
};

const struct flow_tool *flow_find(const char *name)
{
	for (size_t i = 0; i < countof(tools); i++)
		if (strcmp(tools[i].name, name) == 0)
			return &tools[i];
	return NULL;
}

bool flow_is_quick(const struct task *t)
{
	const struct flow_tool *f;

	if (!t->tool || t->tool->runs != TOOL_PARENT || t->inputs_url || t->is_requeue)
		return false;
	f = flow_find(t->tool->name);
	return f && f->is_quick;
}

int flow_input_data(const struct flow_job *job, size_t i, json_t **ret, struct err *err)
{
	return input_data(job->store, json_array_get(job->inputs, i), ret, err);
}

unsigned flow_request_timeout_s(const struct flow_job *job)
{
	int64_t left_s = (job->deadline_ms - clock_mono_ms()) / 1000, most = job->conf->request_timeout_s;

	left_s = min_of(left_s, most);
	return (unsigned)max_of(left_s, (int64_t)1);
}
