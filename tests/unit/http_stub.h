/*
 * http_stub.h - an HTTP server inside a test: one thread, one request a connection; a function
 * of the test writes the answers.
 *
 *	struct http_stub s;
 *	http_stub_open(&s, answer_ok, NULL);
 *	... s.url is "http://127.0.0.1:PORT" ...
 *	http_stub_close(&s);
 */
#ifndef HTTP_STUB_H
#define HTTP_STUB_H

#include "buf.h"

#include <pthread.h>

struct http_stub {
	int fd, end_fd;
	char url[64];
	/* Writes the body, returns the status. `request` is head and body; headers may be added to `head`. */
	int (*answer)(void *arg, const char *request, struct buf *head, struct buf *body);
	void *arg;
	pthread_mutex_t lock;
	struct buf last;                /* the latest request; under the lock */
	unsigned requests;              /* under the lock */
	pthread_t thread;
};

void http_stub_open(struct http_stub *s,
	int (*answer)(void *arg, const char *request, struct buf *head, struct buf *body), void *arg);
void http_stub_close(struct http_stub *s);
char *http_stub_last(struct http_stub *s);      /* a copy */
unsigned http_stub_requests(struct http_stub *s);

#endif
