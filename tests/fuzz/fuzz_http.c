/* What comes on one connection, to the real server (its Redis and PostgreSQL are not there). A strict reader of our
 * own says how many requests that is at most, and after which one nobody can tell: the server must not find more. */
#include "fuzz.h"

#include "http.h"
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#define TOKEN        "internal-token-0123456789-0123456789"
#define REQUESTS_MAX 64
#define READ_MS      1          /* the server has read what we said; it overlooks an end that comes along with it */
#define QUIET_MS     300        /* an answer that is not there by then does not come */

static struct dispatcher d;
static struct http_server *server;

static void stop(void)
{
	http_stop(server);
	ledger_stop(d.ledger);
	conf_done(&d.conf);
}

static void start(void)
{
	static const char *const env[] = { "REDIS_URL=unix:///nonexistent/redis", "DATABASE_URL=host=/nonexistent",
		"PIXELFLEET_LISTEN=127.0.0.1:0", "PROCESSING_INTERNAL_TOKEN=" TOKEN, NULL };
	struct err err;

	if (server)
		return;
	log_setup(LOG_BUG_, false);
	must(sodium_init() >= 0);
	must(conf_load(&d.conf, env, &err) == 0);
	d.ledger = ledger_start(&d);
	must(http_start(&d, &server, &err) == 0);
	atexit(stop);
}

/* ---- what was asked, strictly ---- */

struct asked {
	bool is_head[REQUESTS_MAX];
	size_t n;
	bool doubt;             /* the last of them must be refused */
};

static bool is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~' || strchr("\"(),/:;<=>?@[\\]{}", s[i]))
			return false;
	return n > 0;
}

static bool is_text(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 127)
			return false;
	return true;
}

struct lengths {
	unsigned lengths, encodings, hosts;
	size_t body;
	bool bad;
};

static bool is_named(const char *line, size_t n, const char *name)
{
	return n == strlen(name) && strncasecmp(line, name, n) == 0;
}

static void read_header(const char *line, size_t n, struct lengths *l)
{
	const char *colon = memchr(line, ':', n), *value = colon ? colon + 1 : line, *end = line + n;

	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	l->bad |= !colon || !is_token(line, (size_t)(colon - line)) || !is_text(value, (size_t)(end - value));
	if (!colon)
		return;
	n = (size_t)(colon - line);
	if (is_named(line, n, "Content-Length")) {
		l->lengths++;
		l->bad |= value == end || end - value > 18;
		for (l->body = 0; value < end && !l->bad; value++) {
			l->bad |= *value < '0' || *value > '9';
			l->body = l->body * 10 + (size_t)(*value - '0');
		}
	} else if (is_named(line, n, "Transfer-Encoding")) {
		l->encodings++;
		l->bad |= !is_named(value, (size_t)(end - value), "chunked");
	} else if (is_named(line, n, "Host")) {
		l->hosts++;
	}
}

/* METHOD SP URI SP HTTP/1.x */
static bool is_request_line(const char *line, size_t n)
{
	const char *uri = memchr(line, ' ', n);
	size_t rest;

	if (!uri || !is_token(line, (size_t)(uri++ - line)))
		return false;
	rest = n - (size_t)(uri - line);
	if (rest < 10 || memcmp(uri + rest - 9, " HTTP/1.", 8) != 0)
		return false;
	return is_text(uri, rest - 9) && !memchr(uri, ' ', rest - 9);
}

/* One request from `at`; where the next begins, or NULL when this is the last. */
static const char *read_request(const char *at, const char *end, struct asked *a)
{
	const char *stop_at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4), *eol;
	struct lengths l = { 0 };
	bool old;

	a->is_head[a->n++] = end - at > 5 && memcmp(at, "HEAD ", 5) == 0;
	a->doubt = true;
	if (!stop_at)
		return NULL;
	eol = memmem(at, (size_t)(end - at), "\r\n", 2);
	if (!is_request_line(at, (size_t)(eol - at)))
		return NULL;
	old = eol[-1] == '0';
	for (const char *line = eol + 2; line < stop_at + 2; line = eol + 2) {
		eol = memmem(line, (size_t)(end - line), "\r\n", 2);
		read_header(line, (size_t)(eol - line), &l);
	}
	if (l.bad || l.lengths > 1 || (l.lengths && l.encodings) || l.encodings > 1 || l.hosts > 1 || (l.encodings && old) ||
	    (!l.hosts && !old))
		return NULL;
	a->doubt = false;
	return l.encodings || l.body > (size_t)(end - stop_at - 4) ? NULL : stop_at + 4 + l.body;
}

/* Empty lines before a request; libmicrohttpd takes those that begin with a NUL for empty, too. */
static const char *skip_empty(const char *at, const char *end)
{
	while (at < end && (*at == '\r' || *at == '\n' || !*at)) {
		const char *eol = *at ? at : memchr(at, '\n', (size_t)(end - at));

		at = eol ? eol + 1 : end;
	}
	return at;
}

