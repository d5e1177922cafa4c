#include "test.h"

#include "httpc.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server for one answer: what it was asked is kept. */
struct server {
	int fd;
	char url[64], asked[8192];
	const char *answer;             /* NULL: never answers */
	volatile bool stop;
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	size_t n = 0;
	ssize_t r;

	if (fd < 0)
		return NULL;
	while (n < sizeof s->asked - 1 && (r = read(fd, s->asked + n, sizeof s->asked - 1 - n)) > 0) {
		char *end, *length;

		n += (size_t)r;
		s->asked[n] = '\0';
		end = strstr(s->asked, "\r\n\r\n");
		length = strstr(s->asked, "Content-Length: ");
		if (end && strlen(end + 4) >= (length ? strtoul(length + 16, NULL, 10) : 0))
			break;
	}
	if (s->answer)
		(void)!write(fd, s->answer, strlen(s->answer));
	else
		while (read(fd, s->asked, sizeof s->asked) > 0)
			;
	close(fd);
	return NULL;
}

static void server_begin(struct server *s, const char *answer)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;

	*s = (struct server){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer };
	must(bind(s->fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(s->fd, 4) == 0);
	must(getsockname(s->fd, (struct sockaddr *)&a, &n) == 0);
	snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/x", ntohs(a.sin_port));
	must(pthread_create(&s->thread, NULL, serve, s) == 0);
}

