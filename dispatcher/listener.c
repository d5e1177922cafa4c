#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG       1024
#define GONE_AFTER_MS 60000     /* bytes that nobody acknowledges for so long: the other side is away, or does not read */

DEFINE_SCOPED(struct addrinfo *, freeaddrinfo)

int listener_split(const char *text, char host[LISTENER_HOST], char port[LISTENER_PORT], struct err *err)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (n >= LISTENER_HOST)
		colon = NULL;
	else if (n > 2 && text[0] == '[' && text[n - 1] == ']')
		snprintf(host, LISTENER_HOST, "%.*s", (int)n - 2, text + 1);
	else if (n && !memchr(text, ':', n) && !memchr(text, '[', n))
		snprintf(host, LISTENER_HOST, "%.*s", (int)n, text);
	else
		colon = NULL;
	if (!colon || strspn(colon + 1, "0123456789") != strlen(colon + 1) || !colon[1] || strtoul(colon + 1, NULL, 10) > 65535)
		return err_set(err, ERR_REJECT, "PIXELFLEET_LISTEN: '%.100s' is not address:port, such as 127.0.0.1:5800 or [::1]:5800", text);
	snprintf(port, LISTENER_PORT, "%lu", strtoul(colon + 1, NULL, 10));
	return 0;
}

static int bound(struct listener *l, struct err *err)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	char port[8];

	if (getsockname(l->fd, (struct sockaddr *)&sa, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&sa, len, l->address, sizeof l->address, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return err_set(err, ERR_RETRY, "PIXELFLEET_LISTEN: cannot read the address back: %s", strerror(errno));
	l->port = (unsigned)strtoul(port, NULL, 10);
	return 0;
}

int listener_open(struct listener *ret, const char *text, const struct auth *auth, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	scoped(freeaddrinfo_p) struct addrinfo *found = NULL;
	scoped(close_p) int fd = -1;
	struct listener l = { .fd = -1 };
	char host[LISTENER_HOST], port[LISTENER_PORT];
	unsigned patience = GONE_AFTER_MS;
	int rc, on = 1;

	if (listener_split(text, host, port, err) < 0)
		return -1;
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc != 0)
		return err_set(err, ERR_REJECT, "PIXELFLEET_LISTEN: '%s': %s", text, gai_strerror(rc));
	if (auth_check_listen(auth, found->ai_addr, text, err) < 0)
		return -1;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience) < 0 ||
	    bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return err_set(err, ERR_RETRY, "PIXELFLEET_LISTEN: cannot listen on '%s': %s", text, strerror(errno));
	l.fd = fd;
	if (bound(&l, err) < 0)
		return -1;
	*ret = l;
	fd = -1;
	return 0;
}
