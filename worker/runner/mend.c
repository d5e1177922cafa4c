#include "mend.h"

#include "islands.h"
#include "patch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MARGIN = 40, BORDER = 12, TILE = 1024, COARSE_PIXELS = 1000000, COARSE_HOLE = 150000 };
#define MOST_PIXELS  2500000u   /* of an island that is filled in one go, */
#define MOST_HOLE    400000u    /* and of the hole in it */

struct work {
	struct canvas *c;
	struct hole *h;         /* what is left of it */
	int reach;
	struct islands islands;
	uint32_t island;        /* whose pixels are filled now */
};

static uint8_t *hole_at(const struct work *w, int x, int y)
{
	return &w->h->at[(size_t)y * (size_t)w->h->width + (size_t)x];
}

static bool is_ours(const struct work *w, int x, int y)
{
	return *hole_at(w, x, y) && island_at(&w->islands, x, y) == w->island;
}

static size_t count_in(const struct work *w, const struct area *a)
{
	size_t n = 0;

	for (int y = a->top; y < a->bottom; y++)
		for (int x = a->left; x < a->right; x++)
			n += is_ours(w, x, y);
	return n;
}

/* ---- in one go ---- */

static void cut_out(const struct work *w, const struct area *a, struct patch *p)
{
	size_t i = 0, n = patch_pixels(p);

	for (int y = a->top; y < a->bottom; y++)
		for (int x = a->left; x < a->right; x++, i++) {
			p->hole[i] = *hole_at(w, x, y);
			for (int b = 0; b < p->bands && !p->hole[i]; b++)
				p->values[(size_t)b * n + i] = canvas_get(w->c, x, y, b);
		}
}

/* The pixels of `a`, which are no hole then. */
static void put_back(struct work *w, const struct patch *p, int left, int top, const struct area *a)
{
	size_t n = patch_pixels(p);

	for (int y = a->top; y < a->bottom; y++)
		for (int x = a->left; x < a->right; x++) {
			size_t i = (size_t)(y - top) * (size_t)p->width + (size_t)(x - left);

			if (!is_ours(w, x, y))
				continue;
			for (int b = 0; b < p->bands; b++)
				canvas_set(w->c, x, y, b, p->values[(size_t)b * n + i]);
			*hole_at(w, x, y) = 0;
		}
}

static void fill(struct work *w, const struct area *a)
{
	struct area grown = area_grown(a, MARGIN), with = area_within(&grown, w->c->width, w->c->height);
	struct patch p = { .width = with.right - with.left, .height = with.bottom - with.top, .bands = w->c->bands,
		.reach = w->reach };

	if (count_in(w, a) == 0)
		return;
	patch_make(&p);
	cut_out(w, &with, &p);
	patch_fill(&p);
	put_back(w, &p, with.left, with.top, a);
	patch_done(&p);
}

/* ---- coarsely ---- */

/* Each pixel the mean of the known ones in `by` x `by`; none: a hole. */
static void cut_out_small(const struct work *w, const struct area *a, int by, struct patch *p)
{
	size_t n = patch_pixels(p);
	scoped(free_p) uint32_t *known = xcalloc(n + 1, sizeof *known);

	for (int y = a->top; y < a->bottom; y++)
		for (int x = a->left; x < a->right; x++) {
			size_t i = (size_t)((y - a->top) / by) * (size_t)p->width + (size_t)((x - a->left) / by);

			if (*hole_at(w, x, y))
				continue;
			known[i]++;
			for (int b = 0; b < p->bands; b++)
				p->values[(size_t)b * n + i] += canvas_get(w->c, x, y, b);
		}
	for (size_t i = 0; i < n; i++) {
		p->hole[i] = known[i] == 0;
		for (int b = 0; b < p->bands && known[i]; b++)
			p->values[(size_t)b * n + i] /= (float)known[i];
	}
}

