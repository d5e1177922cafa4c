#include "ranges.h"

#include "pg.h"

void ranges_done(struct ranges *r)
{
	buf_free(&r->jobs), buf_free(&r->lo), buf_free(&r->hi);
	*r = (struct ranges){ .rows = 0 };
}

void ranges_add(struct ranges *r, const char *job, int lo, int hi)
{
	if (!r->rows)
		pg_array_begin(&r->jobs), pg_array_begin(&r->lo), pg_array_begin(&r->hi);
	pg_array_word(&r->jobs, job);
	pg_array_int(&r->lo, lo);
	pg_array_int(&r->hi, hi);
	r->rows += hi - lo;
}

void ranges_end(struct ranges *r)
{
	if (r->rows)
		pg_array_end(&r->jobs), pg_array_end(&r->lo), pg_array_end(&r->hi);
}
