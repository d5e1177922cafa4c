/*
 * listener.h - the socket that the HTTP server listens on, from PIXELFLEET_LISTEN.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "http_auth.h"

#include <netinet/in.h>

#define LISTENER_HOST 256
#define LISTENER_PORT 8

struct listener {
	int fd;
	char address[64];       /* as bound, IPv6 without brackets */
	unsigned port;          /* the real one, when 0 was asked for */
};

/* "[::1]:5800" to "::1" and "5800". */
int listener_split(const char *text, char ret_host[LISTENER_HOST], char ret_port[LISTENER_PORT], struct err *err) must_use;

/* text: "127.0.0.1:5800", "[::1]:5800", "localhost:0", "0.0.0.0:80". Refused when `auth` says so. */
int listener_open(struct listener *ret, const char *text, const struct auth *auth, struct err *err) must_use;

#endif