/* Between the middles of four pixels. */
static float between(const struct patch *p, int band, float x, float y)
{
	const float *v = p->values + (size_t)band * patch_pixels(p);
	int left = (int)fmaxf(floorf(x), 0), top = (int)fmaxf(floorf(y), 0);
	int right = min_of(left + 1, p->width - 1), bottom = min_of(top + 1, p->height - 1);
	float fx = fmaxf(x - (float)left, 0), fy = fmaxf(y - (float)top, 0);
	size_t w = (size_t)p->width;

	return (1 - fy) * ((1 - fx) * v[(size_t)top * w + (size_t)left] + fx * v[(size_t)top * w + (size_t)right]) +
		fy * ((1 - fx) * v[(size_t)bottom * w + (size_t)left] + fx * v[(size_t)bottom * w + (size_t)right]);
}

/* Which pixels are BORDER and less from a known one. */
static void find_border(const struct work *w, const struct area *a, struct hole *ret)
{
	size_t i = 0;

	hole_make(ret, a->right - a->left, a->bottom - a->top);
	for (int y = a->top; y < a->bottom; y++)
		for (int x = a->left; x < a->right; x++)
			ret->at[i++] = !*hole_at(w, x, y);
	hole_widen(ret, BORDER);
}

static void fill_middle(struct work *w, const struct area *a, const struct patch *small, int by)
{
	struct hole border;
	size_t i = 0;

	find_border(w, a, &border);
	for (int y = a->top; y < a->bottom; y++)
		for (int x = a->left; x < a->right; x++, i++) {
			float at_x = ((float)(x - a->left) + 0.5f) / (float)by - 0.5f, at_y = ((float)(y - a->top) + 0.5f) / (float)by - 0.5f;

			if (border.at[i] || !is_ours(w, x, y))
				continue;
			for (int b = 0; b < small->bands; b++)
				canvas_set(w->c, x, y, b, between(small, b, at_x, at_y));
			*hole_at(w, x, y) = 0;
		}
	hole_done(&border);
}

static void fill_coarsely(struct work *w, const struct area *island, size_t hole)
{
	struct area grown = area_grown(island, MARGIN), a = area_within(&grown, w->c->width, w->c->height);
	double by_area = sqrt((double)area_pixels(&a) / COARSE_PIXELS), by_hole = sqrt((double)hole / COARSE_HOLE);
	int by = (int)ceil(fmax(fmax(by_area, 1), by_hole));
	struct patch p = { .width = (a.right - a.left + by - 1) / by, .height = (a.bottom - a.top + by - 1) / by, .bands = w->c->bands,
		.reach = w->reach };

	patch_make(&p);
	cut_out_small(w, &a, by, &p);
	patch_fill(&p);
	fill_middle(w, &a, &p, by);
	patch_done(&p);
}

static void fill_tiles(struct work *w, const struct area *a)
{
	for (int y = a->top; y < a->bottom; y += TILE)
		for (int x = a->left; x < a->right; x += TILE) {
			struct area tile = { x, y, min_of(x + TILE, a->right), min_of(y + TILE, a->bottom) };

			fill(w, &tile);
		}
}

void mend(struct canvas *c, struct hole *h, int reach)
{
	struct work w = { .c = c, .h = h, .reach = reach };

	islands_find(h, &w.islands);
	for (size_t i = 0; i < w.islands.n; i++) {
		const struct area *a = &w.islands.list[i];
		size_t hole;

		w.island = (uint32_t)i + 1;
		hole = count_in(&w, a);
		if (hole <= MOST_HOLE && area_pixels(a) <= MOST_PIXELS) {
			fill(&w, a);
		} else {
			fill_coarsely(&w, a, hole);
			fill_tiles(&w, a);
		}
	}
	islands_done(&w.islands);
}

/* Of each pixel the values, level, state and hole; of a hole's, as many as a tile may have, the stencil, the march's value and
 * its place in the front. */
double mend_bytes(double pixels, int bands)
{
	double most = min_of(pixels, (double)MOST_PIXELS + 8 * MARGIN * TILE);

	return most * (4.0 * bands + 6) + min_of(pixels, (double)TILE * TILE * 0.7) * 60;
}
