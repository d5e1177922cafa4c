#include "backends.h"
#include "delivery.h"
#include "flow.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MAX   ((size_t)1 << 20)
#define ANSWER_SHOWN 300

/* What the needs gave, large or small, but for pictures. */
static int gather(const struct flow_job *job, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(job->inputs); i++) {
		json_t *data = NULL;

		if (flow_input_data(job, i, &data, err) < 0)
			return -1;
		if (data)
			json_array_append_new(list, data);
	}
	*ret = steal(&list);
	return 0;
}

static int post(const struct flow_job *job, const struct delivery *d, struct http_response *answer, struct err *err)
{
	const struct task *t = job->task;
	scoped(free_p) char *key = xasprintf("Idempotency-Key: %s/%s/%d", t->job, t->step, t->item);
	scoped(free_p) char *trace = t->trace ? xasprintf("traceparent: %s", t->trace) : NULL;
	const char *const headers[] = { job->gallery->auth, key, trace, NULL };
	scoped(buf_free) struct buf body = { 0 };
	struct http_request q = { .headers = headers, .timeout_s = flow_request_timeout_s(job), .max_bytes = ANSWER_MAX,
		.stop = job->stop };

	buf_json(&body, d->body);
	q.body = body.text;
	q.body_len = body.len;
	return upstream_perform(job->gallery, &q, d->path, answer, err);
}

int flow_deliver(const struct flow_job *job, struct task_result *ret, struct err *err)
{
	scoped(json_decref_p) json_t *data = NULL;
	scoped(delivery_done) struct delivery d = { 0 };
	scoped(http_response_done) struct http_response answer = { 0 };

	if (gather(job, &data, err) < 0 || delivery_make(job->params, data, &d, err) < 0)
		return -1;
	if (!d.body) {
		ret->data = json_pack("{s:b, s:s}", "sent", 0, "reason", "there is nothing to say");
		return 0;
	}
	if (post(job, &d, &answer, err) < 0) {
		if (err->kind == ERR_RETRY)     /* not one of ours: refused, no such name, no answer in time */
			backend_of_callback(upstream_base(job->gallery), ret->backend);
		return -1;
	}
	ret->backend_answered = backend_of_callback(upstream_base(job->gallery), ret->backend);
	if (answer.status < 200 || answer.status > 299)
		return err_set(err, http_status_kind(answer.status), "'%.300s%.200s' answers %u%s: %.*s", upstream_base(job->gallery),
			d.path, answer.status, answer.status >= 300 && answer.status < 400 ? " (redirects are not followed)" : "", ANSWER_SHOWN,
			answer.body.text ? answer.body.text : "");
	ret->data = json_pack("{s:b, s:i}", "sent", 1, "status", (int)answer.status);
	return 0;
}
