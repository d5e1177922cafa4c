#include "test.h"

#include "http_stub.h"
#include "inputs.h"
#include "upstream.h"

#include <stdlib.h>
#include <string.h>

static int answer(void *arg, const char *request, struct buf *head, struct buf *body)
{
	(void)head, (void)request;
	buf_puts(body, arg ? arg : "{\"inputs\":[{\"step\":\"a\",\"item\":0,\"data\":1}]}");
	return arg ? 503 : 200;
}

static void open_it(struct upstream *u, struct conf *conf, const char *urls)
{
	scoped(free_p) char *setting = xasprintf("PIXELFLEET_DISPATCHER_URL=%s", urls);
	const char *const env[] = { setting, "PROCESSING_INTERNAL_TOKEN=the-token", NULL };
	struct err err;

	assert_int_equal(conf_load(conf, env, &err), 0);
	assert_int_equal(upstream_open(u, conf, &err), 0);
}

TEST(upstream_tries_each_dispatcher_and_stays_with_the_one_that_answers)
{
	struct http_stub down, up;
	struct upstream u;
	struct conf conf;
	struct err err;
	scoped(free_p) char *urls = NULL, *asked = NULL;

	http_stub_open(&down, answer, (void *)(uintptr_t)"starting");
	http_stub_open(&up, answer, NULL);
	urls = xasprintf("http://127.0.0.1:1, %s/ ,%s/", down.url, up.url);
	open_it(&u, &conf, urls);
	for (int i = 0; i < 2; i++) {
		scoped(http_response_done) struct http_response r = { 0 };

		assert_int_equal(upstream_call(&u, "/internal/v1/results", "[]", 2, 5, 0, NULL, &r, &err), 0);
		assert_int_equal(r.status, 200);
	}
	assert_int_equal(http_stub_requests(&down), 1);
	asked = http_stub_last(&up);
	assert_int_equal(strncmp(asked, "POST /internal/v1/results HTTP/1.1\r\n", 36), 0);
	assert_non_null(strstr(asked, "\r\nx-internal-token: the-token\r\n"));
	upstream_close(&u);
	conf_done(&conf);
	http_stub_close(&up);
	http_stub_close(&down);
}

TEST(upstream_without_an_answer_is_to_be_retried)
{
	struct http_response r;
	struct upstream u;
	struct conf conf;
	struct err err;

	open_it(&u, &conf, "http://127.0.0.1:1");
	assert_int_equal(upstream_call(&u, "/health", NULL, 0, 5, 0, NULL, &r, &err), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	upstream_close(&u);
	conf_done(&conf);
}

TEST(upstream_refuses_lists_without_http_urls)
{
	static const char *const bad[] = { "", " , ", "localhost:5800", "http://a,ftp://b" };

	for (size_t i = 0; i < countof(bad); i++) {
		struct conf conf = { .dispatcher_url = xstrdup(bad[i]), .internal_token = xstrdup("") };
		struct upstream u;
		struct err err;

		assert_int_equal(upstream_open(&u, &conf, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		conf_done(&conf);
	}
}

TEST(inputs_of_a_large_step_come_from_a_dispatcher)
{
	struct http_stub up;
	struct upstream u;
	struct conf conf;
	struct err err;
	json_t *list = NULL;
	bool nobody;

	http_stub_open(&up, answer, NULL);
	open_it(&u, &conf, up.url);
	assert_int_equal(inputs_fetch(&u, "/internal/v1/inputs/j/3", 5, NULL, &list, &nobody, &err), 0);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	assert_int_equal(inputs_fetch(&u, "//elsewhere/x", 5, NULL, &list, &nobody, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_false(nobody);
	upstream_close(&u);
	conf_done(&conf);
	http_stub_close(&up);
}

TEST(inputs_say_which_step_s_data_is_missing)
{
	json_t *input = json_pack("{s:s, s:{s:s, s:s, s:s}}", "step", "boxes", "artifact", "name", "data", "media_type", "application/json",
		"digest", "0000000000000000000000000000000000000000000000000000000000000000");
	json_t *file = json_pack("{s:s, s:{s:s}}", "step", "small", "artifact", "name", "picture"), *data = NULL;
	struct store store;
	struct err err;

	assert_int_equal(store_open(&store, test_path("store"), &err), 0);
	assert_int_equal(input_data(&store, input, &data, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_non_null(strstr(err.msg, "'boxes'"));
	assert_int_equal(input_data(&store, file, &data, &err), 0);
	assert_null(data);
	store_close(&store);
	json_decref(input);
	json_decref(file);
}
