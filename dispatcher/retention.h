/*
 * retention.h - partitions ahead of time, and finished weeks taken away.
 *
 * A week whose end is older than PIXELFLEET_RETENTION_DAYS is dropped whole, unless it has open jobs or jobs with a listed
 * dead letter: then these stay and the others are deleted. Artifacts that no step names any more go, when nobody
 * touched them for a day.
 */
#ifndef RETENTION_H
#define RETENTION_H

#include "dispatcher.h"
#include "pg.h"

int retention_run(struct dispatcher *d, struct pg *pg, struct err *err) must_use;

#endif
