/*
 * stream.h - an answer that goes on: somebody writes, the connection sends when it can.
 *
 * Two hold it, the connection and the writer; it dies with the second. Any thread may write.
 * While there is nothing to send the connection is suspended and costs no thread.
 */
#ifndef STREAM_H
#define STREAM_H

#include "base.h"

struct MHD_Connection;
struct MHD_Response;
struct stream;

/* For request.c; see answer_stream(). */
struct stream *stream_new(struct MHD_Connection *conn, struct MHD_Response **ret);

/* Appends. What is not yet sent is returned; -1 when the other side is gone. */
ptrdiff_t stream_write(struct stream *s, const void *bytes, size_t n);
/* The same, in place of all that was not begun to be sent. */
ptrdiff_t stream_rewrite(struct stream *s, const void *bytes, size_t n);
ptrdiff_t stream_pending(struct stream *s);
/* Ends the answer when all is sent, and gives the writer's reference back. */
void stream_end(struct stream *s);

#endif
