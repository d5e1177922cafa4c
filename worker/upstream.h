/*
 * upstream.h - the dispatchers, as one worker thread sees them: PIXELFLEET_DISPATCHER_URL
 * is a list, tried in turn, and the one that answered last is asked first. So is the gallery's
 * server (API_BASE_URL), which the dispatchers are where none is set.
 */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#include "conf.h"
#include "httpc.h"
#include "plainhttp.h"

struct plain_way {              /* the short way to one of them, see plainhttp.h */
	struct plainhttp http;
	bool is_open;           /* the URL allows it */
	bool is_well;           /* somebody answered lately */
	unsigned failures;      /* in a row; after a few it is left alone */
};

struct upstream {
	struct httpc *http;
	char **urls;            /* without the slash at the end */
	size_t nurls, current;
	char *auth;             /* the header with the internal token */
	struct plain_way *plain;        /* one for each URL, for upstream_post(); NULL until its first use */
};

int upstream_open(struct upstream *u, const struct conf *conf, struct err *err) must_use;
int upstream_open_gallery(struct upstream *u, const struct conf *conf, struct err *err) must_use;
void upstream_close(struct upstream *u);

/* POSTs body, or GETs when it is NULL. -1 (ERR_RETRY): none of them answered, or only a proxy that
 * could not reach it did. Any other answer is success: look at ret->status.
 * timeout_s is for each of them. */
int upstream_call(struct upstream *u, const char *path, const char *body, size_t len, unsigned timeout_s,
	size_t max_bytes, const bool *stop, struct http_response *ret, struct err *err) must_use;
/* The same with a request of one's own, of which only the url is filled in: its headers have to hold u->auth. */
int upstream_perform(struct upstream *u, struct http_request *q, const char *path, struct http_response *ret, struct err *err) must_use;
/* POSTs what may be sent twice, on a connection of its own; `header` is one more line, or NULL. */
int upstream_post(struct upstream *u, const char *path, const char *header, const char *body, size_t len, unsigned timeout_s,
	struct http_response *ret, struct err *err) must_use;
/* The one that answered, or that is asked next. */
const char *upstream_base(const struct upstream *u);

#endif
