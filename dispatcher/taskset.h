/*
 * taskset.h - which instances were seen: a set of (job, ordinal), kept as 64-bit hashes.
 *
 * Two different instances with the same hash would make one seem to be there that is not; the next scan has another
 * key for its hash and finds it.
 *
 * However many there are, the set stays small: when it is full it forgets half of all instances, from then on says of these
 * that they were seen, and asks for another pass, in which it keeps the others:
 *
 *	do {
 *		...                     add all that is there, look for what is missing
 *	} while (taskset_next(&set));
 */
#ifndef TASKSET_H
#define TASKSET_H

#include "base.h"

struct taskset {
	uint64_t *slots;        /* 0: empty */
	size_t nslots, n;
	size_t most;            /* instances in memory; 0: about 1.5 million, which take 16 MB */
	unsigned pass, more;    /* this is pass `pass` of 1 + more */
	bool has_key;
	uint8_t key[16];
};

void taskset_done(struct taskset *s);
/* The set is empty again, for the instances of the next pass; false: that was the last one. */
bool taskset_next(struct taskset *s);
void taskset_add(struct taskset *s, const char *job, int ordinal);
bool taskset_has(const struct taskset *s, const char *job, int ordinal);
/* The task of a list entry: an envelope, or that in a dead letter that was put back. */
void taskset_add_entry(struct taskset *s, const char *entry, size_t len);

#endif
