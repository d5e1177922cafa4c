#include "hats.h"

#include <stdlib.h>
#include <string.h>

/* Extremes of a sliding window in three comparisons a value, whatever its width (van Herk 1992, Gil and Werman 1993):
 * those of blocks, from their beginning on and up to their end. */
struct window {
	int radius, n;                  /* n values with the borders */
	bool least;
	uint8_t *values, *from, *to;
};

static uint8_t pick(const struct window *w, uint8_t a, uint8_t b)
{
	return w->least ? min_of(a, b) : max_of(a, b);
}

static void slide(struct window *w)
{
	int k = 2 * w->radius + 1;

	for (int i = 0; i < w->n; i++)
		w->from[i] = i % k ? pick(w, w->from[i - 1], w->values[i]) : w->values[i];
	for (int i = w->n - 1; i >= 0; i--)
		w->to[i] = i == w->n - 1 || i % k == k - 1 ? w->values[i] : pick(w, w->to[i + 1], w->values[i]);
}

/* One line of n pixels, `step` apart. */
static void line(struct window *w, uint8_t *pixels, int n, size_t step)
{
	w->n = n + 2 * w->radius;
	memset(w->values, w->least ? 255 : 0, (size_t)w->n);
	for (int i = 0; i < n; i++)
		w->values[w->radius + i] = pixels[(size_t)i * step];
	slide(w);
	for (int i = 0; i < n; i++)
		pixels[(size_t)i * step] = pick(w, w->to[i], w->from[i + 2 * w->radius]);
}

static void extremes(uint8_t *plane, int width, int height, int radius, bool least)
{
	size_t longest = (size_t)max_of(width, height) + 2 * (size_t)radius;
	scoped(free_p) uint8_t *memory = xcalloc(longest, 3);
	struct window w = { .radius = radius, .least = least, .values = memory, .from = memory + longest, .to = memory + 2 * longest };

	if (radius < 1)
		return;
	for (int y = 0; y < height; y++)
		line(&w, plane + (size_t)y * (size_t)width, width, 1);
	for (int x = 0; x < width; x++)
		line(&w, plane + x, height, (size_t)width);
}

void plane_widen(uint8_t *plane, int width, int height, int radius)
{
	extremes(plane, width, height, radius, false);
}

static void hat(const uint8_t *plane, int width, int height, int radius, bool bright, uint8_t *ret)
{
	size_t n = (size_t)width * (size_t)height;
	scoped(free_p) uint8_t *flat = xcalloc(n ? n : 1, 1);

	memcpy(flat, plane, n);
	extremes(flat, width, height, radius, bright);
	extremes(flat, width, height, radius, !bright);
	for (size_t i = 0; i < n; i++)
		ret[i] = bright ? (uint8_t)(plane[i] - flat[i]) : (uint8_t)(flat[i] - plane[i]);
}

void hat_bright(const uint8_t *plane, int width, int height, int radius, uint8_t *ret)
{
	hat(plane, width, height, radius, true, ret);
}

void hat_dark(const uint8_t *plane, int width, int height, int radius, uint8_t *ret)
{
	hat(plane, width, height, radius, false, ret);
}

int otsu(const size_t histogram[256])
{
	double all = 0, sum = 0, below = 0, sum_below = 0, best = -1;
	int at = 0;

	for (int i = 0; i < 256; i++) {
		all += (double)histogram[i];
		sum += (double)histogram[i] * i;
	}
	for (int i = 0; i < 255; i++) {
		double d, between;

		below += (double)histogram[i];
		sum_below += (double)histogram[i] * i;
		if (below <= 0 || below >= all)
			continue;
		d = sum_below / below - (sum - sum_below) / (all - below);
		between = below * (all - below) * d * d;
		if (between > best) {
			best = between;
			at = i;
		}
	}
	return at;
}
