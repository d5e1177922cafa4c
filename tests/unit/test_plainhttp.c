#include "test.h"

#include "http_stub.h"
#include "plainhttp.h"
#include "upstream.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int echo(void *arg, const char *request, struct buf *head, struct buf *body)
{
	(void)head;
	buf_puts(body, strstr(request, "\r\n\r\n") + 4);
	return arg ? 503 : 200;
}

static int strange(void *arg, const char *request, struct buf *head, struct buf *body)
{
	(void)request;
	buf_puts(head, arg);
	buf_puts(body, "x");
	return 200;
}

TEST(plainhttp_understands_only_plain_urls)
{
	static const char *const bad[] = { "https://a/", "ftp://a", "http://", "http://a b", "http://user@a/", "http://a:/", "http://a:80x",
		"http://a/?q", "http://[::1]:5", "a:80" };
	static const struct { const char *url, *host, *port, *prefix; } good[] = { { "http://a", "a", "80", "" },
		{ "HTTP://a.b-c:5800", "a.b-c", "5800", "" }, { "http://127.0.0.1:1/x/y", "127.0.0.1", "1", "/x/y" } };
	struct plainhttp p;

	for (size_t i = 0; i < countof(bad); i++)
		assert_false(plainhttp_init(&p, bad[i]));
	for (size_t i = 0; i < countof(good); i++) {
		assert_true(plainhttp_init(&p, good[i].url));
		assert_string_equal(p.host, good[i].host);
		assert_string_equal(p.port, good[i].port);
		assert_string_equal(p.prefix, good[i].prefix);
		plainhttp_done(&p);
	}
}

TEST(plainhttp_posts_and_reads_any_size_of_answer)
{
	struct http_stub s;
	struct plainhttp p;
	struct err err;

	http_stub_open(&s, echo, NULL);
	assert_true(plainhttp_init(&p, s.url));
	for (size_t n = 1; n <= 1 << 20; n <<= 5) {
		scoped(http_response_done) struct http_response r = { 0 };
		scoped(free_p) char *body = xcalloc(1, n + 1);

		memset(body, 'a', n);
		assert_int_equal(plainhttp_post(&p, "/x", "x-one: 1\r\n", body, n, 5, &r, &err), PLAIN_DONE);
		assert_int_equal(r.status, 200);
		assert_int_equal(r.body.len, n);
		assert_memory_equal(r.body.text, body, n);
	}
	plainhttp_done(&p);
	http_stub_close(&s);
}

TEST(plainhttp_tries_every_address_of_a_name)
{
	scoped(http_response_done) struct http_response r = { 0 };
	scoped(free_p) char *url = NULL;
	struct http_stub s;
	struct plainhttp p;
	struct err err;

	http_stub_open(&s, echo, NULL);         /* on 127.0.0.1, while localhost may be ::1 first */
	url = xasprintf("http://localhost%s", strrchr(s.url, ':'));
	assert_true(plainhttp_init(&p, url));
	assert_int_equal(plainhttp_post(&p, "/x", "", "[]", 2, 5, &r, &err), PLAIN_DONE);
	assert_string_equal(r.body.text, "[]");
	plainhttp_done(&p);
	http_stub_close(&s);
}

TEST(plainhttp_leaves_what_it_does_not_know_to_others)
{
	static const char *const heads[] = { "Transfer-Encoding: chunked\r\n", "Content-Length: many\r\n", "Content-Length: 99999999999\r\n" };
	struct plainhttp p;
	struct err err;

	for (size_t i = 0; i < countof(heads); i++) {
		scoped(http_response_done) struct http_response r = { 0 };
		struct http_stub s;

		http_stub_open(&s, strange, (void *)(uintptr_t)heads[i]);
		assert_true(plainhttp_init(&p, s.url));
		assert_int_equal(plainhttp_post(&p, "/x", "", "{}", 2, 1, &r, &err), PLAIN_NO);
		assert_int_equal(p.fd, -1);
		plainhttp_done(&p);
		http_stub_close(&s);
	}
	assert_true(plainhttp_init(&p, "http://127.0.0.1:1"));
	assert_int_equal(plainhttp_post(&p, "/x", "", "{}", 2, 1, &(struct http_response){ 0 }, &err), PLAIN_NO);
	plainhttp_done(&p);
}

/* A server that says one thing, byte for byte, and hangs up. */
struct crude {
	int fd;
	const char *says;
	size_t len;
};

static void *say_it(void *arg)
{
	const struct crude *c = arg;
	scoped(close_p) int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
	char request[1024];

	must(fd >= 0 && recv(fd, request, sizeof request, 0) > 0);
	must(send(fd, c->says, c->len, MSG_NOSIGNAL) == (ssize_t)c->len);
	shutdown(fd, SHUT_WR);
	while (recv(fd, request, sizeof request, 0) > 0)
		;
	return NULL;
}

