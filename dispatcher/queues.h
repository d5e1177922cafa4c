/*
 * queues.h - tasks into Redis: how full each queue is, what goes to the backlog, and the pushes.
 *
 * Only a window of each queue is in Redis. Depths are measured by housekeeping and counted up by
 * pushes in between; what is over the window, and all behind it, goes to the backlog table.
 */
#ifndef QUEUES_H
#define QUEUES_H

#include "envelope.h"
#include "redis.h"

struct queues;

struct queues *queues_new(unsigned window);
void queues_free(struct queues *q);

/* Claims room for one task. false: it must go to the backlog (high priority always fits). */
bool queues_reserve(struct queues *q, const char *queue, bool high);
/* From housekeeping: what Redis and PostgreSQL say. Returns how many there are with those that are on their way to Redis. */
int64_t queues_measured(struct queues *q, const char *queue, int64_t depth, bool has_backlog);
/* From now on it is measured. */
void queues_know(struct queues *q, const char *queue);
/* Copies up to `max` known names; returns how many. */
size_t queues_names(struct queues *q, char (*names)[40], size_t max);

/* RPUSH (high priority, probes: LPUSH) of all, pipelined, and the queues' names into pixelfleet:queues. */
int queues_push(struct redis *redis, const struct outgoing *out, size_t n, struct err *err) must_use;
/* The same in two halves, so that other commands can go along behind them: queues_finish() reads the answers. */
struct pushes {
	unsigned commands;
	size_t tasks;
};
int queues_append(struct redis *redis, const struct outgoing *out, size_t n, struct pushes *ret, struct err *err) must_use;
int queues_finish(struct redis *redis, struct pushes *p, struct err *err) must_use;

#endif
