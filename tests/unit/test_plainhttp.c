#include "test.h"

#include "http_stub.h"
#include "plainhttp.h"
#include "upstream.h"

#include <string.h>

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

TEST(plainhttp_leaves_what_it_does_not_know_to_others)
{
	static const char *const heads[] = { "Transfer-Encoding: chunked\r\n", "Content-Length: many\r\n", "Content-Length: 99999999999\r\n",
		"Content-Length: 1, 1\r\n", "Content-Length: 1x\r\n" };
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