static enum plain_end hear(const char *says, size_t len, struct http_response *ret)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct crude c = { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), says, len };
	scoped(free_p) char *url = NULL;
	socklen_t size = sizeof a;
	struct plainhttp p;
	enum plain_end end;
	pthread_t thread;
	struct err err;

	must(c.fd >= 0 && bind(c.fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(c.fd, 1) == 0);
	must(getsockname(c.fd, (struct sockaddr *)&a, &size) == 0);
	must(pthread_create(&thread, NULL, say_it, &c) == 0);
	url = xasprintf("http://127.0.0.1:%d", ntohs(a.sin_port));
	must(plainhttp_init(&p, url));
	end = plainhttp_post(&p, "/x", "", "{}", 2, 20, ret, &err);
	plainhttp_done(&p);
	must(pthread_join(thread, NULL) == 0);
	close(c.fd);
	return end;
}

TEST(plainhttp_takes_no_answer_that_is_not_plain)
{
#define OK "HTTP/1.1 200 OK\r\n"
	static const struct { const char *says; size_t len; } garbled[] = {
#define SAYS(text) { text, sizeof text - 1 }
		SAYS(""), SAYS("\r\n\r\n"), SAYS("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"), SAYS("HTTP/1.1 2000\r\nContent-Length: 1\r\n\r\nx"),
		SAYS("HTTP/1.1  200 OK\r\nContent-Length: 1\r\n\r\nx"), SAYS("HTTP/1.1 -18446744073709551416 OK\r\nContent-Length: 1\r\n\r\nx"),
		SAYS("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx"), SAYS(OK "\r\nx"),
		SAYS(OK "Content-Length: 1x\r\n\r\nx"), SAYS(OK "Content-Length: 1, 1\r\n\r\nx"), SAYS(OK "Content-Length: +1\r\n\r\nx"),
		SAYS(OK "Content-Length: -18446744073709551615\r\n\r\nx"), SAYS(OK "Content-Length: 67108865\r\n\r\nx"),
		SAYS(OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"), SAYS(OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx"),
		SAYS(OK "Content-Length: 1\r\n\r\nxy"), SAYS(OK "Content-Length: 3\r\n\r\nxy"), SAYS(OK "\0Content-Length: 1\r\n\r\nx"),
		SAYS(OK "Content-Length:\r\n 1\r\n\r\nx"), SAYS(OK "Content-Length: 0x1\r\n\r\nx"),
	};
	static const char good[] = OK "content-length: \t2 \r\nX: y\r\n\r\n\0b";
	struct http_response r = { 0 };

	for (size_t i = 0; i < countof(garbled); i++)
		if (hear(garbled[i].says, garbled[i].len, &r) != PLAIN_NO)
			fail_msg("understood: %s", garbled[i].says);
	assert_int_equal(hear(good, sizeof good - 1, &r), PLAIN_DONE);
	assert_int_equal(r.body.len, 2);
	assert_memory_equal(r.body.text, "\0b", 2);
	http_response_done(&r);
#undef SAYS
#undef OK
}

static void open_it(struct upstream *u, struct conf *conf, const char *urls)
{
	scoped(free_p) char *setting = xasprintf("PIXELFLEET_DISPATCHER_URL=%s", urls);
	const char *const env[] = { setting, "PROCESSING_INTERNAL_TOKEN=the-token", NULL };
	struct err err;

	assert_int_equal(conf_load(conf, env, &err), 0);
	assert_int_equal(upstream_open(u, conf, &err), 0);
}

TEST(upstream_post_takes_the_short_way_and_finds_the_dispatcher_that_is_there)
{
	struct http_stub down, up;
	struct upstream u;
	struct conf conf;
	struct err err;
	scoped(free_p) char *urls = NULL, *asked = NULL;

	http_stub_open(&down, echo, (void *)(uintptr_t)"starting");
	http_stub_open(&up, echo, NULL);
	urls = xasprintf("http://127.0.0.1:1, %s/ ,%s/", down.url, up.url);
	open_it(&u, &conf, urls);
	for (int i = 0; i < 4; i++) {
		scoped(http_response_done) struct http_response r = { 0 };

		assert_int_equal(upstream_post(&u, "/results", i ? "x-room: 1" : NULL, "[1]", 3, 5, &r, &err), 0);
		assert_string_equal(r.body.text, "[1]");
		assert_int_equal(u.plain[2].is_well, true);
	}
	assert_int_equal(http_stub_requests(&down), 1);
	asked = http_stub_last(&up);
	assert_non_null(strstr(asked, "POST /results HTTP/1.1\r\n"));
	assert_non_null(strstr(asked, "x-internal-token: the-token\r\nx-room: 1\r\n"));
	assert_null(strstr(asked, "Accept:"));          /* only the first one went the long way */
	http_stub_close(&up);
	assert_int_equal(upstream_post(&u, "/results", NULL, "[]", 2, 1, &(struct http_response){ 0 }, &err), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	upstream_close(&u);
	conf_done(&conf);
	http_stub_close(&down);
}
