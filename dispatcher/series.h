/*
 * series.h - instances of a job, at equal distances: every n-th ordinal of a stretch.
 *
 * What of a job becomes ready together is as a rule one step of many pictures, and that is such a series.
 */
#ifndef SERIES_H
#define SERIES_H

#include "base.h"

struct series {
	int ordinal, stride, steps;     /* steps >= 1; stride >= 1, and any with one step; both fit a smallint */
};

struct series series_of(int ordinal);
/* false: this ordinal is not the next one. */
bool series_extend(struct series *s, int ordinal);
static inline int series_ordinal(const struct series *s, int k)
{
	return s->ordinal + k * s->stride;
}

#endif
