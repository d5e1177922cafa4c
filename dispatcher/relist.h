/*
 * relist.h - the lists of dead letters made to agree with their tables.
 *
 * They are not written in one transaction. Letters are missing after Redis lost its contents or refused a push. And
 * there may be too many: what a dispatcher sent into a connection that hung can arrive there long after it has given up
 * and others have gone on, so that a letter is listed twice, or that of a step which has succeeded since.
 */
#ifndef RELIST_H
#define RELIST_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"
#include "taskset.h"

/* Lists the letters and the refused submissions that are not, but for those that were put back and wait in a queue, or
 * run (`set`): they would be listed twice when they fail again. */
int relist_missing(struct dispatcher *d, struct pg *pg, struct redis *redis, const struct taskset *set, struct err *err) must_use;

/* Takes out what is there twice or not dead any more. Reads only lists that are longer than they should be; even_short:
 * all of them. */
int relist_wrong(struct dispatcher *d, struct pg *pg, struct redis *redis, bool even_short, struct err *err) must_use;

#endif
