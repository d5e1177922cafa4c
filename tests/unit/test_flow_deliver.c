#include "test.h"

#include "flow_stage.h"
#include "http_stub.h"

#include <stdlib.h>
#include <string.h>

static int answer(void *arg, const char *request, struct buf *head, struct buf *body)
{
	(void)request, (void)head;
	buf_puts(body, "said so");
	return *(const int *)arg;
}

/* What the server was sent; NULL: nothing. */
static char *call(struct flow_stage *s, int status, const char *params, const char *inputs, int *ret_rc)
{
	struct http_stub stub;
	char *asked;

	http_stub_open(&stub, answer, &status);
	flow_stage_open(s, "deliver");
	upstream_close(&s->gallery);
	free(s->conf.api_base_url);
	s->conf.api_base_url = xasprintf("%s/app/", stub.url);
	free(s->conf.internal_token);
	s->conf.internal_token = xstrdup("geheim");
	assert_int_equal(upstream_open_gallery(&s->gallery, &s->conf, &s->err), 0);
	*ret_rc = flow_stage_run(s, params, inputs);
	asked = http_stub_requests(&stub) ? http_stub_last(&stub) : NULL;
	http_stub_close(&stub);
	return asked;
}

static void expect_body(const char *params, const char *data, const char *path, const char *body)
{
	scoped(free_p) char *inputs = xasprintf("[{\"step\":\"src\",\"item\":0,\"artifact\":{\"name\":\"picture\","
		"\"media_type\":\"image/png\"}},%s]", data);
	scoped(free_p) char *line = xasprintf("POST /app%s HTTP/1.1\r\n", path), *end = xasprintf("\r\n\r\n%s", body);
	struct flow_stage s;
	int rc;
	scoped(free_p) char *asked = call(&s, 200, params, inputs, &rc);
	scoped(free_p) char *said = flow_stage_data(&s);

	if (rc < 0)
		fail_msg("%s", s.err.msg);
	assert_non_null(asked);
	assert_int_equal(strncmp(asked, line, strlen(line)), 0);
	assert_non_null(strstr(asked, "\r\nx-internal-token: geheim\r\n"));
	assert_non_null(strstr(asked, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(asked, "\r\nIdempotency-Key: 00000000-0000-7000-8000-000000000001/it/0\r\n"));
	assert_string_equal(strstr(asked, "\r\n\r\n"), end);
	assert_string_equal(said, "{\"sent\":true,\"status\":200}");
	flow_stage_close(&s);
}

static void expect_reject(const char *params, const char *data, const char *words)
{
	scoped(free_p) char *inputs = xasprintf("[{\"step\":\"a\",\"item\":0,\"data\":%s}]", data);
	struct flow_stage s;
	int rc;
	scoped(free_p) char *asked = call(&s, 200, params, inputs, &rc);

	assert_int_equal(rc, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	if (!strstr(s.err.msg, words))
		fail_msg("'%s' is not in '%s'", words, s.err.msg);
	assert_null(asked);
	flow_stage_close(&s);
}

#define IMAGE "{\"as\":\"image\",\"id\":7,\"model\":\"mine\",\"dim\":2}"
#define ONE   "[{\"step\":\"a\",\"item\":0,\"data\":{\"embedding\":[1,0]}}]"
#define FACES "{\"as\":\"faces\",\"id\":7,\"model\":\"arcface-buffalo_l\",\"dim\":3}"
#define OCR   "{\"as\":\"ocr\",\"id\":7,\"langs\":[\"ch_sim\",\"en\"],\"min_conf\":0.3}"

TEST(flow_deliver_posts_the_embedding_of_a_photo)
{
	expect_body(IMAGE, "{\"step\":\"clip\",\"item\":0,\"data\":{\"embedding\":[0.6,-0.8],\"dim\":2,\"model\":\"org/name\","
		"\"backend\":\"onnx\",\"device\":\"cpu\"}}", "/api/internal/photos/7/ml_result",
		"{\"model\":\"mine\",\"modality\":\"image\",\"embedding\":[0.6,-0.8],\"ml_result\":{\"source\":\"pixelfleet\","
		"\"model_name\":\"org/name\",\"device\":\"cpu\"},\"processing_status\":\"done\"}");
}

TEST(flow_deliver_keeps_the_digits_of_an_embedding)
{
	expect_body(IMAGE, "{\"step\":\"clip\",\"item\":0,\"data\":{\"embedding\":[0.123456789,-1.23456789e-08],\"model\":\"m\"}}",
		"/api/internal/photos/7/ml_result",
		"{\"model\":\"mine\",\"modality\":\"image\",\"embedding\":[0.123456789,-1.23456789e-8],"
		"\"ml_result\":{\"source\":\"pixelfleet\",\"model_name\":\"m\",\"device\":\"cpu\"},\"processing_status\":\"done\"}");
}

TEST(flow_deliver_posts_a_caption_with_the_embedding_of_its_text)
{
	expect_body("{\"as\":\"caption\",\"id\":7,\"model\":\"mine\",\"dim\":2}",
		"{\"step\":\"caption\",\"item\":0,\"data\":{\"caption\":\"a red \\\"cat\\\"\",\"model\":\"blip\",\"device\":\"cuda\"}},"
		"{\"step\":\"text\",\"item\":0,\"data\":{\"embedding\":[1,0],\"model\":\"m\",\"device\":\"cpu\",\"tokens\":5}}",
		"/api/internal/photos/7/ml_result",
		"{\"model\":\"mine\",\"modality\":\"caption\",\"embedding\":[1,0],\"ml_result\":{\"source\":\"pixelfleet\","
		"\"model_name\":\"blip\",\"device\":\"cuda\",\"caption\":\"a red \\\"cat\\\"\"},\"processing_status\":\"done\"}");
}

TEST(flow_deliver_sends_nothing_for_an_empty_caption)
{
	struct flow_stage s;
	int rc;
	scoped(free_p) char *asked = call(&s, 200, "{\"as\":\"caption\",\"id\":7,\"model\":\"mine\"}",
		"[{\"step\":\"c\",\"item\":0,\"data\":{\"caption\":\" \",\"model\":\"blip\"}}]", &rc);

	assert_int_equal(rc, 0);
	assert_null(asked);
	flow_stage_close(&s);
}

TEST(flow_deliver_posts_faces_with_their_corners)
{
	expect_body(FACES, "{\"step\":\"f\",\"item\":0,\"data\":{\"items\":[{\"label\":\"face\",\"score\":0.9,\"box\":[10,20.5,30,40],"
		"\"landmarks\":[[1,2]],\"embedding\":[0.5,0.5,0]}],\"width\":100,\"height\":100,\"model\":\"buffalo_l\"}}",
		"/api/internal/photos/7/faces", "{\"faces\":[{\"embedding\":[0.5,0.5,0],\"model\":\"arcface-buffalo_l\","
		"\"bbox\":{\"x1\":10.0,\"y1\":20.5,\"x2\":40.0,\"y2\":60.5}}]}");
	expect_body(FACES, "{\"step\":\"f\",\"item\":0,\"data\":{\"items\":[],\"width\":100,\"height\":100}}",
		"/api/internal/photos/7/faces", "{\"faces\":[]}");
}

TEST(flow_deliver_posts_text_that_is_certain_enough)
{
	expect_body(OCR, "{\"step\":\"o\",\"item\":0,\"data\":{\"text\":\"x\",\"items\":["
		"{\"label\":\"HELLO\",\"score\":0.9,\"box\":[1,2,3,4],\"points\":[[1,2],[4,2],[4,6],[1,6]],\"line\":0},"
		"{\"label\":\"noise\",\"score\":0.29,\"box\":[1,2,3,4]},{\"label\":\" \",\"score\":1,\"box\":[1,2,3,4]},"
		"{\"label\":\"\\u4f60\\u597d\",\"score\":0.3,\"box\":[0,0,2,1]}]}}", "/api/internal/photos/7/ml_result",
		"{\"ml_result\":{\"ocr_text\":\"HELLO 你好\",\"ocr\":{\"text\":\"HELLO 你好\",\"items\":["
		"{\"text\":\"HELLO\",\"conf\":0.9,\"bbox\":[[1,2],[4,2],[4,6],[1,6]]},"
		"{\"text\":\"你好\",\"conf\":0.3,\"bbox\":[[0.0,0.0],[2.0,0.0],[2.0,1.0],[0.0,1.0]]}],"
		"\"lang\":[\"ch_sim\",\"en\"],\"source\":\"tesseract\"}},\"processing_status\":\"done\"}");
	expect_body(OCR, "{\"step\":\"o\",\"item\":0,\"data\":{\"text\":\"\",\"items\":[]}}", "/api/internal/photos/7/ml_result",
		"{\"ml_result\":{\"ocr_text\":\"\"},\"processing_status\":\"done\"}");
}

TEST(flow_deliver_cuts_long_text_between_characters)
{
	expect_body("{\"as\":\"ocr\",\"id\":7,\"max_chars\":3}", "{\"step\":\"o\",\"item\":0,\"data\":{\"items\":["
		"{\"label\":\"é日本語\",\"score\":0.5,\"points\":[[1,2],[4,2],[4,6],[1,6]]}]}}", "/api/internal/photos/7/ml_result",
		"{\"ml_result\":{\"ocr_text\":\"é日本\",\"ocr\":{\"text\":\"é日本\",\"items\":[{\"text\":\"é日本語\",\"conf\":0.5,"
		"\"bbox\":[[1,2],[4,2],[4,6],[1,6]]}],\"lang\":[],\"source\":\"tesseract\"}},\"processing_status\":\"done\"}");
}

TEST(flow_deliver_posts_the_embedding_of_a_query)
{
	expect_body("{\"as\":\"text\",\"id\":12,\"model\":\"whatever was asked for\",\"dim\":2}",
		"{\"step\":\"t\",\"item\":0,\"data\":{\"embedding\":[0,1],\"model\":\"m\"}}", "/api/internal/text_queries/12",
		"{\"embedding\":[0,1],\"model\":\"whatever was asked for\"}");
}

TEST(flow_deliver_rejects_embeddings_of_another_length_and_names_both)
{
	expect_reject(IMAGE, "{\"embedding\":[1,0,0],\"model\":\"org/name\"}",
		"the embedding of model 'org/name' has 3 numbers, PROCESSING_EMBEDDING_DIM is 2");
	expect_reject(FACES, "{\"items\":[{\"box\":[1,2,3,4],\"embedding\":[1,0]}]}",
		"the embedding of face 0 has 2 numbers, PROCESSING_FACE_EMBEDDING_DIM is 3");
	expect_reject("{\"as\":\"text\",\"id\":1,\"model\":\"m\",\"dim\":3}", "{\"embedding\":[1,0]}",
		"has 2 numbers, PROCESSING_EMBEDDING_DIM is 3");
}

TEST(flow_deliver_rejects_what_it_cannot_make_a_request_of)
{
	expect_reject(IMAGE, "{\"items\":[]}", "no need gave \"embedding\"");
	expect_reject(IMAGE, "{\"embedding\":[1,null]}", "element 1");
	expect_reject(IMAGE, "{\"embedding\":[1,1e39]}", "element 1");
	expect_reject(IMAGE, "{\"embedding\":\"AAAA\"}", "has no embedding");
	expect_reject("{\"as\":\"image\",\"id\":7}", "{\"embedding\":[1,0]}", "\"model\" is missing");
	expect_reject("{\"as\":\"image\",\"model\":\"m\"}", "{\"embedding\":[1,0]}", "\"id\" is missing");
	expect_reject(FACES, "{\"items\":[{\"embedding\":[1,0,0]}]}", "face 0 has no box");
	expect_reject(FACES, "{\"items\":[{\"box\":[1,2,3,4]}]}", "face 0 has no embedding");
	expect_reject("{\"as\":\"caption\",\"id\":7,\"model\":\"m\"}", "{\"embedding\":[1,0]}", "no need gave \"caption\"");
	expect_reject(OCR, "{\"text\":\"hello\"}", "no need gave \"items\"");
	expect_reject("{\"as\":\"poem\",\"id\":7}", "{}", "allowed is image, caption");
}

TEST(flow_deliver_status_decides_whether_it_is_retried)
{
	static const struct { int status; enum err_kind kind; bool answered; } cases[] = {
		{ 404, ERR_REJECT, true }, { 422, ERR_REJECT, true }, { 302, ERR_REJECT, true }, { 429, ERR_RETRY, true },
		{ 500, ERR_RETRY, true }, { 502, ERR_RETRY, false }, { 503, ERR_RETRY, false },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct flow_stage s;
		int rc;
		scoped(free_p) char *asked = call(&s, cases[i].status, IMAGE, ONE, &rc);
		scoped(free_p) char *code = xasprintf(" answers %d", cases[i].status);

		assert_int_equal(rc, -1);
		assert_int_equal(s.err.kind, cases[i].kind);
		assert_non_null(strstr(s.err.msg, code));
		assert_non_null(strstr(s.err.msg, "said so"));
		assert_int_equal(strncmp(s.result.backend, "callback:127.0.0.1:", 19), 0);
		assert_int_equal(s.result.backend_answered, cases[i].answered);
		flow_stage_close(&s);
	}
}

TEST(flow_deliver_without_an_answer_is_the_servers_fault)
{
	struct flow_stage s;

	flow_stage_open(&s, "deliver");
	upstream_close(&s.gallery);
	free(s.conf.api_base_url);
	s.conf.api_base_url = xstrdup("http://127.0.0.1:1");
	assert_int_equal(upstream_open_gallery(&s.gallery, &s.conf, &s.err), 0);
	assert_int_equal(flow_stage_run(&s, IMAGE, ONE), -1);
	assert_int_equal(s.err.kind, ERR_RETRY);
	assert_string_equal(s.result.backend, "callback:127.0.0.1:1");
	assert_false(s.result.backend_answered);
	flow_stage_close(&s);
}

TEST(flow_deliver_asks_dispatchers_in_turn_where_no_server_is_set)
{
	struct http_stub stub;
	struct flow_stage s;
	int status = 200;

	http_stub_open(&stub, answer, &status);
	flow_stage_open(&s, "deliver");
	upstream_close(&s.gallery);
	free(s.conf.dispatcher_url);
	s.conf.dispatcher_url = xasprintf("http://127.0.0.1:1,%s", stub.url);
	assert_int_equal(upstream_open_gallery(&s.gallery, &s.conf, &s.err), 0);
	assert_int_equal(flow_stage_run(&s, IMAGE, ONE), 0);
	assert_int_equal(http_stub_requests(&stub), 1);
	assert_true(s.result.backend_answered);
	flow_stage_close(&s);
	http_stub_close(&stub);
}
