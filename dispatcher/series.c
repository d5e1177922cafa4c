#include "series.h"

struct series series_of(int ordinal)
{
	return (struct series){ .ordinal = ordinal, .stride = 1, .steps = 1 };
}

bool series_extend(struct series *s, int ordinal)
{
	int stride = s->steps == 1 ? ordinal - s->ordinal : s->stride;

	if (stride < 1 || stride > INT16_MAX || s->steps == INT16_MAX || ordinal != s->ordinal + s->steps * stride)
		return false;
	s->stride = stride;
	s->steps++;
	return true;
}
