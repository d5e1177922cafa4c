/*
 * fleet.h - what Redis says about workers, dispatchers and queues now.
 */
#ifndef FLEET_H
#define FLEET_H

#include "origin.h"
#include "pg.h"
#include "redis.h"

#include <jansson.h>

/* Lists of heartbeats. A worker's has "held" (entries of its running list) added; one whose heartbeat is gone
 * while it holds something is {"worker","state":"missing","held"}. */
int fleet_workers(struct redis *redis, json_t **ret, struct err *err) must_use;
int fleet_dispatchers(struct redis *redis, json_t **ret, struct err *err) must_use;

/* How many of the workers serve the queue, and how many tasks of it they run. */
int fleet_served_by(const json_t *workers, const char *queue);
int fleet_running(const json_t *workers, const char *queue);
/* Heartbeats that are present. */
int fleet_alive(const json_t *workers);

/* [{"queue","queued","backlog","running","dead","oldest_age_s"?,"served_by"}], by name: every queue that a tool,
 * a definition, a worker or a dead letter names, or that was ever used. */
int fleet_queues(struct redis *redis, struct pg *pg, json_t **ret, struct err *err) must_use;

/* Seconds since the "enqueued_at" of a queue entry (an envelope or a dead letter); -1: it has none. */
double fleet_age_s(const char *entry, size_t len, int64_t now_us);

/* RFC 3339 in UTC ("2026-01-02T03:04:05.678901Z"), to microseconds since 1970. */
int fleet_time_parse(const char *text, int64_t *ret_us) must_use;

/* The lists that messages come from, and their dead letters: [{"list","waiting","dead_letters","dead"}]. */
int fleet_lists(struct redis *redis, const struct origins *origins, json_t **ret, struct err *err) must_use;

#endif
