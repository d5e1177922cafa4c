#include "mask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tap {                    /* between two neighbours */
	int first, second;
	float share;            /* of the second */
};

struct line {                   /* being decided; of the mask's width, but `scores` of the grid's */
	struct tap *taps;
	float *scores, *best;
};

static struct tap tap_at(int i, int n, double begin, double length, int cells)
{
	double at = fmin(fmax(begin + (i + 0.5) * length / n - 0.5, 0), cells - 1);
	int first = (int)at;

	return (struct tap){ first, min_of(first + 1, cells - 1), (float)(at - first) };
}

static void blend_rows(const struct grid *g, size_t class, struct tap y, float *to)
{
	const float *plane = g->scores + class * (size_t)g->width * (size_t)g->height;
	const float *upper = plane + (size_t)y.first * (size_t)g->width, *lower = plane + (size_t)y.second * (size_t)g->width;

	for (int x = 0; x < g->width; x++)
		to[x] = upper[x] + (lower[x] - upper[x]) * y.share;
}

static float value_at(const float *scores, const struct tap *x)
{
	return scores[x->first] + (scores[x->second] - scores[x->first]) * x->share;
}

static void decide_one(const struct line *l, float threshold, int width, uint8_t *to)
{
	for (int x = 0; x < width; x++)
		to[x] = value_at(l->scores, &l->taps[x]) > threshold ? 255 : 0;
}

static void decide_among(const struct grid *g, struct tap y, const struct line *l, int width, uint8_t *to)
{
	for (size_t class = 0; class < g->classes; class++) {
		blend_rows(g, class, y, l->scores);
		for (int x = 0; x < width; x++) {
			float v = value_at(l->scores, &l->taps[x]);
			bool is_best = class == 0 || v > l->best[x];

			l->best[x] = is_best ? v : l->best[x];
			to[x] = is_best ? (uint8_t)class : to[x];
		}
	}
}

void mask_make(const struct grid *from, double threshold, int width, int height, uint8_t *to, size_t areas[MASK_CLASSES])
{
	scoped(free_p) struct tap *taps = xcalloc((size_t)width, sizeof *taps);
	scoped(free_p) float *scores = xcalloc((size_t)from->width, sizeof *scores), *best = xcalloc((size_t)width, sizeof *best);
	const struct line line = { taps, scores, best };

	must(from->classes > 0 && from->classes <= MASK_CLASSES);
	memset(areas, 0, MASK_CLASSES * sizeof *areas);
	for (int x = 0; x < width; x++)
		taps[x] = tap_at(x, width, from->left, from->inner_width, from->width);
	for (int y = 0; y < height; y++, to += width) {
		struct tap row = tap_at(y, height, from->top, from->inner_height, from->height);

		if (from->classes == 1) {
			blend_rows(from, 0, row, scores);
			decide_one(&line, (float)threshold, width, to);
		} else {
			decide_among(from, row, &line, width, to);
		}
		for (int x = 0; x < width; x++)
			areas[to[x]]++;
	}
}
