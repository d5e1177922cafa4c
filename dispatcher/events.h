/*
 * events.h - progress of jobs to whoever listens.
 *
 * One thread reads the ledger's messages (pixelfleet:events:<job>, subscribed to only while
 * somebody listens) and sends what changed to each stream as
 *
 *	event: job
 *	data: {"id","state","total","succeeded","failed","skipped","cancelled"}
 *
 * and passes on to the streams of one job what its steps tell (progress_event.h).
 *
 * A stream begins with what PostgreSQL says, and every second that is asked again for all watched
 * jobs, so a lost message costs a second. The stream of one job ends with the job. A listener
 * that is too slow: of one job, it gets the newest only; of all jobs, its stream ends.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "conf.h"
#include "stream.h"

#define EVENTS_MAX_STREAMS 4096

struct events;

struct events *events_start(const struct conf *conf);
/* Ends all streams, and those still to come at once. */
void events_end_all(struct events *e);
void events_stop(struct events *e);

bool events_is_full(struct events *e);
/* Takes the writer's side of the stream. job: a uuid, or NULL for all jobs. */
void events_add(struct events *e, const char *job, struct stream *take_stream);

#endif
