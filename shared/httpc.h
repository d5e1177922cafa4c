/*
 * httpc.h - an HTTP client on libcurl; one handle, one thread at a time, keep-alive.
 *
 * Any answer is success: look at `status`. What libcurl or the network could not do is
 * ERR_RETRY, except what can never pass (a bad URL, a refused address, too large): ERR_REJECT.
 */
#ifndef HTTPC_H
#define HTTPC_H

#include "address.h"
#include "buf.h"
#include "err.h"

struct httpc;

struct http_request {
	const char *method;             /* NULL: GET, or POST when there is a body */
	const char *url;
	const char *const *headers;     /* "Name: value", ends in NULL; may be NULL */
	const char *body;               /* may be NULL */
	size_t body_len;
	unsigned timeout_s;             /* all of it; 0: 30 */
	unsigned timeout_ms;            /* instead, when not 0 */
	const char *ca_file;            /* PEM: certificates to believe in, instead of the system's; NULL or "": those */
	bool may_http2;                 /* use HTTP/2 where a server of https offers it */
	size_t max_bytes;               /* of the answer; 0: 64 MiB */
	const char *want_header;        /* keep the answer's header of this name; may be NULL */
	int to_fd;                      /* write the answer's bytes here instead of into `body`; 0: no */
	unsigned max_redirects;         /* 0: none are followed */
	bool public_only;               /* refuse loopback, private, link-local and the like, at connect, on every hop */
	const volatile bool *stop;      /* ends the transfer with ERR_CANCEL when it becomes true; may be NULL */
	/* Called with each piece of the answer instead of storing it; return false to stop. May be NULL. */
	bool (*on_data)(void *arg, const char *bytes, size_t n);
	void *arg;
};

struct http_response {
	unsigned status;
	char content_type[128];
	char header[128];               /* the one that was wanted, or "" */
	struct buf body;
};

struct httpc *httpc_new(void);
void httpc_free(struct httpc *c);
int httpc_perform(struct httpc *c, const struct http_request *q, struct http_response *ret, struct err *err) must_use;
void http_response_done(struct http_response *r);

/* What an answer that is no success means for the step: of the 4xx, only 408, 425 and 429 may pass
 * later; 5xx may; the rest (redirects that were not followed) may not. */
enum err_kind http_status_kind(unsigned status);

/* "HOST:PORT" of an http or https URL, in lower case; false: it is none, or `n` bytes are too few. */
bool http_url_origin(const char *url, char *ret, size_t n);

#endif
