#include "backends.h"
#include "flow.h"
#include "url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANSWER_KEPT  4096
#define ANSWER_MAX   ((size_t)16 << 20)
#define HEADERS_MAX  40

/* More would end in a header that nobody meant: "X: a\r\nHost: b". */
static bool is_header_name(const char *s)
{
	return *s && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~")] == '\0';
}

static bool is_header_value(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

struct headers {
	char *lines[HEADERS_MAX + 1];   /* ends in NULL */
	size_t n;
};

static void headers_free(struct headers *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->lines[i]);
}

static int add_header(struct headers *h, const char *name, const json_t *value, struct err *err)
{
	const char *text = json_string_value(value);

	if (!is_header_name(name))
		return err_set(err, ERR_REJECT, "callback: '%.60s' is not the name of a header", name);
	if (!text || !is_header_value(text))
		return err_set(err, ERR_REJECT, "callback: the header '%.60s' is not one line of text", name);
	if (strcasecmp(name, "content-length") == 0 || strcasecmp(name, "transfer-encoding") == 0)
		return err_set(err, ERR_REJECT, "callback: the header '%.60s' follows from the body and cannot be set", name);
	if (h->n == HEADERS_MAX)
		return err_set(err, ERR_REJECT, "callback: more than %d headers", HEADERS_MAX);
	h->lines[h->n++] = xasprintf("%s: %s", name, text);
	return 0;
}

static int add_named(struct headers *h, const char *name, struct err *err, const char *text)
{
	scoped(json_decref_p) json_t *value = json_string(text);

	return add_header(h, name, value, err);
}

static int make_headers(const struct flow_job *job, struct headers *h, struct err *err)
{
	const struct task *t = job->task;
	const char *token = json_string_value(json_object_get(job->params, "token")), *name;
	scoped(free_p) char *key = xasprintf("%s/%s/%d", t->job, t->step, t->item);
	scoped(free_p) char *bearer = token ? xasprintf("Bearer %s", token) : NULL;
	json_t *value;

	if (add_named(h, "Content-Type", err, "application/json") < 0 || add_named(h, "Idempotency-Key", err, key) < 0)
		return -1;
	if (t->trace && add_named(h, "traceparent", err, t->trace) < 0)
		return -1;
	if (bearer && add_named(h, "Authorization", err, bearer) < 0)
		return -1;
	json_object_foreach(json_object_get(job->params, "headers"), name, value)
		if (add_header(h, name, value, err) < 0)
			return -1;
	return 0;
}

/* Where the original lies is nobody's business outside. */
static void leave_out_the_place(json_t *input)
{
	json_t *artifact = json_copy(json_object_get(input, "artifact"));

	if (!artifact)
		return;
	json_object_del(artifact, "path");
	json_object_del(artifact, "fingerprint");
	json_object_set_new(input, "artifact", artifact);
}

static int make_body(const struct flow_job *job, struct buf *to, struct err *err)
{
	scoped(json_decref_p) json_t *body = json_pack("{s:s, s:s}", "job", job->task->job, "step", job->task->step);
	json_t *inputs = json_array();

	if (job->task->item >= 0)
		json_object_set_new(body, "item", json_integer(job->task->item));
	json_object_set_new(body, "inputs", inputs);
	for (size_t i = 0; i < json_array_size(job->inputs); i++) {
		scoped(json_decref_p) json_t *data = NULL, *input = json_copy(json_array_get(job->inputs, i));

		if (flow_input_data(job, i, &data, err) < 0)
			return -1;
		if (data) {
			json_object_del(input, "artifact");
			json_object_set(input, "data", data);
		}
		leave_out_the_place(input);
		json_array_append(inputs, input);
	}
	json_object_update(body, json_object_get(job->params, "body"));
	buf_json(to, body);
	return 0;
}

static bool keep_beginning(void *arg, const char *bytes, size_t n)
{
	struct buf *b = arg;

	buf_add(b, bytes, min_of(n, (size_t)ANSWER_KEPT - b->len));
	return true;
}

static int send_it(const struct flow_job *job, const char *url, const struct headers *h, const struct buf *body,
	struct buf *answer, unsigned *ret_status, struct err *err)
{
	scoped(http_response_done) struct http_response head = { 0 };
	const struct http_request q = { .url = url, .headers = (const char *const *)h->lines, .body = body->text,
		.body_len = body->len, .timeout_s = flow_request_timeout_s(job),
		.max_bytes = ANSWER_MAX, .public_only = !job->conf->allow_private_urls, .stop = job->stop,
		.on_data = keep_beginning, .arg = answer };

	if (httpc_perform(job->http, &q, &head, err) < 0)
		return err_wrap(err, "callback");
	*ret_status = head.status;
	return 0;
}

/* Another status is an answer, and the host is well. */
static bool is_away(unsigned status)
{
	return status >= 502 && status <= 504;
}

int flow_callback(const struct flow_job *job, struct task_result *ret, struct err *err)
{
	const char *url = json_string_value(json_object_get(job->params, "url"));
	scoped(headers_free) struct headers headers = { 0 };
	scoped(buf_free) struct buf body = { 0 }, answer = { 0 };
	char shown[240];
	unsigned status = 0;
	json_t *said;

	if (!url || url_problem(url))
		return err_set(err, ERR_REJECT, "callback: '%.200s': allowed is %s", url ? url_shown(url, shown, sizeof shown) : "",
			url_problem(url ? url : ""));
	if (make_headers(job, &headers, err) < 0 || make_body(job, &body, err) < 0)
		return -1;
	if (send_it(job, url, &headers, &body, &answer, &status, err) < 0) {
		if (err->kind == ERR_RETRY)     /* not one of ours: refused, no such name, no answer in time */
			backend_of_callback(url, ret->backend);
		return -1;
	}
	if (backend_of_callback(url, ret->backend))
		ret->backend_answered = !is_away(status);
	if (status < 200 || status > 299)
		return err_set(err, http_status_kind(status), "callback: '%.300s' answers %u%s: %.300s", url, status,
			status >= 300 && status < 400 ? " (redirects are not followed)" : "", answer.text ? answer.text : "");
	ret->data = json_pack("{s:i}", "status", (int)status);
	said = answer.len && answer.len < ANSWER_KEPT ? json_loadb(answer.text, answer.len, JSON_DECODE_ANY, NULL) : NULL;
	if (said)
		json_object_set_new(ret->data, "body", said);
	return 0;
}
