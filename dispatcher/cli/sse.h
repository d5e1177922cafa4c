/*
 * sse.h - reads a stream of server-sent events (the HTML standard, 9.2.6) in whatever
 * pieces it arrives.
 *
 *	struct cli_sse s = { .on_event = show, .arg = &bar };
 *	cli_sse_feed(&s, bytes, n);             // calls show(&bar, "job", "{...}") for each whole event
 *	cli_sse_done(&s);
 */
#ifndef CLI_SSE_H
#define CLI_SSE_H

#include "buf.h"

#define CLI_SSE_MAX (1 << 20)           /* bytes of one line or of one event's data */

struct cli_sse {
	/* `type` is "message" when the stream does not say. Return false to stop. */
	bool (*on_event)(void *arg, const char *type, const char *data);
	void *arg;
	struct buf line, type, data;
	bool after_cr, has_data;
};

/* false: on_event said stop, or a line is too long. */
bool cli_sse_feed(struct cli_sse *s, const char *bytes, size_t n);
void cli_sse_done(struct cli_sse *s);

#endif
