/*
 * reception.h - one loop for the control socket and the sockets of all slots: it reads questions, hands them to the crew,
 * and notices who has left. Answers are written by whoever has them; a slot has at most one question open, so
 * its socket has one writer at a time. The words are those of shared/wire.h.
 *
 * A slot that breaks the protocol loses its socket, and only that. Half a message would hold up the others; after
 * 5 s it is broken.
 */
#ifndef RECEPTION_H
#define RECEPTION_H

#include "crew.h"

struct reception;

struct reception *reception_open(struct crew *crew);

/* Until the peer closes `control`: 0. ERR_RETRY: that socket broke. */
int reception_run(struct reception *r, int control, struct err *err) must_use;

/* After crew_stop(): callers write to its sockets. */
void reception_close(struct reception *r);

#endif
