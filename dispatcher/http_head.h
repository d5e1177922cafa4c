/*
 * http_head.h - whether a request's head says one thing only.
 *
 * A proxy and we must never disagree on where a request ends, or somebody's body becomes a request
 * of its own. libmicrohttpd before 0.9.77 forgives much (a folded line is glued to the *name* before it, a NUL
 * ends a value, a blank before the colon makes another header of it), so what is in doubt is
 * refused here, and the connection is closed.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base.h"

struct MHD_Connection;

/* The words of a request line, as libmicrohttpd cut them out of its buffer; of the URI what it was before the arguments
 * were decoded in place. */
struct head_uri {
	const char *text;
	size_t len;
	bool is_text;           /* no control character in it */
};

struct head_line {
	const char *method, *version;
	struct head_uri uri;
};

struct head {
	const char *problem;    /* NULL: none */
	unsigned status;        /* that goes with it */
	uint64_t length;        /* of the body, by Content-Length */
	bool has_body, expects;
	bool chunked;           /* the body tells its own end: no other request is read after it */
};

struct head_uri head_uri(const char *text);
void head_read(struct head *ret, struct MHD_Connection *conn, const struct head_line *line);

/* "http://host/path" to "host" (its length) and "/path"; of any other URI the length is 0 and it is the path itself. */
const char *head_path(const char *uri, const char **ret_host, size_t *ret_host_len);

#endif
