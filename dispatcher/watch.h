/*
 * watch.h - this dispatcher's heartbeat, and everybody else's.
 *
 * A process is dead when its heartbeat was missing for PIXELFLEET_DEAD_AFTER_MS of this dispatcher's monotonic clock on
 * an unbroken connection. Then a worker's tasks go back to the heads of their queues (and the ones it had
 * started are charged a death), and a dispatcher's taken submissions are adopted.
 */
#ifndef WATCH_H
#define WATCH_H

#include "dispatcher.h"

struct watch;

struct watch *watch_start(struct dispatcher *d);
/* Ends the thread and takes back the heartbeat. */
void watch_stop(struct watch *w);

#endif
