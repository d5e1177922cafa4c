/* test_triton.c - whose fault it is. The server is a stub inside the test, no Triton. */
#include "clock.h"
#include "http_stub.h"
#include "test.h"
#include "triton.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct stage {
	struct http_stub server;
	struct conf conf;
	struct triton t;
	struct triton_call call;
	struct httpc *http;
	int fd;
	/* What the stub does. */
	int health, model_ready, infer, describe;       /* statuses */
	bool dies;                                      /* of the next inference */
	int fail_first;                                 /* so many inferences are answered 503 */
	int asked_health, asked_infer, asked_describe;  /* counters */
	char text[256];                                 /* of an answer that is no success */
};

static const char described[] = "{\"name\":\"m\",\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1]}],"
	"\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1]}]}";
static const char inferred[] = "{\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[0.25]}]}";

static int reply(struct stage *s, int status, const char *text, struct buf *body)
{
	buf_puts(body, status == 200 ? text : s->text);
	return status;
}

static int play(void *arg, const char *request, struct buf *head, struct buf *body)
{
	struct stage *s = arg;

	(void)head;
	if (strncmp(request, "GET /base/v2/health/ready ", 26) == 0)
		return s->asked_health++, reply(s, s->health, "", body);
	if (strncmp(request, "GET /base/v2/models/m/ready ", 28) == 0)
		return reply(s, s->model_ready, "", body);
	if (strncmp(request, "GET /base/v2/models/m ", 22) == 0)
		return s->asked_describe++, reply(s, s->describe, described, body);
	if (strncmp(request, "POST /base/v2/models/m/infer ", 29) == 0 || strncmp(request, "POST /base/v2/models/m/versions/7/infer ", 40) == 0) {
		s->asked_infer++;
		if (s->dies)
			s->infer = s->health = s->model_ready = 503;
		return reply(s, s->asked_infer <= s->fail_first ? 503 : s->infer, inferred, body);
	}
	buf_puts(body, "{\"error\":\"another path\"}");
	return 404;
}

static void stage_open(struct stage *s)
{
	scoped(free_p) char *url = NULL;
	const char *env[] = { NULL, "PIXELFLEET_TRITON_TIMEOUT_S=2", NULL };
	struct err err;

	*s = (struct stage){ .health = 200, .model_ready = 200, .infer = 200, .describe = 200 };
	http_stub_open(&s->server, play, s);
	url = xasprintf("PIXELFLEET_TRITON_URL=%s/base/", s->server.url);
	env[0] = url;
	assert_int_equal(conf_load(&s->conf, env, &err), 0);
	s->http = httpc_new();
	triton_init(&s->t, &s->conf, s->http);
	s->call = (struct triton_call){ .model = "m", .version = "", .deadline_ms = clock_mono_ms() + 60000 };
	s->fd = memfd_create("tensor", MFD_CLOEXEC);
	assert_int_equal(write(s->fd, "abcd", 4), 4);
}

static void stage_close(struct stage *s)
{
	http_stub_close(&s->server);
	triton_done(&s->t);
	httpc_free(s->http);
	conf_done(&s->conf);
	close(s->fd);
}

static int infer(struct stage *s, struct err *err)
{
	json_t *ask = json_loads("{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1],\"bytes\":4}],\"outputs\":[\"y\"]}", 0, NULL);
	json_t *outputs = NULL;
	scoped(buf_free) struct buf bytes = { 0 };
	int rc = triton_infer(&s->t, &s->call, ask, s->fd, &outputs, &bytes, err);

	if (rc == 0)
		assert_memory_equal(bytes.text, (float[]){ 0.25f }, 4);
	json_decref(outputs);
	json_decref(ask);
	return rc;
}

static void says(const struct err *err, enum err_kind kind, const char *text)
{
	assert_int_equal(err->kind, kind);
	if (!strstr(err->msg, text))
		fail_msg("'%s' does not say '%s'", err->msg, text);
}

TEST(triton_infers_and_sends_what_the_protocol_says)
{
	struct stage s;
	struct err err;
	scoped(free_p) char *last = NULL;

	stage_open(&s);
	s.call.version = "7";
	assert_int_equal(infer(&s, &err), 0);
	last = http_stub_last(&s.server);
	assert_non_null(strstr(last, "Inference-Header-Content-Length: "));
	assert_non_null(strstr(last, "Content-Type: application/octet-stream"));
	assert_true(s.call.is_answered);
	assert_false(s.call.is_fault);
	assert_int_equal(s.asked_health, 0);
	stage_close(&s);
}

