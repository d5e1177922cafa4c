/*
 * affinity.h - which task of its lane's line a slot takes, where steps share a decoded picture (shared/sharing.h).
 *
 * A slot's runner keeps the pixels of the picture that it had last. So a slot takes a task of that picture first; then the
 * oldest one whose picture no other slot is busy with; then the oldest. No slot waits because of it, nor for long a task: one
 * that was claimed a second ago is taken in its turn.
 */
#ifndef AFFINITY_H
#define AFFINITY_H

#include "lane.h"

/* Tells the picture that the task shares with others from other pictures; 0: it shares none. */
uint64_t affinity_of(const struct task *t);

/* Both under the lane's lock. */
struct held *affinity_take(struct lane *l, unsigned slot);      /* NULL: nothing waits */
/* How many in the line cost next to nothing: a slot is busy with their picture, or will be when it comes to the one before them. */
size_t affinity_promised(const struct lane *l, bool with_handed);

#endif
