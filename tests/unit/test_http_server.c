#include "test.h"

#include "breaker.h"
#include "http.h"
#include "uuid.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOKEN "internal-token-0123456789-0123456789"
#define HOST  "Host: localhost\r\n"

/* A server whose Redis and PostgreSQL are not there: what it says without them, and how it says that they are not. */
struct fixture {
	struct dispatcher d;
	struct http_server *http;
};

static void up(struct fixture *f)
{
	static const char *const env[] = { "REDIS_URL=unix:///nonexistent/redis", "DATABASE_URL=host=/nonexistent",
		"PIXELFLEET_LISTEN=127.0.0.1:0", "PROCESSING_INTERNAL_TOKEN=" TOKEN, NULL };
	struct err err;

	memset(f, 0, sizeof *f);
	assert_int_equal(conf_load(&f->d.conf, env, &err), 0);
	f->d.breakers = breakers_new(f->d.conf.breaker_patience_s, f->d.conf.breaker_probe_s);
	f->d.ledger = ledger_start(&f->d);
	assert_int_equal(http_start(&f->d, &f->http, &err), 0);
}

static void down(struct fixture *f)
{
	http_stop(f->http);
	ledger_stop(f->d.ledger);
	breakers_free(f->d.breakers);
	conf_done(&f->d.conf);
}

static int dial(const struct fixture *f)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(f->http)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (void *)&sa, sizeof sa), 0);
	return fd;
}

static void say(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return;         /* refused before the end: then there is an answer to read */
		text += sent;
		n -= (size_t)sent;
	}
}

/* Until the other side closes, or `until` was said. */
static char *hear(int fd, const char *until)
{
	struct buf b = { 0 };
	char block[4096];
	ssize_t n;

	while (!(until && b.text && strstr(b.text, until)) && (n = recv(fd, block, sizeof block, 0)) > 0)
		buf_add(&b, block, (size_t)n);
	return buf_take(&b);
}

/* One request that asks for the connection to be closed; the whole answer, valid until the next call. */
static const char *ask(const struct fixture *f, const char *head, const char *body, size_t n)
{
	static char *answer;
	int fd = dial(f);

	free(answer);
	say(fd, head, strlen(head));
	say(fd, body, n);
	answer = hear(fd, NULL);
	close(fd);
	return answer;
}

#define GET(path, more)  "GET " path " HTTP/1.1\r\n" HOST "Connection: close\r\n" more "\r\n"
#define POST(path, more) "POST " path " HTTP/1.1\r\n" HOST "Connection: close\r\n" more "\r\n"
#define RESULTS(more)    POST("/internal/v1/results", "x-internal-token: " TOKEN "\r\n" more)
#define assert_begins(text, head) assert_memory_equal(text, head, sizeof(head) - 1)
#define assert_says(text, word)   assert_non_null(strstr(text, word))

TEST(threads_health_answers_without_redis_and_postgresql)
{
	struct fixture f;

	up(&f);
	assert_says(ask(&f, GET("/health", ""), "", 0), "{\"status\":\"ok\"");
	assert_begins(ask(&f, GET("/ready", ""), "", 0), "HTTP/1.1 503 ");
	assert_says(ask(&f, GET("/ready", ""), "", 0), "PostgreSQL has not answered yet");
	assert_says(ask(&f, GET("/metrics", ""), "", 0), "\npixelfleet_postgres_up 0\n");
	assert_says(ask(&f, GET("/api/v1", ""), "", 0), "/internal/v1/results");
	assert_says(ask(&f, GET("/api/v1/tools", ""), "", 0), "\"thumbnail\"");
	assert_begins(ask(&f, GET("/api/v1/jobs", ""), "", 0), "HTTP/1.1 503 ");
	assert_begins(ask(&f, GET("/api/v1/queues", ""), "", 0), "HTTP/1.1 503 ");
	assert_says(ask(&f, GET("/api/v1/queues", ""), "", 0), "Retry-After: ");
	down(&f);
}

