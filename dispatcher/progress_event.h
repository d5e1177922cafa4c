/*
 * progress_event.h - what a running step tells whoever watches its job: a worker's message on pixelfleet:events:<job>
 * (worker/progress.h), made into an event of the job's streams:
 *
 *	event: progress
 *	data: {"id":"<job>","step":"boxes","item":0,"what":"loading model clip/image","bytes":351684416}
 *
 * Whoever can write to Redis can publish there. Nothing of the message is passed on as it came.
 */
#ifndef PROGRESS_EVENT_H
#define PROGRESS_EVENT_H

#include "buf.h"

#define PROGRESS_WHAT_MAX 400           /* bytes of what is told; the rest is cut */

/* `message`: the JSON of the channel. false: it tells of no progress. */
bool progress_event(const char *job, const json_t *message, struct buf *to);

#endif
