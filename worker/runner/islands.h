/*
 * islands.h - the parts of a hole that are apart from each other, so that each is filled from what is around it.
 *
 * The picture is divided into square cells; cells with a pixel of the hole that touch, at a corner too, are an island.
 */
#ifndef ISLANDS_H
#define ISLANDS_H

#include "hole.h"

enum { CELL = 32 };

struct islands {
	int columns, rows;
	uint32_t *of;           /* of each cell: its island's number from 1 on, 0: it is in none */
	struct area *list;      /* island 1 is list[0]: the pixels of its cells, cut off at the picture's edges */
	size_t n, cap;
};

void islands_find(const struct hole *h, struct islands *ret);
void islands_done(struct islands *s);

static inline uint32_t island_at(const struct islands *s, int x, int y)
{
	return s->of[(size_t)(y / CELL) * (size_t)s->columns + (size_t)(x / CELL)];
}

#endif
