#include "islands.h"

#include <stdlib.h>

enum { UNNUMBERED = UINT32_MAX };

struct walk {
	struct islands *s;
	size_t *stack, n, cap;
};

static void mark_cells(const struct hole *h, struct islands *s)
{
	for (int y = 0; y < h->height; y++)
		for (int x = 0; x < h->width; x++)
			if (h->at[(size_t)y * (size_t)h->width + (size_t)x])
				s->of[(size_t)(y / CELL) * (size_t)s->columns + (size_t)(x / CELL)] = UNNUMBERED;
}

static void step_on(struct walk *w, int column, int row)
{
	size_t cell = (size_t)row * (size_t)w->s->columns + (size_t)column;

	if (column < 0 || row < 0 || column >= w->s->columns || row >= w->s->rows || w->s->of[cell] != UNNUMBERED)
		return;
	w->s->of[cell] = (uint32_t)w->s->n;
	w->stack = grow(w->stack, w->n + 1, &w->cap, sizeof *w->stack);
	w->stack[w->n++] = cell;
}

static void walk_on(struct walk *w)
{
	struct area cells = { w->s->columns, w->s->rows, 0, 0 };

	while (w->n > 0) {
		size_t cell = w->stack[--w->n];
		int column = (int)(cell % (size_t)w->s->columns), row = (int)(cell / (size_t)w->s->columns);

		cells.left = min_of(cells.left, column);
		cells.top = min_of(cells.top, row);
		cells.right = max_of(cells.right, column + 1);
		cells.bottom = max_of(cells.bottom, row + 1);
		for (int dy = -1; dy <= 1; dy++)
			for (int dx = -1; dx <= 1; dx++)
				step_on(w, column + dx, row + dy);
	}
	w->s->list[w->s->n - 1] = (struct area){ cells.left * CELL, cells.top * CELL, cells.right * CELL, cells.bottom * CELL };
}

void islands_find(const struct hole *h, struct islands *ret)
{
	struct islands s = { .columns = (h->width + CELL - 1) / CELL, .rows = (h->height + CELL - 1) / CELL };
	struct walk w = { .s = &s };

	s.of = xcalloc((size_t)s.columns * (size_t)s.rows + 1, sizeof *s.of);
	mark_cells(h, &s);
	for (int row = 0; row < s.rows; row++)
		for (int column = 0; column < s.columns; column++) {
			if (s.of[(size_t)row * (size_t)s.columns + (size_t)column] != UNNUMBERED)
				continue;
			s.list = grow(s.list, ++s.n, &s.cap, sizeof *s.list);
			step_on(&w, column, row);
			walk_on(&w);
			s.list[s.n - 1] = area_within(&s.list[s.n - 1], h->width, h->height);
		}
	free(w.stack);
	*ret = s;
}

void islands_done(struct islands *s)
{
	free(s->of);
	free(s->list);
	*s = (struct islands){ 0 };
}
