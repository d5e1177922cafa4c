/*
 * plainhttp.h - POSTs to one HTTP server over one plain connection, for who does little else.
 *
 * Where the way of a request is most of its time, a general client is half of that. This one knows what our own
 * servers say: HTTP/1.1, a Content-Length, a connection that stays. Whatever else comes is not understood, and the
 * caller asks with httpc.h, which understands all of it: so only what may be asked twice is asked here.
 */
#ifndef PLAINHTTP_H
#define PLAINHTTP_H

#include "httpc.h"

struct plainhttp {
	char host[256], port[8];
	char *prefix;                   /* of the paths; "" mostly */
	int fd;                         /* -1: not connected */
};

enum plain_end {
	PLAIN_DONE,                     /* there is an answer */
	PLAIN_NO,                       /* it did not get as far as an answer, or not to one that it understands */
	PLAIN_LATE,                     /* the time is over; *err says so */
};

/* false: the URL is none of http://HOST[:PORT][/PATH] */
bool plainhttp_init(struct plainhttp *p, const char *url);
void plainhttp_done(struct plainhttp *p);

/* `head`: lines that end in CR LF. */
enum plain_end plainhttp_post(struct plainhttp *p, const char *path, const char *head, const char *body, size_t len, unsigned timeout_s,
	struct http_response *ret, struct err *err) must_use;

#endif
