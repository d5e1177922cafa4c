#include "http_stub.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t body_length(const char *head)
{
	const char *p = strcasestr(head, "\r\nContent-Length:");

	return p ? strtoul(p + 17, NULL, 10) : 0;
}

static bool is_whole(const struct buf *b)
{
	const char *end = b->text ? strstr(b->text, "\r\n\r\n") : NULL;

	return end && (size_t)(b->text + b->len - (end + 4)) >= body_length(b->text);
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w <= 0)
			return;
		p += w, n -= (size_t)w;
	}
}

static void answer_one(struct http_stub *s, int fd)
{
	scoped(buf_free) struct buf request = { 0 }, head = { 0 }, body = { 0 }, out = { 0 };
	char chunk[4096];
	ssize_t n;
	int status;

	while (!is_whole(&request) && (n = read(fd, chunk, sizeof chunk)) > 0)
		buf_add(&request, chunk, (size_t)n);
	if (!is_whole(&request))
		return;
	must(pthread_mutex_lock(&s->lock) == 0);
	buf_clear(&s->last);
	buf_add(&s->last, request.text, request.len);
	s->requests++;
	must(pthread_mutex_unlock(&s->lock) == 0);
	status = s->answer(s->arg, request.text, &head, &body);
	buf_printf(&out, "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", status, body.len,
		head.text ? head.text : "");
	buf_add(&out, body.text, body.len);
	write_all(fd, out.text, out.len);
}

static void *serve(void *arg)
{
	struct http_stub *s = arg;

	for (;;) {
		struct pollfd fds[] = { { .fd = s->fd, .events = POLLIN }, { .fd = s->end_fd, .events = POLLIN } };
		scoped(close_p) int fd = -1;

		poll(fds, 2, -1);
		if (fds[1].revents)
			return NULL;
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			answer_one(s, fd);
	}
}

void http_stub_open(struct http_stub *s,
	int (*answer)(void *arg, const char *request, struct buf *head, struct buf *body), void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;

	*s = (struct http_stub){ .answer = answer, .arg = arg };
	must(pthread_mutex_init(&s->lock, NULL) == 0);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->end_fd = eventfd(0, EFD_CLOEXEC);
	must(s->fd >= 0 && s->end_fd >= 0);
	must(bind(s->fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(s->fd, 16) == 0);
	must(getsockname(s->fd, (struct sockaddr *)&a, &len) == 0);
	snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", ntohs(a.sin_port));
	must(pthread_create(&s->thread, NULL, serve, s) == 0);
}

void http_stub_close(struct http_stub *s)
{
	uint64_t one = 1;

	must(write(s->end_fd, &one, sizeof one) == sizeof one);
	must(pthread_join(s->thread, NULL) == 0);
	close(s->fd);
	close(s->end_fd);
	buf_free(&s->last);
	pthread_mutex_destroy(&s->lock);
}

char *http_stub_last(struct http_stub *s)
{
	char *copy;

	must(pthread_mutex_lock(&s->lock) == 0);
	copy = xstrdup(s->last.text ? s->last.text : "");
	must(pthread_mutex_unlock(&s->lock) == 0);
	return copy;
}

unsigned http_stub_requests(struct http_stub *s)
{
	unsigned n;

	must(pthread_mutex_lock(&s->lock) == 0);
	n = s->requests;
	must(pthread_mutex_unlock(&s->lock) == 0);
	return n;
}
