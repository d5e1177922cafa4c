/*
 * hauls.h - what was taken from one list and is on its way through the ledger: a few takes' worth, in their order.
 *
 * While one haul is committed and pushed the next is taken and read. Each is done with, and its entries leave the hash
 * `taken`, when all of it is committed and pushed; until then it is in hand. Hauls reach the ledger in their order,
 * also when the database was away in the middle: what is behind an operation that could not be done is not tried before
 * that one is (op->halt), and all of it is tried again, in order, until it is done.
 */
#ifndef HAULS_H
#define HAULS_H

#include "dispatcher.h"

#define HAULS_MAX 4             /* in hand at once: being read, at PostgreSQL, being pushed, and one that waits for it */

struct hauls;

struct hauls *hauls_new(struct dispatcher *d, const char *taken);
/* Waits for what is in hand. When the dispatcher stops and the database is away, it stays in `taken` for whoever adopts
 * that. */
void hauls_free(struct hauls *h);

/* Waits until less than HAULS_MAX are in hand; false: the dispatcher stops. */
bool hauls_have_room(struct hauls *h);
/* `take_ops`: n operations, on the heap. After hauls_have_room(), by the same thread. */
void hauls_submit(struct hauls *h, struct op **take_ops, size_t n);
/* Thread-safe. */
bool hauls_contain(struct hauls *h, const char *job);

#endif
