/*
 * pulse.h - the thread that once a second says what this worker does (pixelfleet:worker:<name>),
 * and looks after the rest of it: is what it holds what Redis says it holds (selfcheck.h), does
 * everything make progress (systemd's watchdog is fed only then), is a runner stuck.
 */
#ifndef PULSE_H
#define PULSE_H

#include "buf.h"

struct worker;

void pulse_start(struct worker *w);
void pulse_join(struct worker *w);      /* `is_leaving` is set; takes the worker off the books */

/* The heartbeat: {"worker","host","pid","version","started_at","slots":{"image":2},"state":"running|draining",
 * "running":[{"job","ordinal","step","tool","attempt","since"}],"memory":{...},"done","failed","claiming"}; where the process runs
 * that runs models, also "device":"cpu","models":["clip/image"] */
void pulse_write(struct worker *w, struct buf *to);

/* Every claimer and the reporter were alive lately, and no step is long over its time.
 * false: *ret_why says what is not. */
bool pulse_has_progress(struct worker *w, const char **ret_why);

#endif
