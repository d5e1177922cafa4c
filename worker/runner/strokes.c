#include "strokes.h"

#include "hats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST = 14, MOST_RADIUS = 40 };  /* LEAST: of a hat that is no noise */
#define STROKE     0.2          /* of the line's height: half of the widest stroke */
#define PAD        0.3          /* letters that were not read, and what hangs below the line */
#define SPREAD     0.045        /* of the line's height: outlines, shadows, what compression smeared */
#define EDGE       0.6          /* of the threshold: the soft edge of a stroke is of the stroke */
#define AS_STRONG  0.5          /* of the stronger kind of hat: then both are letters, */
#define BESIDE     0.15         /* or of this, when it is beside the stronger one almost everywhere: letters and their outlines */
#define ALMOST     0.8
#define TOO_LITTLE 0.01

struct line {                   /* the rectangle around one */
	struct area area;
	int width, height;
	double text_height;
	const struct colours *c;
	struct hole place;      /* where the text is, with PAD */
	uint8_t *grey, *hat;
};

struct kind {
	uint8_t *hat;           /* bright or dark, the strongest of all colours */
	int threshold;
	double contrast;        /* of what is over it: to what is around the line */
	size_t count;
};

static double distance(const struct corner *a, const struct corner *b)
{
	return hypot(a->x - b->x, a->y - b->y);
}

static uint8_t band_at(const struct line *l, int x, int y, int band)
{
	size_t at = (size_t)(y + l->area.top) * (size_t)l->c->width + (size_t)(x + l->area.left);

	return l->c->pixels[at * (size_t)l->c->bands + (size_t)band];
}

static void make_grey(struct line *l)
{
	for (int y = 0; y < l->height; y++)
		for (int x = 0; x < l->width; x++) {
			int v = l->c->bands < 3 ? 1000 * band_at(l, x, y, 0) :
				299 * band_at(l, x, y, 0) + 587 * band_at(l, x, y, 1) + 114 * band_at(l, x, y, 2);

			l->grey[(size_t)y * (size_t)l->width + (size_t)x] = (uint8_t)(v / 1000);
		}
}

static void make_hat(struct line *l, bool bright, uint8_t *ret)
{
	int radius = (int)lround(l->text_height * STROKE), bands = l->c->bands < 3 ? 1 : 3;
	size_t n = (size_t)l->width * (size_t)l->height;

	radius = radius < 2 ? 2 : min_of(radius, (int)MOST_RADIUS);
	memset(ret, 0, n);
	for (int b = 0; b < bands; b++) {
		for (int y = 0; y < l->height; y++)
			for (int x = 0; x < l->width; x++)
				l->hat[(size_t)y * (size_t)l->width + (size_t)x] = band_at(l, x, y, b);
		if (bright)
			hat_bright(l->hat, l->width, l->height, radius, l->hat);
		else
			hat_dark(l->hat, l->width, l->height, radius, l->hat);
		for (size_t i = 0; i < n; i++)
			ret[i] = max_of(ret[i], l->hat[i]);
	}
}

/* The mean grey around the line; without any, that of all. */
static double around(const struct line *l)
{
	size_t n = (size_t)l->width * (size_t)l->height, count = 0;
	double sum = 0, all = 0;

	for (size_t i = 0; i < n; i++) {
		all += l->grey[i];
		if (!l->place.at[i]) {
			sum += l->grey[i];
			count++;
		}
	}
	return count ? sum / (double)count : all / (double)n;
}

static void measure(const struct line *l, struct kind *k)
{
	size_t n = (size_t)l->width * (size_t)l->height, histogram[256] = { 0 };
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (l->place.at[i])
			histogram[k->hat[i]]++;
	k->threshold = max_of(otsu(histogram), (int)LEAST);
	for (size_t i = 0; i < n; i++)
		if (l->place.at[i] && k->hat[i] > k->threshold) {
			sum += l->grey[i];
			k->count++;
		}
	k->contrast = k->count ? fabs(sum / (double)k->count - around(l)) : 0;
}

static size_t take(const struct line *l, const struct kind *k, struct hole *to)
{
	size_t n = (size_t)l->width * (size_t)l->height, count = 0;
	int least = max_of((int)(k->threshold * EDGE), (int)LEAST);

	for (size_t i = 0; i < n; i++)
		if (l->place.at[i] && k->hat[i] >= least && !to->at[i]) {
			to->at[i] = 1;
			count++;
		}
	return count;
}

/* How much of the weaker kind is within two pixels of what was taken. */
static bool is_beside(const struct line *l, const struct kind *k, const struct hole *taken)
{
	size_t n = (size_t)l->width * (size_t)l->height, beside = 0;
	struct hole wide;

	hole_make(&wide, l->width, l->height);
	hole_add(&wide, taken, 0, 0);
	hole_widen(&wide, 2);
	for (size_t i = 0; i < n; i++)
		beside += l->place.at[i] && k->hat[i] > k->threshold && wide.at[i];
	hole_done(&wide);
	return (double)beside >= ALMOST * (double)k->count;
}

/* The strokes, in `to`; false: none stand out. */
static bool find(struct line *l, struct hole *to)
{
	size_t n = (size_t)l->width * (size_t)l->height, found = 0;
	scoped(free_p) uint8_t *hats = xcalloc(n, 2);
	struct kind kinds[2] = { { .hat = hats }, { .hat = hats + n } }, *strong = &kinds[0], *weak = &kinds[1];

	make_grey(l);
	for (size_t k = 0; k < 2; k++) {
		make_hat(l, k == 0, kinds[k].hat);
		measure(l, &kinds[k]);
	}
	if (kinds[1].contrast > kinds[0].contrast) {
		strong = &kinds[1];
		weak = &kinds[0];
	}
	if (strong->contrast <= 0)
		return false;
	found = take(l, strong, to);
	if (weak->contrast >= AS_STRONG * strong->contrast || (weak->contrast >= BESIDE * strong->contrast && is_beside(l, weak, to)))
		found += take(l, weak, to);
	return (double)found >= TOO_LITTLE * (double)hole_count(&l->place);
}

void strokes_add(struct hole *h, const struct colours *c, const struct corner corners[4], int dilate)
{
	double tall = min_of(distance(&corners[0], &corners[3]), distance(&corners[0], &corners[1]));
	int pad = min_of((int)ceil(tall * PAD), 1000), by = dilate >= 0 ? dilate : (int)lround(tall * SPREAD) + 2;
	struct area around_it = area_around(corners, 4), grown = area_grown(&around_it, 2 * pad + 4);
	struct line l = { .area = area_within(&grown, c->width, c->height), .text_height = tall, .c = c };
	struct hole found;

	if (area_pixels(&l.area) == 0)
		return;
	l.width = l.area.right - l.area.left;
	l.height = l.area.bottom - l.area.top;
	l.grey = xcalloc((size_t)l.width * (size_t)l.height, 1);
	l.hat = xcalloc((size_t)l.width * (size_t)l.height, 1);
	hole_make(&l.place, l.width, l.height);
	hole_make(&found, l.width, l.height);
	hole_polygon(&l.place, l.area.left, l.area.top, corners, 4);
	hole_widen(&l.place, pad);
	if (find(&l, &found)) {
		hole_widen(&found, min_of(by, 200));
		hole_add(h, &found, l.area.left, l.area.top);
	} else {
		hole_add(h, &l.place, l.area.left, l.area.top);
	}
	hole_done(&found);
	hole_done(&l.place);
	free(l.grey);
	free(l.hat);
}
