/*
 * adopt.h - entries of a hash `taken` that nobody has in hand: their dispatcher died, or a reply was lost.
 *
 * Each is gone on with under its own id: it becomes a job once, however many try, and however far it was.
 */
#ifndef ADOPT_H
#define ADOPT_H

#include "hauls.h"
#include "pg.h"
#include "redis.h"

/* What a dead dispatcher had taken. */
int adopt_all(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *dead, struct err *err) must_use;

/* What is in our own hash, came from this list, and is not in `hauls`. By the thread that takes from the list: what another
 * takes at the same time is another list's. */
int adopt_lost(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *list, struct hauls *hauls, struct err *err) must_use;

#endif