TEST(triton_describes_once_a_minute)
{
	struct stage s;
	struct err err;

	stage_open(&s);
	for (int i = 0; i < 3; i++) {
		json_t *m = NULL;

		assert_int_equal(triton_describe(&s.t, &s.call, &m, &err), 0);
		assert_int_equal(json_array_size(json_object_get(m, "inputs")), 1);
		json_decref(m);
	}
	assert_int_equal(s.asked_describe, 1);
	s.infer = 400;                                  /* it may have been loaded anew */
	assert_int_equal(infer(&s, &err), -1);
	json_t *m = NULL;
	assert_int_equal(triton_describe(&s.t, &s.call, &m, &err), 0);
	json_decref(m);
	assert_int_equal(s.asked_describe, 2);
	stage_close(&s);
}

TEST(triton_what_the_server_says_decides_the_kind)
{
	static const struct { int status; const char *text; enum err_kind kind; } cases[] = {
		{ 400, "{\"error\":\"unexpected shape for input 'x'\"}", ERR_REJECT },
		{ 404, "{\"error\":\"Request for unknown model: 'm' is not found\"}", ERR_REJECT },
		{ 422, "no idea", ERR_REJECT },
		{ 400, "{\"error\":\"Request for unknown model: 'm' version 1 is not at ready state\"}", ERR_RETRY },
		{ 400, "{\"error\":\"Request for unknown model: 'm' has no available versions\"}", ERR_RETRY },
		{ 500, "{\"error\":\"CUDA out of memory\"}", ERR_RETRY },
		{ 429, "{\"error\":\"Exceeds maximum queue size\"}", ERR_RETRY },
		{ 400, "{\"error\":\"unexpected inference input 'y' for model 'm'\"}", ERR_REJECT },
		{ 400, "{\"error\":\"inference input 'x' data-type is 'FP64', but model 'm' expects 'FP32'\"}", ERR_REJECT },
		{ 404, "{\"error\":\"Request for unknown model: 'm' version 9 is not found\"}", ERR_REJECT },
		{ 400, "{\"error\":\"Model version not ready, 'm'\"}", ERR_RETRY },
		{ 413, "'too large'", ERR_REJECT },
		{ 501, "{\"error\":\"'m' is decoupled, which HTTP cannot do\"}", ERR_REJECT },
		{ 302, "elsewhere", ERR_REJECT },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct stage s;
		struct err err;

		stage_open(&s);
		s.infer = cases[i].status;
		memcpy(s.text, cases[i].text, strlen(cases[i].text));
		assert_int_equal(infer(&s, &err), -1);
		says(&err, cases[i].kind, strchr(cases[i].text, ':') ? "'" : cases[i].text);
		assert_null(strstr(err.msg, "\"error\""));
		assert_false(s.call.is_fault);
		assert_true(s.call.is_answered);
		assert_int_equal(s.asked_infer, 1);
		stage_close(&s);
	}
}

TEST(triton_that_is_not_ready_is_at_fault_and_is_asked_first_next_time)
{
	struct stage s;
	struct err err;

	stage_open(&s);
	s.infer = s.health = s.model_ready = 503;
	assert_int_equal(infer(&s, &err), -1);
	says(&err, ERR_RETRY, "answers 503");
	assert_true(s.call.is_fault);
	assert_int_equal(s.asked_infer, 1);
	assert_int_equal(infer(&s, &err), -1);
	assert_true(s.call.is_fault);
	assert_int_equal(s.asked_infer, 1);             /* not tried */
	s.infer = s.health = 200;
	assert_int_equal(infer(&s, &err), 0);
	assert_false(s.call.is_fault);
	stage_close(&s);
}

TEST(triton_that_came_back_meanwhile_is_asked_once_more)
{
	struct stage s;
	struct err err;

	stage_open(&s);
	s.fail_first = 1;
	assert_int_equal(infer(&s, &err), 0);
	assert_int_equal(s.asked_infer, 2);
	stage_close(&s);
}

TEST(triton_that_is_ready_but_fails_this_request_is_not_at_fault)
{
	struct stage s;
	struct err err;

	stage_open(&s);
	s.infer = 503;
	assert_int_equal(infer(&s, &err), -1);
	says(&err, ERR_RETRY, "ready, but");
	assert_false(s.call.is_fault);
	assert_true(s.call.is_answered);
	assert_int_equal(s.asked_infer, 2);
	stage_close(&s);
}

TEST(triton_that_dies_of_a_step_again_and_again_is_not_at_fault_for_ever)
{
	struct stage s;
	struct err err;

	stage_open(&s);
	for (int pass = 0; pass < 5; pass++) {
		s.call.pass = pass;
		s.dies = true;
		s.infer = s.health = s.model_ready = 200;
		assert_int_equal(infer(&s, &err), -1);
		assert_int_equal(err.kind, ERR_RETRY);
		assert_int_equal(s.call.is_fault, pass < 3);
		assert_false(s.call.is_answered);
		assert_int_equal(s.asked_infer, pass + 1);
	}
	says(&err, ERR_RETRY, "put off 4 times");
	assert_int_equal(infer(&s, &err), -1);          /* it is away, and was not given the request */
	assert_true(s.call.is_fault);
	assert_int_equal(s.asked_infer, 5);
	stage_close(&s);
}

