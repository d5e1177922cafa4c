#include "flow.h"

static bool is_meant(const struct flow_job *job)
{
	const json_t *items = json_object_get(job->params, "items"), *until = json_object_get(job->params, "until_attempt");

	if (until && job->task->attempt >= json_integer_value(until))
		return false;
	if (!items)
		return true;
	for (size_t i = 0; i < json_array_size(items); i++)
		if (json_integer_value(json_array_get(items, i)) == job->task->item)
			return true;
	return false;
}

int flow_fail(const struct flow_job *job, struct task_result *ret, struct err *err)
{
	const char *kind = json_string_value(json_object_get(job->params, "kind"));
	enum err_kind k = ERR_REJECT;

	(void)ret;
	if (!is_meant(job))
		return 0;
	if (kind && err_kind_parse(kind, &k) < 0)
		return err_set(err, ERR_REJECT, "fail: no error kind '%.40s'", kind);
	return err_set(err, k, "%s", json_string_value(json_object_get(job->params, "message")));
}
