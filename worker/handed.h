/*
 * handed.h - follow-ups that a dispatcher hands over with its answer to reports.
 *
 * With every POST of reports goes what room there is, in a header that old dispatchers ignore:
 *	x-pixelfleet-room: {"worker":"host-4711-a1b2c3","room":{"io":70,"image":4}}
 * and with the answer may come tasks that are in pixelfleet:running:<worker> already:
 *	{"answers":["accepted"],"tasks":["{\"v\":1,...}"],"first":0}
 * They are held as if this worker had claimed them; the first `first` go before all that waits. One whose answer was
 * lost is in `running` and held by nobody: an orphan, which the selfcheck adopts. See dispatcher/handover.h.
 */
#ifndef HANDED_H
#define HANDED_H

#include "buf.h"

#include <jansson.h>

struct worker;

/* The header; nothing when this worker wants none: it drains, or cannot get rid of its reports. */
void handed_header(struct worker *w, struct buf *to);
/* Takes the tasks of an answer. What is quick among them has been run, and reported, on return. */
void handed_take(struct worker *w, const json_t *answer);

#endif
