/*
 * ranges.h - stretches of instances, of which one query reads so many that it is neither long nor large.
 *
 *	ranges_add(&r, job, 0, 4000);
 *	SELECT ... FROM unnest($1::uuid[], $2::int[], $3::int[]) u(job, lo, hi)
 *		JOIN step s ON s.job = u.job AND s.ordinal >= u.lo AND s.ordinal < u.hi
 *	with PG_VALUES(r.jobs.text, r.lo.text, r.hi.text) after ranges_end(&r)
 */
#ifndef RANGES_H
#define RANGES_H

#include "buf.h"

#define RANGES_ROWS 10000       /* of one query */

struct ranges {                 /* all zero: none */
	struct buf jobs, lo, hi;
	int rows;
};

void ranges_done(struct ranges *r);
/* From ordinal lo up to, but not including, hi. */
void ranges_add(struct ranges *r, const char *job, int lo, int hi);
void ranges_end(struct ranges *r);

#endif