TEST(triton_with_another_broken_model_serves_this_one)
{
	struct stage s;
	struct err err;

	stage_open(&s);
	s.health = 400;
	s.call.is_probe = true;
	assert_int_equal(infer(&s, &err), 0);
	stage_close(&s);
}

TEST(triton_probe_asks_for_readiness_before_anything)
{
	struct stage s;
	struct err err;

	stage_open(&s);
	s.health = s.model_ready = 503;
	s.call.is_probe = true;
	assert_int_equal(infer(&s, &err), -1);
	assert_true(s.call.is_fault);
	assert_int_equal(s.asked_infer, 0);
	stage_close(&s);
}

TEST(triton_that_refuses_connections_is_at_fault)
{
	struct stage s;
	struct err err;

	stage_open(&s);
	free(s.conf.triton_url);
	s.conf.triton_url = xstrdup("http://127.0.0.1:9");
	assert_int_equal(infer(&s, &err), -1);
	says(&err, ERR_RETRY, "not there");
	assert_true(s.call.is_fault);
	stage_close(&s);
}

/* It takes connections, and never says a word. */
static void fall_silent(struct stage *s, int *ret_fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(*ret_fd >= 0 && bind(*ret_fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(*ret_fd, 16) == 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&a, &len), 0);
	free(s->conf.triton_url);
	s->conf.triton_url = xasprintf("http://127.0.0.1:%d", ntohs(a.sin_port));
}

TEST(triton_that_is_stuck_cannot_hold_a_step_past_its_time)
{
	struct stage s;
	struct err err;
	int silent;

	stage_open(&s);
	fall_silent(&s, &silent);
	for (int i = 0; i < 4; i++) {                   /* a fresh call, then one to a server under suspicion; a probe; a long one */
		int64_t time_ms = i == 3 ? 2500 : 600, began_ms = clock_mono_ms(), took_ms;

		s.call.deadline_ms = began_ms + time_ms;
		s.call.is_probe = i == 2;
		s.t.is_suspect = i == 1;
		assert_int_equal(infer(&s, &err), -1);
		took_ms = clock_mono_ms() - began_ms;
		assert_true(s.call.is_fault);
		if (took_ms > time_ms)
			fail_msg("%d: it took %lld ms of %lld", i, (long long)took_ms, (long long)time_ms);
	}
	s.call.deadline_ms = clock_mono_ms() - 1;
	assert_int_equal(infer(&s, &err), -1);
	says(&err, ERR_RETRY, "time is over");
	assert_false(s.call.is_fault || s.call.is_answered);
	close(silent);
	stage_close(&s);
}

TEST(triton_call_that_is_stopped_is_nobodys_fault)
{
	struct stage s;
	struct err err;
	bool stop = true;

	stage_open(&s);
	s.call.stop = &stop;
	assert_int_equal(infer(&s, &err), -1);
	assert_int_equal(err.kind, ERR_CANCEL);
	assert_false(s.call.is_fault);
	stage_close(&s);
}

TEST(triton_without_an_address_names_the_setting)
{
	struct stage s;
	struct err err;

	stage_open(&s);
	s.conf.triton_url[0] = '\0';
	assert_int_equal(infer(&s, &err), -1);
	says(&err, ERR_REJECT, "PIXELFLEET_TRITON_URL");
	stage_close(&s);
}

TEST(triton_names_cannot_lead_elsewhere)
{
	struct stage s;
	struct err err;

	stage_open(&s);
	s.call.model = "../repository/index";
	assert_int_equal(infer(&s, &err), -1);
	says(&err, ERR_REJECT, "no name of a model");
	s.call.model = "m";
	s.call.version = "1/x";
	assert_int_equal(infer(&s, &err), -1);
	says(&err, ERR_REJECT, "no version");
	assert_int_equal(http_stub_requests(&s.server), 0);
	stage_close(&s);
}

TEST(triton_description_that_is_none_is_an_error)
{
	struct stage s;
	struct err err;
	json_t *m = NULL;

	stage_open(&s);
	s.describe = 404;
	memcpy(s.text, "{\"error\":\"unknown model\"}", 26);
	assert_int_equal(triton_describe(&s.t, &s.call, &m, &err), -1);
	says(&err, ERR_REJECT, "answers 404: unknown model");
	stage_close(&s);
}