static void read_requests(const char *at, size_t size, struct asked *a)
{
	const char *end = at + size;

	while (at && a->n < REQUESTS_MAX && !a->doubt) {
		at = skip_empty(at, end);
		if (at == end)
			return;
		at = read_request(at, end, a);
	}
}

/* ---- what was answered ---- */

static bool is_known(int status)
{
	static const int known[] = { 200, 201, 202, 304, 400, 401, 403, 404, 405, 409, 413, 414, 417, 431, 500, 501, 503, 505 };

	for (size_t i = 0; i < countof(known); i++)
		if (known[i] == status)
			return true;
	return false;
}

/* One answer, the n-th; where the next begins. */
static const char *check_answer(const char *at, const char *end, size_t n, const struct asked *a)
{
	const char *body = strstr(at, "\r\n\r\n"), *length = strcasestr(at, "\r\nContent-Length: ");
	const char *closes = strstr(at, "\r\nConnection: close\r\n");
	int status = (int)strtol(at + sizeof "HTTP/1.1", NULL, 10);
	const char *next = body ? body + 4 : end;

	must(is_known(status));
	must(n < a->n || a->n == REQUESTS_MAX || (n == a->n && status >= 400 && closes));       /* what is no request is refused */
	must(!a->doubt || n + 1 < a->n || status >= 400);
	if (body && length && length < body && !a->is_head[min_of(n, (size_t)REQUESTS_MAX - 1)] && status != 304)
		next += strtoul(length + 18, NULL, 10);
	if (next >= end || !closes || closes > body)
		return min_of(next, end);
	if (!length || length > body)
		return end;             /* the body ends with the connection */
	/* Its own refusals libmicrohttpd sometimes begins twice. */
	must(status >= 400 && memmem(next, (size_t)(end - next), "HTTP/1.1 2", 10) == NULL);
	return end;
}

static void check_answers(const struct buf *heard, const struct asked *a)
{
	static const char go_on[] = "HTTP/1.1 100 ";
	const char *at = heard->text, *end = at + heard->len;

	for (size_t n = 0; end - at > 12 && memcmp(at, go_on, 9) == 0;) {
		if (memcmp(at, go_on, sizeof go_on - 1) == 0)
			at = strstr(at, "\r\n\r\n") + 4;
		else
			at = check_answer(at, end, n++, a);
	}
}

/* ---- in between ---- */

/* Each time from another address of loopback: the ports of one would run out. -1: that one has just been used. */
static int try_dial(void)
{
	static uint32_t calls;
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl((127u << 24) + 0x10001 + calls++ % 60000) };
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && bind(fd, (void *)&from, sizeof from) == 0);
	if (connect(fd, (void *)&sa, sizeof sa) == 0)
		return fd;
	must(errno == EADDRNOTAVAIL || errno == EINTR);
	close(fd);
	return -1;
}

static int dial(void)
{
	int fd;

	while ((fd = try_dial()) < 0)
		;
	return fd;
}

static bool is_done(const struct buf *heard)
{
	return heard->text && strstr(heard->text, "text/event-stream");
}

static void talk(int fd, const uint8_t *data, size_t size, struct buf *heard)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char block[16384];
	bool ended = false;
	ssize_t n;

	while (size && (n = send(fd, data, size, MSG_NOSIGNAL)) > 0)
		data += n, size -= (size_t)n;
	while (!is_done(heard) && poll(&p, 1, ended ? QUIET_MS : READ_MS) + !ended > 0) {
		if (!p.revents) {
			shutdown(fd, SHUT_WR);
			ended = true;
			continue;
		}
		if ((n = recv(fd, block, sizeof block, 0)) <= 0)
			return;
		buf_add(heard, block, (size_t)n);
	}
}

/* What leaves the same NULs in libmicrohttpd's buffer, so that the server cannot tell: CR LF, NUL LF and, where a line
 * begins, colon LF; and CR LF CR LF and LF colon CR LF. No proxy lets a NUL or a header without a name through. */
static void alike(char *text, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++)
		if (text[i + 1] == '\n' && (!text[i] || (text[i] == ':' && i && text[i - 1] == '\n')))
			text[i] = '\r';
	for (char *at = text; (at = memmem(at, size - (size_t)(at - text), "\n:\r\n", 4)) != NULL; at += 4)
		if (at > text && at[-1] != '\r')
			memcpy(at, "\r\n\r\n", 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(buf_free) struct buf heard = { 0 };
	scoped(close_p) int fd = -1;
	scoped(free_p) char *text = xcalloc(1, size + 1);
	struct asked a = { 0 };

	start();
	memcpy(text, data, size);
	alike(text, size);
	read_requests(text, size, &a);
	fd = dial();
	talk(fd, data, size, &heard);
	if (heard.len)
		check_answers(&heard, &a);
	return 0;
}
