/*
 * listener.h - the socket that the HTTP server listens on, from PIXELFLEET_LISTEN.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "http_auth.h"

#include <netinet/in.h>

struct listener {
	int fd;
	char address[64];       /* as bound, IPv6 without brackets */
	unsigned port;          /* the real one, when 0 was asked for */
};

/* text: "127.0.0.1:5800", "[::1]:5800", "localhost:0", "0.0.0.0:80". Refused when `auth` says so. */
int listener_open(struct listener *ret, const char *text, const struct auth *auth, struct err *err) must_use;

#endif
