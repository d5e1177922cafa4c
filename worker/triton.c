#include "triton.h"

#include "clock.h"
#include "kserve.h"

#include <stdio.h>
#include <string.h>

#define READY_TIMEOUT_MS 2000
#define WARY_AFTER       3              /* times that a step was put off */
#define LAST_WORDS_MS    4000           /* of the step's time, kept for finding out whose fault it is; of a short one, a third */
#define TOO_LATE_MS      20
#define DESCRIBED_MS     60000
#define DESCRIBED_MOST   64
#define DESCRIPTION_MAX  ((size_t)1 << 20)
#define ANSWER_MAX       (KSERVE_BYTES_MAX + ((size_t)1 << 20))

void triton_init(struct triton *t, const struct conf *conf, struct httpc *http)
{
	*t = (struct triton){ .conf = conf, .http = http, .models = json_object() };
}

void triton_done(struct triton *t)
{
	json_decref(t->models);
	*t = (struct triton){ 0 };
}

static char *make_url(const struct triton *t, const char *path)
{
	size_t n = strlen(t->conf->triton_url);

	while (n > 0 && t->conf->triton_url[n - 1] == '/')
		n--;
	return xasprintf("%.*s/v2/%s", (int)n, t->conf->triton_url, path);
}

static char *model_path(const struct triton_call *call, const char *verb)
{
	return xasprintf("models/%s%s%s%s", call->model, *call->version ? "/versions/" : "", call->version, verb);
}

static int64_t left_ms(const struct triton_call *call)
{
	return call->deadline_ms - clock_mono_ms();
}

static unsigned from_1_to(int64_t most, int64_t ms)
{
	return (unsigned)(ms < 1 ? 1 : min_of(ms, most));
}

/* What the server says of an error: {"error":"..."}, else the beginning of its text. */
static void quote_error(const struct buf *body, char *to, size_t size)
{
	scoped(json_decref_p) json_t *answer = body->len ? json_loadb(body->text, body->len, 0, NULL) : NULL;
	const char *said = json_string_value(json_object_get(answer, "error"));

	snprintf(to, size, "%s", said ? said : body->len ? body->text : "it says nothing more");
}

static void set_connection(const struct triton *t, struct http_request *q)
{
	q->may_http2 = true;
	q->ca_file = t->conf->triton_ca_file;
}

static int fail_status(const char *url, const struct http_response *r, struct err *err)
{
	/* How Triton says that it knows the model, but has not loaded it (yet). */
	static const char *const passing[] = { "not ready", "ready state", "no available versions" };
	/* 501 is Triton's word for what this model can never do. */
	enum err_kind kind = r->status == 501 ? ERR_REJECT : http_status_kind(r->status);
	char said[400];

	quote_error(&r->body, said, sizeof said);
	for (size_t i = 0; i < countof(passing); i++)
		if (strstr(said, passing[i]))
			kind = ERR_RETRY;
	return err_set(err, kind, "'%.200s' answers %u: %s", url, r->status, said);
}

/* ---- readiness ---- */

/* 1: yes, 0: it answers something else, -1. */
static int ask_ready(struct triton *t, const char *path, int64_t timeout_ms, const bool *stop, struct err *err)
{
	scoped(http_response_done) struct http_response answer = { 0 };
	scoped(free_p) char *url = make_url(t, path);
	struct http_request q = { .url = url, .max_bytes = DESCRIPTION_MAX, .stop = stop,
		.timeout_ms = from_1_to(READY_TIMEOUT_MS, timeout_ms) };

	set_connection(t, &q);

	if (httpc_perform(t->http, &q, &answer, err) < 0)
		return -1;
	if (answer.status == 200)
		return 1;
	fail_status(url, &answer, err);
	err->kind = ERR_RETRY;
	return 0;
}

int triton_ready(struct triton *t, const bool *stop, struct err *err)
{
	return ask_ready(t, "health/ready", READY_TIMEOUT_MS, stop, err) == 1 ? 0 : -1;
}

/* A server with one broken model among many says that it is not ready; what counts is this one. */
static int check_ready(struct triton *t, const struct triton_call *call, struct err *err)
{
	scoped(free_p) char *path = model_path(call, "/ready");
	int r = ask_ready(t, "health/ready", left_ms(call) / 2, call->stop, err);
	struct err why;

	if (r == 0 && ask_ready(t, path, left_ms(call) / 2, call->stop, &why) == 1)
		r = 1;
	t->is_suspect = r != 1;
	return r == 1 ? 0 : -1;
}

/* ---- calls ---- */

static int blame_backend(struct triton_call *call, struct err *err)
{
	if (err->kind == ERR_CANCEL)
		return -1;
	call->is_fault = true;
	err->kind = ERR_RETRY;
	return err_wrap(err, "the model server is not there");
}

/* One exchange. 1: what came is no answer of a server that works. */
static int exchange(struct triton *t, const struct triton_call *call, struct http_request *q, struct http_response *ret,
	struct err *err)
{
	int64_t left = left_ms(call);

	q->timeout_ms = from_1_to((int64_t)t->conf->triton_timeout_s * 1000, left - min_of(left / 3, (int64_t)LAST_WORDS_MS));
	set_connection(t, q);
	if (httpc_perform(t->http, q, ret, err) < 0)
		return err->kind == ERR_RETRY ? 1 : -1;
	if (ret->status < 502 || ret->status > 504)
		return 0;
	fail_status(q->url, ret, err);
	http_response_done(ret);
	return 1;
}

