#include "plainhttp.h"

#include "clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define CONNECT_MS  3000
#define HEAD_MAX    ((size_t)16 << 10)
#define ANSWER_MAX  ((size_t)64 << 20)

DEFINE_SCOPED(struct addrinfo *, freeaddrinfo)

static bool take_name(const char **p, const char *allowed, char *ret, size_t size)
{
	size_t n = strspn(*p, allowed);

	if (n == 0 || n >= size)
		return false;
	memcpy(ret, *p, n);
	ret[n] = '\0';
	*p += n;
	return true;
}

bool plainhttp_init(struct plainhttp *p, const char *url)
{
	static const char names[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_", digits[] = "0123456789";

	*p = (struct plainhttp){ .port = "80", .fd = -1 };
	if (strncasecmp(url, "http://", 7) != 0)
		return false;
	url += 7;
	if (!take_name(&url, names, p->host, sizeof p->host) || (*url == ':' && (url++, !take_name(&url, digits, p->port, sizeof p->port))))
		return false;
	if ((*url && *url != '/') || strpbrk(url, "?# \r\n"))
		return false;
	p->prefix = xstrdup(url);
	return true;
}

static void hang_up(struct plainhttp *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void plainhttp_done(struct plainhttp *p)
{
	hang_up(p);
	free(p->prefix);
	p->prefix = NULL;
}

static bool wait_for(int fd, short events, int64_t until_ms)
{
	struct pollfd w = { .fd = fd, .events = events };
	int64_t left = until_ms - clock_mono_ms();
	int rc;

	while ((rc = poll(&w, 1, (int)max_of(left, (int64_t)0))) < 0 && errno == EINTR)
		left = until_ms - clock_mono_ms();
	return rc > 0;
}

static bool dial_one(struct plainhttp *p, const struct addrinfo *a)
{
	int on = 1, failure = 0;
	socklen_t size = sizeof failure;

	p->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return false;
	(void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(p->fd, a->ai_addr, a->ai_addrlen) == 0)
		return true;
	return errno == EINPROGRESS && wait_for(p->fd, POLLOUT, clock_mono_ms() + CONNECT_MS) &&
		getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0;
}

/* localhost is ::1 and 127.0.0.1, and a dispatcher may listen on one of them. */
static bool dial(struct plainhttp *p)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	scoped(freeaddrinfo_p) struct addrinfo *found = NULL;

	if (getaddrinfo(p->host, p->port, &hints, &found) != 0)
		return false;
	for (const struct addrinfo *a = found; a; a = a->ai_next) {
		if (dial_one(p, a))
			return true;
		hang_up(p);
	}
	return false;
}

/* Closed by the other side meanwhile, or it has said what nobody asked for. */
static bool is_stale(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static enum plain_end send_all(struct plainhttp *p, struct iovec *v, size_t n, int64_t until_ms)
{
	while (n) {
		struct msghdr m = { .msg_iov = v, .msg_iovlen = n };
		ssize_t sent = sendmsg(p->fd, &m, MSG_NOSIGNAL);

		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (!wait_for(p->fd, POLLOUT, until_ms))
				return PLAIN_LATE;
			continue;
		}
		if (sent < 0 && errno != EINTR)
			return PLAIN_NO;
		for (; n && sent >= (ssize_t)v->iov_len; v++, n--)
			sent -= (ssize_t)v->iov_len;
		if (n && sent > 0) {
			v->iov_base = (char *)v->iov_base + sent;
			v->iov_len -= (size_t)sent;
		}
	}
	return PLAIN_DONE;
}

/* Some more of the answer. */
static enum plain_end read_some(struct plainhttp *p, struct buf *in, int64_t until_ms)
{
	for (;;) {
		ssize_t n;

		buf_reserve(in, 4096);
		if (!wait_for(p->fd, POLLIN, until_ms))
			return PLAIN_LATE;
		n = recv(p->fd, in->text + in->len, in->cap - in->len - 1, 0);
		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
			continue;
		if (n <= 0)
			return PLAIN_NO;
		in->len += (size_t)n;
		in->text[in->len] = '\0';
		return PLAIN_DONE;
	}
}

struct answer_head {
	size_t end, length;             /* of the head; of the body */
	unsigned status, lengths;       /* lengths: how many there are */
	bool closes;
};

static bool read_line(const char *line, struct answer_head *h)
{
	if (strncasecmp(line, "content-length:", 15) == 0) {
		const char *value = line + 15 + strspn(line + 15, " \t");
		char *end;

		h->length = strtoul(value, &end, 10);
		h->lengths += *value >= '0' && *value <= '9' && end[strspn(end, " \t")] == '\r' && h->length <= ANSWER_MAX ? 1 : 2;
	} else if (strncasecmp(line, "connection:", 11) == 0) {
		const char *value = line + 11 + strspn(line + 11, " \t");

		h->closes = strncasecmp(value, "keep-alive", 10) != 0;
	}
	return strncasecmp(line, "transfer-encoding:", 18) != 0;
}

/* false: it is not one of ours. */
static bool read_head(const struct buf *in, struct answer_head *h)
{
	if (strncmp(in->text, "HTTP/1.1 ", 9) != 0 || strspn(in->text + 9, "0123456789") != 3)
		return false;
	h->status = (unsigned)strtoul(in->text + 9, NULL, 10);
	for (const char *line = strstr(in->text, "\r\n"); line && line < in->text + h->end - 4; line = strstr(line + 2, "\r\n"))
		if (!read_line(line + 2, h))
			return false;
	return h->lengths == 1 && h->status >= 200 && h->status <= 599;
}

static enum plain_end receive(struct plainhttp *p, struct buf *in, struct answer_head *h, int64_t until_ms)
{
	enum plain_end end = PLAIN_DONE;
	const char *blank = NULL;

	while (end == PLAIN_DONE && !(blank = in->len ? strstr(in->text, "\r\n\r\n") : NULL) && in->len < HEAD_MAX)
		end = read_some(p, in, until_ms);
	if (end != PLAIN_DONE || !blank)
		return end == PLAIN_LATE ? PLAIN_LATE : PLAIN_NO;
	h->end = (size_t)(blank - in->text) + 4;
	if (!read_head(in, h))
		return PLAIN_NO;
	while (end == PLAIN_DONE && in->len - h->end < h->length)
		end = read_some(p, in, until_ms);
	return end == PLAIN_DONE && in->len - h->end > h->length ? PLAIN_NO : end;
}

static enum plain_end ask(struct plainhttp *p, const char *path, const char *head, const char *body, size_t len, int64_t until_ms,
	struct buf *in, struct answer_head *h)
{
	scoped(buf_free) struct buf out = { 0 };
	struct iovec v[2];
	enum plain_end end;

	if (p->fd >= 0 && is_stale(p->fd))
		hang_up(p);
	if (p->fd < 0 && !dial(p))
		return PLAIN_NO;
	buf_printf(&out, "POST %s%s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: pixelfleet/" VERSION "\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n%s\r\n", p->prefix, path, p->host, p->port, len, head);
	v[0] = (struct iovec){ out.text, out.len };
	v[1] = (struct iovec){ (char *)(uintptr_t)body, len };
	end = send_all(p, v, len ? 2 : 1, until_ms);
	return end == PLAIN_DONE ? receive(p, in, h, until_ms) : end;
}

enum plain_end plainhttp_post(struct plainhttp *p, const char *path, const char *head, const char *body, size_t len, unsigned timeout_s,
	struct http_response *ret, struct err *err)
{
	scoped(buf_free) struct buf in = { 0 };
	struct answer_head h = { 0 };
	enum plain_end end = ask(p, path, head, body, len, clock_mono_ms() + (int64_t)timeout_s * 1000, &in, &h);

	if (end != PLAIN_DONE || h.closes)
		hang_up(p);
	if (end == PLAIN_LATE)
		err_set(err, ERR_RETRY, "'http://%.200s:%s%.80s': no answer within %u s", p->host, p->port, path, timeout_s);
	if (end != PLAIN_DONE)
		return end;
	*ret = (struct http_response){ .status = h.status };
	buf_add(&ret->body, in.text + h.end, h.length);
	return PLAIN_DONE;
}
