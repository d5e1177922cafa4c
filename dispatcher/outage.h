/*
 * outage.h - the steps that wait for a backend that does not answer: rows of table `retry` that name one.
 *
 * While the breaker is open they stay where they are, but for one after the other that is let through as a probe, the
 * one that has waited longest first. One dispatcher at a time lets one through: the key pixelfleet:probe:<backend> names it, and
 * as long as that step is on its way there is no other (but after a while there is: the backend may hang).
 * When the breaker is closed, or nobody knows of one, they flow, like any retry that is due.
 */
#ifndef OUTAGE_H
#define OUTAGE_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"

/* Rows (job, ordinal, attempt, pass) to the ledger as retries that are due. */
typedef int (*outage_release)(void *arg, const PGresult *rows, bool is_probe, struct err *err);

int outage_run(struct dispatcher *d, struct pg *pg, struct redis *redis, outage_release release, void *arg, struct err *err) must_use;

/* For people. *ret_breakers: breaker_json() of each that is not closed, with "waiting" as it is now. Each of `queues`
 * (objects with "queue") gets "waiting_on_backend": [{"backend","waiting","state","why"?,"next_probe"?}]; those of a backend
 * that is back are about to be pushed. */
int outage_describe(struct dispatcher *d, struct pg *pg, json_t *queues, json_t **ret_breakers, struct err *err) must_use;
/* {"backend","state",...} of one that is not closed; NULL: it is. */
json_t *outage_of(struct dispatcher *d, const char *backend);

#endif
