/*
 * metrics.h - counters of this dispatcher, from one table (metrics.def), for /metrics.
 * Lock-free; anyone may add from any thread.
 */
#ifndef METRICS_H
#define METRICS_H

#include "buf.h"

enum metric {
#define METRIC(id, name, type, help) METRIC_##id,
#include "metrics.def"
#undef METRIC
	METRIC_COUNT
};

void metric_add(enum metric m, uint64_t n);
void metric_set(enum metric m, uint64_t value);
uint64_t metric_get(enum metric m);

/* A step ended: counted by tool and outcome, its duration by tool. */
void metric_step(const char *tool, const char *outcome, double ms);
/* How many operations a ledger batch held. */
void metric_batch(size_t ops, double ms);
/* Something went forward: feeds pixelfleet_seconds_since_progress and the watchdog. */
void metric_progress(void);
double metric_seconds_since_progress(void);

/* Prometheus text of all of the above. */
void metrics_print(struct buf *to);

#endif
