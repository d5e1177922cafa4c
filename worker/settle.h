/*
 * settle.h - taking entries out of pixelfleet:running:<worker>, and out of the held set.
 *
 * All under the worker's running_lock: the selfcheck compares the two under the same lock,
 * and finds them in step.
 */
#ifndef SETTLE_H
#define SETTLE_H

#include "reporter.h"

/* Empties the reporter's acks, putbacks, refusals and forgotten. On -1 (Redis is away) those that
 * were not settled are still there. *ret_n: how many were settled, in either case. */
int settle_all(struct reporter *r, size_t *ret_n, struct err *err) must_use;

#endif
