/*
 * redis_url.h - where a Redis is: redis://[user[:password]@]host[:port][/db] or
 * unix:///path/to/socket[?db=N]. An IPv6 host stands in brackets; %xx is decoded in every
 * part that is text. 6379 and database 0 when they are not there.
 */
#ifndef REDIS_URL_H
#define REDIS_URL_H

#include "err.h"

struct redis_url {
	char user[128], password[512];  /* "" when not given */
	char host[256];                 /* or the socket's path */
	int port, db;
	bool is_unix;
};

/* ERR_REJECT; the message never shows the URL, which may hold a password. */
int redis_url_parse(const char *url, struct redis_url *ret, struct err *err) must_use;

#endif
