/*
 * routes.h - which request goes where: the table routes.def.
 *
 * A pattern's {x} takes one segment of the path, percent-decoded; it is never empty, is UTF-8
 * and has no NUL. A new route is its row there and its function in an api_*.c file.
 */
#ifndef ROUTES_H
#define ROUTES_H

#include "buf.h"

#define ROUTE_PARAMS     2
#define ROUTE_PARAM_MAX  512

struct request;

enum route_auth { ROUTE_NONE, ROUTE_API, ROUTE_INTERNAL };
enum route_body { ROUTE_NOTHING, ROUTE_SUBMISSION, ROUTE_RESULTS };

struct route {
	const char *method, *pattern;
	void (*handler)(struct request *req);
	enum route_auth auth;
	enum route_body body;
	const char *help;
};

struct route_match {
	const struct route *route;              /* NULL: see status */
	unsigned status;                        /* 400, 404 or 405 when route is NULL; else 200 */
	char *params[ROUTE_PARAMS];             /* freed by route_match_done() */
	char allow[32];                         /* what a 405 lists: "GET, HEAD, POST" */
};

/* `path` is as it came, without the query. HEAD finds what GET finds. */
void route_find(const char *method, const char *path, struct route_match *ret);
void route_match_done(struct route_match *m);

const struct route *routes_all(size_t *ret_n);
const char *route_auth_name(enum route_auth auth);
size_t route_body_max(enum route_body body);    /* bytes */

#define ROUTE(method, pattern, handler, auth, body, help) void api_##handler(struct request *req);
#include "routes.def"
#undef ROUTE

#endif
