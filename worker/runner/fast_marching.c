#include "fast_marching.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FAR        1e6f
#define SHARPNESS  25.0f        /* how narrow a strip along an edge counts, when the edge is certain */
#define ANYWHERE   1e-6f        /* weight of what is beside the strip: it only matters where nothing else is known */

enum state { KNOWN, FRONT, HOLE };

struct entry {
	float level;
	size_t at;
};

struct around {                 /* one of the pixels that are asked */
	int x, y;
	float distance, nearness;       /* nearness: of the tensor's window */
};

struct march {
	struct patch *p;
	float *level;           /* T */
	uint8_t *state;
	struct entry *heap;
	size_t n, cap;
	struct around around[(2 * PATCH_MOST_REACH + 1) * (2 * PATCH_MOST_REACH + 1)];
	size_t naround;
};

/* ---- the front, least level first ---- */

static void push(struct march *m, float level, size_t at)
{
	size_t i = m->n++;

	m->heap = grow(m->heap, m->n, &m->cap, sizeof *m->heap);
	for (; i && m->heap[(i - 1) / 2].level > level; i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = (struct entry){ level, at };
}

static struct entry pop(struct march *m)
{
	struct entry first = m->heap[0], last = m->heap[--m->n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < m->n) {
		if (child + 1 < m->n && m->heap[child + 1].level < m->heap[child].level)
			child++;
		if (m->heap[child].level >= last.level)
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = last;
	return first;
}

/* ---- levels ---- */

static bool is_inside(const struct patch *p, int x, int y)
{
	return x >= 0 && y >= 0 && x < p->width && y < p->height;
}

static float level_at(const struct march *m, int x, int y)
{
	size_t i = (size_t)y * (size_t)m->p->width + (size_t)x;

	return is_inside(m->p, x, y) && m->state[i] != HOLE ? m->level[i] : FAR;
}

/* From the least neighbour of each axis: (T - a)^2 + (T - b)^2 = 1, or of one of them when the other is too far. */
static float solve(const struct march *m, int x, int y)
{
	float a = fminf(level_at(m, x - 1, y), level_at(m, x + 1, y));
	float b = fminf(level_at(m, x, y - 1), level_at(m, x, y + 1));
	float d = a - b;

	if (fabsf(d) >= 1)
		return 1 + fminf(a, b);
	return (a + b + sqrtf(2 - d * d)) / 2;
}

static float slope_of(float before, float here, float after)
{
	if (before < FAR && after < FAR)
		return (after - before) / 2;
	return before < FAR ? here - before : after < FAR ? after - here : 0;
}

/* ---- the edge through a pixel ---- */

struct edge {
	float x, y;             /* a unit vector along it */
	float certainty;        /* 0: as much in one direction as in any other; 1: one only */
};

static bool has_known_neighbours(const struct march *m, int x, int y)
{
	size_t w = (size_t)m->p->width, i = (size_t)y * w + (size_t)x;

	return x > 0 && y > 0 && x + 1 < m->p->width && y + 1 < m->p->height && m->state[i] == KNOWN && m->state[i - 1] == KNOWN &&
		m->state[i + 1] == KNOWN && m->state[i - w] == KNOWN && m->state[i + w] == KNOWN;
}

/* The eigenvector of the structure tensor, the mean of grad I grad I^T, with the lesser eigenvalue. */
static struct edge edge_at(const struct march *m, int x, int y)
{
	size_t w = (size_t)m->p->width, n = patch_pixels(m->p);
	float xx = 0, xy = 0, yy = 0, spread, length, ex, ey;

	for (size_t k = 0; k < m->naround; k++) {
		const struct around *a = &m->around[k];
		size_t i = (size_t)(y + a->y) * w + (size_t)(x + a->x);

		if (!has_known_neighbours(m, x + a->x, y + a->y))
			continue;
		for (int b = 0; b < m->p->bands; b++) {
			const float *v = m->p->values + (size_t)b * n + i;
			float gx = v[1] - v[-1], gy = v[w] - *(v - w);

			xx += a->nearness * gx * gx;
			xy += a->nearness * gx * gy;
			yy += a->nearness * gy * gy;
		}
	}
	spread = sqrtf((xx - yy) * (xx - yy) + 4 * xy * xy);
	if (spread < 1e-3f)
		return (struct edge){ 1, 0, 0 };
	ex = 2 * xy;            /* across it */
	ey = spread - (xx - yy);
	if (fabsf(ex) + fabsf(ey) < 1e-3f * spread) {
		ex = 1;         /* xx alone */
		ey = 0;
	}
	length = hypotf(ex, ey);
	return (struct edge){ -ey / length, ex / length, spread * spread / ((xx + yy) * (xx + yy)) };
}

/* ---- one pixel ---- */

static void fill_pixel(struct march *m, int x, int y)
{
	size_t w = (size_t)m->p->width, n = patch_pixels(m->p), at = (size_t)y * w + (size_t)x;
	float here = m->level[at], sum = 0, mean[PATCH_BANDS] = { 0 };
	float nx = slope_of(level_at(m, x - 1, y), here, level_at(m, x + 1, y));
	float ny = slope_of(level_at(m, x, y - 1), here, level_at(m, x, y + 1));
	struct edge edge = edge_at(m, x, y);
	float narrow = SHARPNESS * edge.certainty;

	narrow = narrow * narrow / (2.0f * (float)(m->p->reach * m->p->reach));
	for (size_t k = 0; k < m->naround; k++) {
		const struct around *a = &m->around[k];
		size_t i = (size_t)(y + a->y) * w + (size_t)(x + a->x);
		float beside, direction, level, weight;

		if (!is_inside(m->p, x + a->x, y + a->y) || m->state[i] == HOLE || (m->state[i] == FRONT && m->p->hole[i]))
			continue;
		beside = (float)a->x * edge.y - (float)a->y * edge.x;
		direction = fabsf((float)a->x * nx + (float)a->y * ny) / a->distance;
		level = 1 / (1 + fabsf(m->level[i] - here));
		weight = expf(-narrow * beside * beside) / a->distance * (0.05f + direction) * level +
			ANYWHERE * (0.01f + direction) / (a->distance * a->distance);
		sum += weight;
		for (int b = 0; b < m->p->bands; b++)
			mean[b] += weight * m->p->values[(size_t)b * n + i];
	}
	for (int b = 0; b < m->p->bands && sum > 0; b++)
		m->p->values[(size_t)b * n + at] = mean[b] / sum;
}

/* ---- the march ---- */

static void visit(struct march *m, int x, int y)
{
	size_t i = (size_t)y * (size_t)m->p->width + (size_t)x;
	float level;

	if (!is_inside(m->p, x, y) || m->state[i] == KNOWN)
		return;
	level = solve(m, x, y);
	if (m->state[i] == FRONT && level >= m->level[i])
		return;
	m->state[i] = FRONT;
	m->level[i] = level;
	push(m, level, i);
}

static void visit_neighbours(struct march *m, size_t at)
{
	int x = (int)(at % (size_t)m->p->width), y = (int)(at / (size_t)m->p->width);

	visit(m, x - 1, y);
	visit(m, x + 1, y);
	visit(m, x, y - 1);
	visit(m, x, y + 1);
}

static void look_around(struct march *m)
{
	int r = m->p->reach;

	for (int y = -r; y <= r; y++)
		for (int x = -r; x <= r; x++) {
			float d2 = (float)(x * x + y * y);

			if (d2 > 0 && d2 <= (float)(r * r))
				m->around[m->naround++] = (struct around){ x, y, sqrtf(d2), expf(-2 * d2 / (float)(r * r)) };
		}
}

static void begin(struct march *m)
{
	size_t n = patch_pixels(m->p);

	look_around(m);
	m->level = xcalloc(n, sizeof *m->level);
	m->state = xcalloc(n, 1);
	for (size_t i = 0; i < n; i++)
		m->state[i] = m->p->hole[i] ? HOLE : KNOWN;
	for (size_t i = 0; i < n; i++)
		if (m->state[i] == KNOWN)
			visit_neighbours(m, i);
}

void fast_marching_fill(struct patch *p)
{
	struct march m = { .p = p };

	begin(&m);
	while (m.n > 0) {
		struct entry e = pop(&m);

		if (m.state[e.at] == KNOWN)
			continue;       /* it came again with a lesser level */
		fill_pixel(&m, (int)(e.at % (size_t)p->width), (int)(e.at / (size_t)p->width));
		m.state[e.at] = KNOWN;
		visit_neighbours(&m, e.at);
	}
	free(m.level);
	free(m.state);
	free(m.heap);
}
