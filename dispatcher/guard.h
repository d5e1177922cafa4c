/*
 * guard.h - nobody holds a connection for as long as it likes, and nobody holds all of them.
 *
 * libmicrohttpd knows one time limit, that of silence, which a byte every few seconds keeps away.
 * Here each connection is in a phase, and each phase has its time, whatever trickles meanwhile:
 * so long for the next request to begin, so long for its head; bodies and answers may take longer
 * the larger they are, as long as they go on. When too many connections are open, one is cut for each that comes:
 * first the oldest of those that have shown no token and have nothing running. A request that runs is never cut,
 * so a flood cannot keep workers from reporting.
 *
 *	w = guard_enter(g, fd);                 // perhaps cuts another
 *	guard_phase(w, GUARD_HEAD);
 *	guard_leave(w);                         // before the descriptor is closed
 *
 * To cut is to shut the socket down; the server sees the end of the connection, and closes it.
 *
 * libmicrohttpd takes up to 128 events at a time from epoll, and when it gets just 128 it waits for more before it
 * handles them (seen in 0.9.75). Where so many are open, each sweep has the kernel say again what is unread.
 */
#ifndef GUARD_H
#define GUARD_H

#include "base.h"

enum guard_phase {
	GUARD_IDLE,             /* no request line yet */
	GUARD_HEAD,
	GUARD_BODY,
	GUARD_ANSWER,           /* being sent */
	GUARD_FREE,             /* it is our turn, or a stream: no limit here */
	GUARD_PHASES
};

struct guard_limits {
	unsigned most;                  /* connections */
	int64_t idle_ms, head_ms;
	int64_t window_ms;              /* in each of these a body must come, or an answer go, by so much, or end */
	uint64_t window_bytes;
	int64_t sweep_ms;
};

struct guard;
struct guarded;

struct guard *guard_start(const struct guard_limits *limits);
/* After all have left; NULL is fine. */
void guard_stop(struct guard *g);

struct guarded *guard_enter(struct guard *g, int fd);
void guard_leave(struct guarded *w);
/* A new phase, or the next of the same kind: its time begins. */
void guard_phase(struct guarded *w, enum guard_phase phase);
/* Whether its latest request showed a token. */
void guard_trust(struct guarded *w, bool trusted);

unsigned guard_count(struct guard *g);          /* connections now */

#endif
