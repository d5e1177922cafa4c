/*
 * taskset.h - which instances were seen: a set of (job, ordinal), kept as 64-bit hashes.
 *
 * Two different instances with the same hash would make one seem to be there that is not; the next scan has another
 * key for its hash and finds it.
 */
#ifndef TASKSET_H
#define TASKSET_H

#include "base.h"

struct taskset {
	uint64_t *slots;        /* 0: empty */
	size_t nslots, n;
	uint8_t key[16];
};

void taskset_done(struct taskset *s);
void taskset_add(struct taskset *s, const char *job, int ordinal);
bool taskset_has(const struct taskset *s, const char *job, int ordinal);
/* The task of a list entry: an envelope, or that in a dead letter that was put back. */
void taskset_add_entry(struct taskset *s, const char *entry, size_t len);

#endif
