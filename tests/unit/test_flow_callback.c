#include "test.h"

#include "flow_stage.h"
#include "http_stub.h"

#include <stdlib.h>
#include <string.h>

struct said {
	int status;
	const char *body;
};

static int answer(void *arg, const char *request, struct buf *head, struct buf *body)
{
	const struct said *s = arg;

	(void)request, (void)head;
	buf_puts(body, s->body);
	return s->status;
}

static int call(struct said said, const char *more, struct flow_stage *s, char **ret_asked)
{
	struct http_stub stub;
	scoped(free_p) char *params = NULL;
	int rc;

	http_stub_open(&stub, answer, &said);
	params = xasprintf("{\"url\":\"%s/hook\"%s}", stub.url, more);
	rc = flow_stage_run(s, params, "[{\"step\":\"a\",\"item\":0,\"data\":{\"x\":1}},{\"step\":\"b\",\"item\":0,"
		"\"artifact\":{\"name\":\"original\",\"by\":\"reference\",\"path\":\"/home/me/a.jpg\",\"fingerprint\":\"ab\"}}]");
	*ret_asked = http_stub_last(&stub);
	http_stub_close(&stub);
	return rc;
}

TEST(flow_callback_posts_what_the_needs_gave)
{
	struct flow_stage s;
	scoped(free_p) char *asked = NULL, *data = NULL;

	flow_stage_open(&s, "callback");
	assert_int_equal(call((struct said){ 200, "{\"got\":true}" },
		",\"token\":\"geheim\",\"headers\":{\"X-Mine\":\"yes\"},\"body\":{\"extra\":7}", &s, &asked), 0);
	assert_int_equal(strncmp(asked, "POST /hook HTTP/1.1\r\n", 21), 0);
	assert_non_null(strstr(asked, "\r\nAuthorization: Bearer geheim\r\n"));
	assert_non_null(strstr(asked, "\r\nX-Mine: yes\r\n"));
	assert_non_null(strstr(asked, "\r\nIdempotency-Key: 00000000-0000-7000-8000-000000000001/it/0\r\n"));
	assert_non_null(strstr(asked, "\r\n\r\n{\"job\":\"00000000-0000-7000-8000-000000000001\",\"step\":\"it\",\"item\":0,"
		"\"inputs\":[{\"step\":\"a\",\"item\":0,\"data\":{\"x\":1}},{\"step\":\"b\",\"item\":0,"
		"\"artifact\":{\"name\":\"original\",\"by\":\"reference\"}}],\"extra\":7}"));        /* not where it lies */
	data = flow_stage_data(&s);
	assert_string_equal(data, "{\"status\":200,\"body\":{\"got\":true}}");
	flow_stage_close(&s);
}

TEST(flow_callback_keeps_no_answer_that_is_not_json)
{
	struct flow_stage s;
	scoped(free_p) char *asked = NULL, *data = NULL;

	flow_stage_open(&s, "callback");
	assert_int_equal(call((struct said){ 204, "thanks" }, "", &s, &asked), 0);
	data = flow_stage_data(&s);
	assert_string_equal(data, "{\"status\":204}");
	flow_stage_close(&s);
}

TEST(flow_callback_status_decides_whether_it_is_retried)
{
	static const struct { int status; enum err_kind kind; } cases[] = {
		{ 301, ERR_REJECT }, { 400, ERR_REJECT }, { 404, ERR_REJECT }, { 408, ERR_RETRY }, { 425, ERR_RETRY },
		{ 429, ERR_RETRY }, { 500, ERR_RETRY }, { 503, ERR_RETRY },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct flow_stage s;
		scoped(free_p) char *asked = NULL;

		flow_stage_open(&s, "callback");
		assert_int_equal(call((struct said){ cases[i].status, "no" }, "", &s, &asked), -1);
		assert_int_equal(s.err.kind, cases[i].kind);
		flow_stage_close(&s);
	}
}

TEST(flow_callback_tells_a_host_in_trouble_from_a_host_that_says_no)
{
	static const struct { int status; bool is_well; } cases[] = {
		{ 200, true }, { 301, true }, { 404, true }, { 429, true }, { 500, true }, { 502, false }, { 503, false }, { 504, false },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct flow_stage s;
		scoped(free_p) char *asked = NULL;

		flow_stage_open(&s, "callback");
		assert_int_equal(call((struct said){ cases[i].status, "{}" }, "", &s, &asked), cases[i].status == 200 ? 0 : -1);
		assert_int_equal(strncmp(s.result.backend, "callback:127.0.0.1:", 19), 0);
		assert_int_equal(s.result.backend_answered, cases[i].is_well);
		flow_stage_close(&s);
	}
}

TEST(flow_callback_to_a_closed_port_is_the_hosts_fault)
{
	struct flow_stage s;

	flow_stage_open(&s, "callback");
	assert_int_equal(flow_stage_run(&s, "{\"url\":\"http://127.0.0.1:1/\"}", "[]"), -1);
	assert_int_equal(s.err.kind, ERR_RETRY);
	assert_string_equal(s.result.backend, "callback:127.0.0.1:1");
	assert_false(s.result.backend_answered);
	flow_stage_close(&s);
}

TEST(flow_callback_refuses_headers_that_smuggle_others)
{
	static const char *const bad[] = {
		",\"headers\":{\"X\":\"a\\r\\nHost: b\"}", ",\"headers\":{\"X: y\\r\\nZ\":\"a\"}", ",\"headers\":{\"\":\"a\"}",
		",\"headers\":{\"X\":7}", ",\"headers\":{\"Content-Length\":\"3\"}", ",\"token\":\"a\\nb\"",
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct flow_stage s;
		scoped(free_p) char *asked = NULL;

		flow_stage_open(&s, "callback");
		assert_int_equal(call((struct said){ 200, "" }, bad[i], &s, &asked), -1);
		assert_int_equal(s.err.kind, ERR_REJECT);
		assert_string_equal(asked, "");
		flow_stage_close(&s);
	}
}

TEST(flow_callback_to_a_private_address_needs_permission)
{
	struct flow_stage s;
	scoped(free_p) char *asked = NULL;

	flow_stage_open(&s, "callback");
	s.conf.allow_private_urls = false;
	assert_int_equal(call((struct said){ 200, "" }, "", &s, &asked), -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "PIXELFLEET_ALLOW_PRIVATE_URLS"));
	assert_int_equal(flow_stage_run(&s, "{\"url\":\"ftp://x/\"}", "[]"), -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	flow_stage_close(&s);
}