/* It was ready, then it had the request, and now it is not. */
static int blame_somebody(struct triton_call *call, struct err *err)
{
	if (call->pass < WARY_AFTER)
		return blame_backend(call, err);
	return err_wrap(err, "the model server went away over this step, which was put off %d times before", call->pass);
}

static int perform(struct triton *t, struct triton_call *call, struct http_request *q, struct http_response *ret, struct err *err)
{
	bool is_again = false;

	call->is_fault = call->is_answered = false;
	q->stop = call->stop;
	if (left_ms(call) < TOO_LATE_MS)        /* nothing that could be found out about the server in this time is true */
		return err_set(err, ERR_RETRY, "the step's time is over before its model could be asked");
	if ((call->is_probe || t->is_suspect || call->pass >= WARY_AFTER) && check_ready(t, call, err) < 0)
		return blame_backend(call, err);
	for (;;) {
		struct err why;
		int r = exchange(t, call, q, ret, err);

		if (r != 1) {
			call->is_answered = r == 0;
			return r;
		}
		if (check_ready(t, call, &why) < 0)
			return why.kind == ERR_CANCEL ? *err = why, -1 : blame_somebody(call, err);
		if (is_again || left_ms(call) < LAST_WORDS_MS + 1000) {
			call->is_answered = true;
			return err_wrap(err, "the model server is ready, but");
		}
		is_again = true;
	}
}

static int check_call(const struct triton *t, const struct triton_call *call, struct err *err)
{
	if (!*t->conf->triton_url)
		return err_set(err, ERR_REJECT, "this worker has no model server for the backend 'triton': PIXELFLEET_TRITON_URL is empty");
	if (!kserve_is_name(call->model))
		return err_set(err, ERR_REJECT, "'%.140s' is no name of a model: allowed are 1 to 128 letters, digits, '_', '-' and '.', "
			"not first a '.'", call->model);
	if (*call->version && !kserve_is_name(call->version))
		return err_set(err, ERR_REJECT, "'%.140s' is no version of a model, for example \"1\"", call->version);
	return 0;
}

/* ---- descriptions ---- */

static json_t *find_described(const struct triton *t, const char *path)
{
	const json_t *kept = json_object_get(t->models, path);

	if (!kept || json_integer_value(json_object_get(kept, "until")) < clock_mono_ms())
		return NULL;
	return json_incref(json_object_get(kept, "model"));
}

static void keep_described(struct triton *t, const char *path, json_t *model)
{
	if (json_object_size(t->models) >= DESCRIBED_MOST)
		json_object_clear(t->models);
	json_object_set_new(t->models, path, json_pack("{s:I, s:O}", "until", (json_int_t)(clock_mono_ms() + DESCRIBED_MS),
		"model", model));
}

static int fetch_described(struct triton *t, struct triton_call *call, const char *path, json_t **ret, struct err *err)
{
	scoped(http_response_done) struct http_response answer = { 0 };
	scoped(free_p) char *url = make_url(t, path);
	struct http_request q = { .url = url, .max_bytes = DESCRIPTION_MAX };
	json_error_t e;
	json_t *model;

	if (perform(t, call, &q, &answer, err) < 0)
		return err_wrap(err, "the description of model '%s'", call->model);
	if (answer.status != 200)
		return fail_status(url, &answer, err);
	model = json_loadb(answer.body.len ? answer.body.text : "", answer.body.len, JSON_REJECT_DUPLICATES, &e);
	if (!json_is_array(json_object_get(model, "inputs")) || !json_is_array(json_object_get(model, "outputs"))) {
		err_set(err, ERR_RETRY, "'%.200s' describes no model: %s", url,
			model ? "it has no lists \"inputs\" and \"outputs\"" : e.text);
		json_decref(model);
		return -1;
	}
	*ret = model;
	return 0;
}

int triton_describe(struct triton *t, struct triton_call *call, json_t **ret, struct err *err)
{
	scoped(free_p) char *path = NULL;

	if (check_call(t, call, err) < 0)
		return -1;
	path = model_path(call, "");
	*ret = find_described(t, path);
	if (*ret)
		return 0;
	if (fetch_described(t, call, path, ret, err) < 0)
		return -1;
	keep_described(t, path, *ret);
	return 0;
}

/* ---- inference ---- */

int triton_infer(struct triton *t, struct triton_call *call, const json_t *ask, int fd, json_t **ret_outputs,
	struct buf *ret_bytes, struct err *err)
{
	scoped(http_response_done) struct http_response answer = { 0 };
	scoped(free_p) char *url = NULL, *path = NULL, *header = NULL;
	scoped(buf_free) struct buf body = { 0 };
	size_t split;

	if (check_call(t, call, err) < 0)
		return -1;
	if (kserve_request(ask, fd, &body, &split, err) < 0)
		return err_wrap(err, "model '%s'", call->model);
	path = model_path(call, "/infer");
	url = make_url(t, path);
	header = xasprintf(KSERVE_HEADER ": %zu", split);
	{
		const char *const headers[] = { "Content-Type: application/octet-stream", header, NULL };
		struct http_request q = { .url = url, .headers = headers, .body = body.text, .body_len = body.len,
			.max_bytes = ANSWER_MAX, .want_header = KSERVE_HEADER };

		if (perform(t, call, &q, &answer, err) < 0)
			return err_wrap(err, "model '%s'", call->model);
	}
	if (answer.status != 200) {
		/* It may be another model by now. */
		json_object_clear(t->models);
		return fail_status(url, &answer, err);
	}
	if (kserve_answer(&answer.body, answer.header, ret_outputs, ret_bytes, err) < 0)
		return err_wrap(err, "the answer of '%.200s'", url);
	return 0;
}