TEST(threads_head_answers_like_get_without_a_body)
{
	struct fixture f;
	const char *answer;

	up(&f);
	answer = ask(&f, "HEAD /health HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "", 0);
	assert_begins(answer, "HTTP/1.1 200 OK");
	assert_says(answer, "Content-Length: 33");
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
	down(&f);
}

TEST(threads_a_request_with_two_lengths_is_refused_and_the_connection_closed)
{
	static const char *const heads[] = {
		POST("/api/v1/jobs", "Content-Length: 2\r\nContent-Length: 2\r\n"),
		POST("/api/v1/jobs", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
		POST("/api/v1/jobs", "Transfer-Encoding: gzip, chunked\r\n"),
		"GET /health HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
	};
	static const char second[] = "{}GET /health HTTP/1.1\r\n" HOST "\r\n";
	struct fixture f;

	up(&f);
	for (size_t i = 0; i < countof(heads); i++) {
		const char *answer = ask(&f, heads[i], second, sizeof second - 1);

		assert_begins(answer, "HTTP/1.1 400 ");
		assert_null(strstr(answer, "\"ok\""));
	}
	down(&f);
}

TEST(threads_a_head_that_can_be_read_in_two_ways_is_refused_and_the_connection_closed)
{
	static const char *const odd[] = { "X-A : b\r\n", "X-A: b\r\n c\r\n", ": b\r\n", ":\r\n", "X-A: b\nX-B: c\r\n", "X-A: b\rc\r\n",
		"X-A: \x01\r\n", "X(: b\r\n", HOST, "Content-Length: 1, 1\r\n", "Expect: tea\r\n", "no colon\r\n" };
	static const char second[] = "GET /health HTTP/1.1\r\n" HOST "\r\n";
	struct fixture f;
	char head[300];

	up(&f);
	for (size_t i = 0; i < countof(odd); i++) {
		const char *answer;

		snprintf(head, sizeof head, "GET /health HTTP/1.1\r\n" HOST "%s\r\n", odd[i]);
		answer = ask(&f, head, second, sizeof second - 1);
		assert_begins(answer, "HTTP/1.1 4");
		assert_null(strstr(answer, "\"ok\""));
	}
	assert_begins(ask(&f, "GET  /health HTTP/1.1\r\n" HOST "\r\n", second, sizeof second - 1), "HTTP/1.1 400 ");
	assert_begins(ask(&f, GET("/health", "X-A:\tb \r\nX-B:\r\nX-C:c\r\n"), "", 0), "HTTP/1.1 200 ");
	down(&f);
}

TEST(threads_an_absolute_uri_names_a_host_too)
{
	struct fixture f;

	up(&f);
	assert_begins(ask(&f, GET("http://127.0.0.1:1/api/v1/tools?x", ""), "", 0), "HTTP/1.1 200 ");
	assert_begins(ask(&f, GET("http://rebound.example/api/v1/tools", ""), "", 0), "HTTP/1.1 403 ");
	assert_begins(ask(&f, GET("http://localhost@rebound.example/api/v1/tools", ""), "", 0), "HTTP/1.1 403 ");
	assert_begins(ask(&f, GET("http://localhost", ""), "", 0), "HTTP/1.1 404 ");
	down(&f);
}

TEST(threads_tokens_are_asked_for_before_the_body)
{
	struct fixture f;

	up(&f);
	assert_begins(ask(&f, POST("/internal/v1/results", "Content-Length: 2\r\n"), "[]", 2), "HTTP/1.1 401 ");
	assert_begins(ask(&f, POST("/internal/v1/results", "x-internal-token: " TOKEN "x\r\nContent-Length: 2\r\n"), "[]", 2), "HTTP/1.1 401 ");
	assert_says(ask(&f, RESULTS("Content-Length: 2\r\n"), "[]", 2), "{\"answers\":[]}");
	assert_begins(ask(&f, GET("/api/v1/tools", "Origin: http://evil.example\r\n"), "", 0), "HTTP/1.1 403 ");
	assert_begins(ask(&f, "GET /api/v1/tools HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "", 0), "HTTP/1.1 403 ");
	down(&f);
}

TEST(threads_a_body_over_its_limit_is_413)
{
	enum { OVER = (1 << 20) + 1 };
	char *body = xcalloc(1, OVER + 1);
	struct fixture f;

	memset(body, ' ', OVER);
	up(&f);
	assert_begins(ask(&f, POST("/api/v1/jobs", "Content-Length: 1048577\r\n"), body, OVER), "HTTP/1.1 413 ");
	assert_begins(ask(&f, POST("/api/v1/jobs", "Content-Length: 1048576\r\n"), body, OVER - 1), "HTTP/1.1 400 ");
	assert_begins(ask(&f, POST("/api/v1/jobs", "Expect: 100-continue\r\nContent-Length: 1048577\r\n"), "", 0), "HTTP/1.1 413 ");
	assert_begins(ask(&f, RESULTS("Content-Length: 999999999999\r\n"), "", 0), "HTTP/1.1 413 ");
	down(&f);
	free(body);
}

TEST(threads_a_submission_that_cannot_be_committed_is_503)
{
	static const char body[] = "{\"images\":[\"https://a.example/1.jpg\"],\"steps\":[{\"id\":\"a\",\"tool\":\"fetch\"}]}";
	char head[200];
	struct fixture f;

	up(&f);
	snprintf(head, sizeof head, POST("/api/v1/jobs", "Content-Length: %zu\r\n"), sizeof body - 1);
	assert_begins(ask(&f, head, body, sizeof body - 1), "HTTP/1.1 503 ");
	assert_says(ask(&f, POST("/api/v1/jobs", "Content-Length: 2\r\n"), "{}", 2), "\"problems\":[");
	assert_says(ask(&f, POST("/api/v1/jobs", "Content-Length: 2\r\n"), "{x", 2), "\"problems\":[");
	down(&f);
}

TEST(threads_reports_are_tried_again_as_a_whole_when_the_ledger_cannot)
{
	static const char shape[] = "[{\"run\":\"%s\",\"job\":\"%s\",\"ordinal\":0,\"attempt\":1,\"worker\":\"w\","
		"\"started_at\":\"2026-01-02T03:04:05Z\",\"ms\":1,\"status\":\"succeeded\"},{}]";
	char head[200], body[600], id[UUID_TEXT];
	struct fixture f;

	up(&f);
	uuid_new(id);
	snprintf(body, sizeof body, shape, id, id);
	snprintf(head, sizeof head, RESULTS("Content-Length: %zu\r\n"), strlen(body));
	assert_begins(ask(&f, head, body, strlen(body)), "HTTP/1.1 503 ");
	snprintf(head, sizeof head, RESULTS("Content-Length: %d\r\n"), 4);
	assert_says(ask(&f, head, "[{}]", 4), "{\"answers\":[{\"refused\":\"job: allowed is a UUID in lower case\"}]}");
	down(&f);
}

TEST(threads_stopping_ends_the_streams)
{
	struct fixture f;
	char *text;
	int fd[20];

	up(&f);
	for (size_t i = 0; i < countof(fd); i++) {
		fd[i] = dial(&f);
		say(fd[i], GET("/api/v1/events", ""), sizeof GET("/api/v1/events", "") - 1);
	}
	for (size_t i = 0; i < countof(fd); i++) {
		text = hear(fd[i], "retry: ");
		assert_says(text, "Content-Type: text/event-stream");
		free(text);
	}
	close(fd[0]);
	down(&f);
	for (size_t i = 1; i < countof(fd); i++) {
		text = hear(fd[i], NULL);
		assert_says(text, "0\r\n\r\n");
		free(text);
		close(fd[i]);
	}
}

TEST(threads_many_callers_at_once_each_get_their_answer)
{
	struct fixture f;
	char *text;
	int fd[100];

	up(&f);
	for (size_t i = 0; i < countof(fd); i++) {
		fd[i] = dial(&f);
		say(fd[i], GET("/health", ""), sizeof GET("/health", "") - 1);
	}
	for (size_t i = 0; i < countof(fd); i++) {
		text = hear(fd[i], NULL);
		assert_says(text, "\"ok\"");
		free(text);
		close(fd[i]);
	}
	down(&f);
}
