/*
 * housekeeping.h - what has to be done now and then: retries that are due, the backlog fed, deadlines, queues
 * compared with PostgreSQL, chunks of large jobs whose dispatcher died, partitions, retention.
 */
#ifndef HOUSEKEEPING_H
#define HOUSEKEEPING_H

#include "dispatcher.h"

struct housekeeping;

struct housekeeping *housekeeping_start(struct dispatcher *d);
void housekeeping_stop(struct housekeeping *h);

#endif
