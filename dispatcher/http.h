/*
 * http.h - the dispatcher's HTTP server.
 *
 * Four threads wait in epoll and run the handlers (api_*.c), which routes.def lists; a request
 * that waits for the ledger, or a stream of events, holds no thread. Sizes are limited by routes.def, times
 * and connections by guard.h; there is no limit for each client's address, because behind a proxy
 * all have the same one. What could be read in two ways is refused (http_head.h).
 *
 *	struct http_server *http;
 *	if (http_start(d, &http, err) < 0)      // logs ev=http.listening address= port=
 *		...
 *	http_stop(http);                        // before ledger_stop()
 */
#ifndef HTTP_H
#define HTTP_H

#include "dispatcher.h"

struct http_server;

int http_start(struct dispatcher *d, struct http_server **ret, struct err *err) must_use;
/* Accepts no more, lets what runs finish (10 s at most), ends the streams. NULL is fine. */
void http_stop(struct http_server *s);
unsigned http_port(const struct http_server *s);

#endif