static void server_end(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static int ask(struct server *s, struct http_request q, struct http_response *ret, struct err *err)
{
	struct httpc *c = httpc_new();
	int r;

	if (!q.url)
		q.url = s->url;
	r = httpc_perform(c, &q, ret, err);
	httpc_free(c);
	return r;
}

TEST(httpc_gives_status_type_and_body)
{
	struct http_response r = { 0 };
	struct server s;
	struct err e;

	server_begin(&s, "HTTP/1.1 418 I'm a teapot\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nshort");
	assert_int_equal(ask(&s, (struct http_request){ 0 }, &r, &e), 0);
	server_end(&s);
	assert_int_equal(r.status, 418);
	assert_string_equal(r.content_type, "text/plain");
	assert_string_equal(r.body.text, "short");
	assert_memory_equal(s.asked, "GET /x HTTP/1.1\r\n", 17);
	http_response_done(&r);
}

TEST(httpc_posts_a_body_with_headers)
{
	static const char *const headers[] = { "x-internal-token: t", NULL };
	struct http_response r = { 0 };
	struct server s;
	struct err e;

	server_begin(&s, "HTTP/1.1 204 No Content\r\n\r\n");
	assert_int_equal(ask(&s, (struct http_request){ .body = "[1]", .body_len = 3, .headers = headers }, &r, &e), 0);
	server_end(&s);
	assert_int_equal(r.status, 204);
	assert_memory_equal(s.asked, "POST ", 5);
	assert_non_null(strstr(s.asked, "x-internal-token: t\r\n"));
	assert_non_null(strstr(s.asked, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(s.asked, "\r\n\r\n[1]"));
	http_response_done(&r);
}

TEST(httpc_writes_into_a_descriptor)
{
	struct http_response r = { 0 };
	struct server s;
	struct err e;
	char bytes[8] = "";
	int fd = open(test_path("out"), O_RDWR | O_CREAT, 0600);

	server_begin(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbytes");
	assert_int_equal(ask(&s, (struct http_request){ .to_fd = fd }, &r, &e), 0);
	server_end(&s);
	assert_int_equal(pread(fd, bytes, sizeof bytes, 0), 5);
	assert_string_equal(bytes, "bytes");
	close(fd);
	http_response_done(&r);
}

TEST(httpc_refuses_more_than_was_allowed)
{
	struct http_response r = { 0 };
	struct server s;
	struct err e;

	server_begin(&s, "HTTP/1.1 200 OK\r\n\r\n0123456789");
	assert_int_equal(ask(&s, (struct http_request){ .max_bytes = 9 }, &r, &e), -1);
	server_end(&s);
	assert_int_equal(e.kind, ERR_REJECT);
	assert_non_null(strstr(e.msg, "larger than 9 bytes"));
}

TEST(httpc_refuses_private_addresses_when_only_public_ones_may_be_reached)
{
	struct http_response r = { 0 };
	struct server s;
	struct err e;

	server_begin(&s, "HTTP/1.1 200 OK\r\n\r\nsecret");
	assert_int_equal(ask(&s, (struct http_request){ .public_only = true }, &r, &e), -1);
	server_end(&s);
	assert_int_equal(e.kind, ERR_REJECT);
	assert_non_null(strstr(e.msg, "127.0.0.1"));
	assert_string_equal(s.asked, "");
}

TEST(httpc_of_a_server_that_is_not_there_may_pass_later)
{
	struct http_response r = { 0 };
	struct err e;

	assert_int_equal(ask(NULL, (struct http_request){ .url = "http://127.0.0.1:1/" }, &r, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
}

TEST(httpc_speaks_http_only)
{
	static const char *const urls[] = { "file:///etc/passwd", "ftp://127.0.0.1/", "nonsense://x", "http://" };

	for (size_t i = 0; i < countof(urls); i++) {
		struct http_response r = { 0 };
		struct err e;

		assert_int_equal(ask(NULL, (struct http_request){ .url = urls[i] }, &r, &e), -1);
		assert_int_equal(e.kind, ERR_REJECT);
	}
}

TEST(httpc_gives_up_when_the_time_is_over)
{
	struct http_response r = { 0 };
	struct server s;
	struct err e;

	server_begin(&s, NULL);
	assert_int_equal(ask(&s, (struct http_request){ .timeout_s = 1 }, &r, &e), -1);
	server_end(&s);
	assert_int_equal(e.kind, ERR_RETRY);
}

static void *stop_soon(void *stop)
{
	usleep(100000);
	__atomic_store_n((volatile bool *)stop, true, __ATOMIC_RELAXED);
	return NULL;
}

TEST(threads_can_stop_a_transfer_of_httpc)
{
	struct http_response r = { 0 };
	volatile bool stop = false;
	pthread_t thread;
	struct server s;
	struct err e;

	server_begin(&s, NULL);
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, (void *)&stop), 0);
	assert_int_equal(ask(&s, (struct http_request){ .stop = &stop }, &r, &e), -1);
	pthread_join(thread, NULL);
	server_end(&s);
	assert_int_equal(e.kind, ERR_CANCEL);
}

static bool take_one(void *arg, const char *bytes, size_t n)
{
	(void)bytes;
	*(size_t *)arg += n;
	return false;
}

TEST(httpc_stops_when_the_reader_has_enough)
{
	struct http_response r = { 0 };
	size_t got = 0;
	struct server s;
	struct err e;

	server_begin(&s, "HTTP/1.1 200 OK\r\n\r\nevent: job\n\n");
	assert_int_equal(ask(&s, (struct http_request){ .on_data = take_one, .arg = &got }, &r, &e), -1);
	server_end(&s);
	assert_int_equal(e.kind, ERR_CANCEL);
	assert_true(got > 0);
}

/* A name whose address changes with every question, as a hostile DNS server's does: libcurl asks this instead of the C library. */
static const char *const *rebound;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct addrinfo *found;
	struct sockaddr_in *a;

	if (!rebound || strcmp(name, "rebinding.example") != 0) {
		int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
		return real(name, service, hints, ret);
	}
	if (!*rebound)
		return EAI_NONAME;
	/* One block, as glibc's freeaddrinfo() wants it. */
	found = xcalloc(1, sizeof *found + sizeof *a);
	a = (struct sockaddr_in *)(void *)(found + 1);
	a->sin_family = AF_INET;
	a->sin_port = htons(service ? (uint16_t)strtoul(service, NULL, 10) : 0);
	must(inet_pton(AF_INET, *rebound++, &a->sin_addr) == 1);
	*found = (struct addrinfo){ .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_addrlen = sizeof *a,
		.ai_addr = (struct sockaddr *)(void *)a };
	*ret = found;
	return 0;
}

TEST(httpc_checks_the_address_that_it_connects_to_whatever_the_name_was_before)
{
	static const char *const answers[] = { "127.0.0.1", "127.0.0.1", NULL };
	struct http_response r = { 0 };
	struct server s;
	char url[80];
	struct err e;

	server_begin(&s, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
	snprintf(url, sizeof url, "http://rebinding.example%s", strrchr(s.url, ':'));
	rebound = answers;
	setenv("FAULT_PUBLIC_ADDRESS", "127.0.0.1", 1);         /* the first time it is public */
	assert_int_equal(ask(&s, (struct http_request){ .url = url, .public_only = true }, &r, &e), 0);
	server_end(&s);
	http_response_done(&r);
	unsetenv("FAULT_PUBLIC_ADDRESS");                       /* and now the same name leads inside */
	server_begin(&s, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
	snprintf(url, sizeof url, "http://rebinding.example%s", strrchr(s.url, ':'));
	assert_int_equal(ask(&s, (struct http_request){ .url = url, .public_only = true }, &r, &e), -1);
	rebound = NULL;
	server_end(&s);
	assert_int_equal(e.kind, ERR_REJECT);
	assert_non_null(strstr(e.msg, "127.0.0.1"));
	assert_string_equal(s.asked, "");
}

TEST(httpc_refuses_a_user_in_a_url_and_does_not_repeat_the_password)
{
	struct http_response r = { 0 };
	struct err e;

	assert_int_equal(ask(NULL, (struct http_request){ .url = "http://u:hunter2@127.0.0.1:1/" }, &r, &e), -1);
	assert_int_equal(e.kind, ERR_REJECT);
	assert_null(strstr(e.msg, "hunter2"));
}
