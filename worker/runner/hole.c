#include "hole.h"

#include "hats.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_CROSSINGS = 4096 };
#define OUT 1e7                 /* farther than any picture */

void hole_make(struct hole *h, int width, int height)
{
	*h = (struct hole){ width, height, xcalloc((size_t)width * (size_t)height + 1, 1) };
}

void hole_done(struct hole *h)
{
	free(h->at);
	*h = (struct hole){ 0 };
}

size_t hole_count(const struct hole *h)
{
	size_t n = (size_t)h->width * (size_t)h->height, count = 0;

	for (size_t i = 0; i < n; i++)
		count += h->at[i] != 0;
	return count;
}

struct area area_within(const struct area *a, int width, int height)
{
	struct area r = { max_of(a->left, 0), max_of(a->top, 0), min_of(a->right, width), min_of(a->bottom, height) };

	return r;
}

struct area area_grown(const struct area *a, int by)
{
	return (struct area){ a->left - by, a->top - by, a->right + by, a->bottom + by };
}

static double near(double v)
{
	return v > -OUT && v < OUT ? v : v > 0 ? OUT : -OUT;
}

struct area area_around(const struct corner *c, size_t n)
{
	double left = OUT, top = OUT, right = -OUT, bottom = -OUT;

	for (size_t i = 0; i < n; i++) {
		left = min_of(left, near(c[i].x));
		top = min_of(top, near(c[i].y));
		right = max_of(right, near(c[i].x));
		bottom = max_of(bottom, near(c[i].y));
	}
	return (struct area){ (int)floor(left), (int)floor(top), (int)ceil(right), (int)ceil(bottom) };
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Where the outline crosses the middle of a row. */
static size_t crossings(double y, const struct corner *c, size_t n, double ret[MOST_CROSSINGS])
{
	size_t found = 0;

	for (size_t i = 0; i < n && found < MOST_CROSSINGS; i++) {
		struct corner a = { near(c[i].x), near(c[i].y) }, b = { near(c[(i + 1) % n].x), near(c[(i + 1) % n].y) };

		if ((a.y <= y) != (b.y <= y))
			ret[found++] = a.x + (y - a.y) * (b.x - a.x) / (b.y - a.y);
	}
	qsort(ret, found, sizeof *ret, compare);
	return found;
}

void hole_polygon(struct hole *h, int from_x, int from_y, const struct corner *corners, size_t n)
{
	scoped(free_p) double *at = xcalloc(MOST_CROSSINGS, sizeof *at);
	struct area around = area_around(corners, n);
	int top = max_of(around.top - from_y, 0), bottom = min_of(around.bottom - from_y, h->height);

	for (int y = top; y < bottom; y++) {
		size_t found = crossings(y + from_y + 0.5, corners, n, at);

		for (size_t k = 0; k + 1 < found; k += 2) {
			double left = ceil(at[k] - 0.5) - from_x, right = ceil(at[k + 1] - 0.5) - from_x;

			for (int x = (int)max_of(left, 0.0); x < (int)min_of(right, (double)h->width); x++)
				h->at[(size_t)y * (size_t)h->width + (size_t)x] = 1;
		}
	}
}

void hole_add(struct hole *h, const struct hole *part, int from_x, int from_y)
{
	for (int y = max_of(-from_y, 0); y < part->height && y + from_y < h->height; y++)
		for (int x = max_of(-from_x, 0); x < part->width && x + from_x < h->width; x++)
			h->at[(size_t)(y + from_y) * (size_t)h->width + (size_t)(x + from_x)] |=
				part->at[(size_t)y * (size_t)part->width + (size_t)x];
}

void hole_widen(struct hole *h, int by)
{
	plane_widen(h->at, h->width, h->height, by);
}
