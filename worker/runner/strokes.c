#include "strokes.h"

#include "hats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST = 14, MOST_RADIUS = 40, MOST_PAD = 200, ALIKE = 40, MOST_STEPS = 40, LEAST_TALL = 8 };
/* LEAST: of a hat that is no noise. ALIKE: so far may a colour be from the ink's */
#define STROKE     0.2          /* of the line's height: half of the widest stroke */
#define PAD        0.3          /* letters that were not read, and what hangs below the line */
#define SPREAD     0.045        /* of the line's height: outlines, shadows, what compression smeared */
#define EDGE       0.6          /* of the threshold: the soft edge of a stroke is of the stroke */
#define AS_STRONG  0.5          /* of the stronger kind of hat: then both are letters, */
#define BESIDE     0.15         /* or of this, when it is beside the stronger one almost everywhere: letters and their outlines */
#define ALMOST     0.8
#define TOO_LITTLE 0.01
#define MOSTLY     0.6          /* letters of one ink: so many of their pixels are */
#define STEP       0.9          /* of the line's height: it is followed by so much at a time, */
#define LEAST_INK  0.05         /* while so much of that is ink */

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

struct ink {                    /* of the letters that were found */
	uint8_t colour[3];
	bool bright;
	int least;              /* of their hats */
};

static int middle(const size_t histogram[256], size_t n)
{
	size_t sum = 0;

	for (int v = 0; v < 256; v++)
		if ((sum += histogram[v]) > n / 2)
			return v;
	return 255;
}

static bool is_ink(const struct line *l, size_t at, const struct ink *ink)
{
	int x = (int)(at % (size_t)l->width), y = (int)(at / (size_t)l->width), bands = l->c->bands < 3 ? 1 : 3;

	for (int b = 0; b < bands; b++)
		if (abs(band_at(l, x, y, b) - ink->colour[b]) > ALIKE)
			return false;
	return true;
}

/* False: the letters are of many colours, so that nothing can be told from them. */
static bool find_ink(const struct line *l, const struct kind *k, bool bright, struct ink *ret)
{
	size_t n = (size_t)l->width * (size_t)l->height, alike = 0;

	*ret = (struct ink){ .bright = bright, .least = k->threshold };
	for (int b = 0; b < (l->c->bands < 3 ? 1 : 3); b++) {
		size_t histogram[256] = { 0 };

		for (size_t i = 0; i < n; i++)
			if (l->place.at[i] && k->hat[i] > k->threshold)
				histogram[band_at(l, (int)(i % (size_t)l->width), (int)(i / (size_t)l->width), b)]++;
		ret->colour[b] = (uint8_t)middle(histogram, k->count);
	}
	for (size_t i = 0; i < n; i++)
		alike += l->place.at[i] && k->hat[i] > k->threshold && is_ink(l, i, ret);
	return (double)alike >= MOSTLY * (double)k->count;
}

/* Almost all of the weaker kind is within half a stroke's width of what was taken. */
static bool is_beside(const struct line *l, const struct kind *k, const struct hole *taken)
{
	size_t n = (size_t)l->width * (size_t)l->height, beside = 0;
	struct hole wide;

	hole_make(&wide, l->width, l->height);
	hole_add(&wide, taken, 0, 0);
	hole_widen(&wide, (int)fmin(l->text_height * STROKE / 2 + 2, MOST_RADIUS));
	for (size_t i = 0; i < n; i++)
		beside += l->place.at[i] && k->hat[i] > k->threshold && wide.at[i];
	hole_done(&wide);
	return (double)beside >= ALMOST * (double)k->count;
}

/* The strokes, in `to`; false: none stand out. */
static bool find(struct line *l, struct hole *to, struct ink *ret_ink, bool *ret_has_ink)
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
	*ret_has_ink = find_ink(l, strong, strong == &kinds[0], ret_ink);
	found = take(l, strong, to);
	if (weak->contrast >= AS_STRONG * strong->contrast || (weak->contrast >= BESIDE * strong->contrast && is_beside(l, weak, to)))
		found += take(l, weak, to);
	return (double)found >= TOO_LITTLE * (double)hole_count(&l->place);
}

/* ---- one place ---- */

static bool line_begin(struct line *l, const struct colours *c, const struct corner corners[4], double tall)
{
	int pad = (int)fmin(ceil(tall * PAD), MOST_PAD);
	struct area tight = area_around(corners, 4), grown = area_grown(&tight, 2 * pad + 4);
	size_t n;

	*l = (struct line){ .area = area_within(&grown, c->width, c->height), .text_height = tall, .c = c };
	n = area_pixels(&l->area);
	if (n == 0)
		return false;
	l->width = l->area.right - l->area.left;
	l->height = l->area.bottom - l->area.top;
	l->grey = xcalloc(n, 1);
	l->hat = xcalloc(n, 1);
	hole_make(&l->place, l->width, l->height);
	hole_polygon(&l->place, l->area.left, l->area.top, corners, 4);
	hole_widen(&l->place, pad);
	return true;
}

static void line_end(struct line *l)
{
	hole_done(&l->place);
	free(l->grey);
	free(l->hat);
}

static void add_found(struct hole *h, const struct line *l, struct hole *found, int dilate)
{
	hole_widen(found, dilate >= 0 ? dilate : (int)fmin(lround(l->text_height * SPREAD) + 2, MOST_PAD));
	hole_add(h, found, l->area.left, l->area.top);
}

/* ---- what was not read of a line ---- */

/* The letters at one place, if they are of this ink. */
static bool take_ink(struct line *l, const struct ink *ink, struct hole *to)
{
	size_t n = (size_t)l->width * (size_t)l->height, count = 0, inked = 0;
	scoped(free_p) uint8_t *hat = xcalloc(n, 1);

	make_hat(l, ink->bright, hat);
	for (size_t i = 0; i < n; i++) {
		if (!l->place.at[i])
			continue;
		count++;
		if (hat[i] > ink->least && is_ink(l, i, ink)) {
			to->at[i] = 1;
			inked++;
		}
	}
	hole_widen(to, 2);      /* outlines, soft edges */
	return (double)inked >= LEAST_INK * (double)count;
}

/* From one end of the line on, a letter or two at a time, until there are none. */
static void go_on(struct hole *h, const struct colours *c, const struct corner corners[4], const struct ink *ink, bool forth,
	double tall, int dilate)
{
	double length = distance(&corners[0], &corners[1]), step = (forth ? STEP : -STEP) * tall;
	struct corner u = { (corners[1].x - corners[0].x) / length, (corners[1].y - corners[0].y) / length };
	struct corner top = corners[forth ? 1 : 0], bottom = corners[forth ? 2 : 3];

	for (int i = 0; i < MOST_STEPS; i++) {
		struct corner next_top = { top.x + u.x * step, top.y + u.y * step };
		struct corner next_bottom = { bottom.x + u.x * step, bottom.y + u.y * step };
		struct corner place[4] = { top, next_top, next_bottom, bottom };
		struct hole found;
		struct line l;
		bool more;

		if (!line_begin(&l, c, place, tall))
			return;
		hole_make(&found, l.width, l.height);
		more = take_ink(&l, ink, &found);
		if (more)
			add_found(h, &l, &found, dilate);
		hole_done(&found);
		line_end(&l);
		if (!more)
			return;
		top = next_top;
		bottom = next_bottom;
	}
}

void strokes_add(struct hole *h, const struct colours *c, const struct corner corners[4], int dilate)
{
	double tall = fmin(distance(&corners[0], &corners[3]), distance(&corners[0], &corners[1]));
	bool lies = distance(&corners[0], &corners[1]) > distance(&corners[0], &corners[3]), has_ink = false;
	struct hole found;
	struct line l;
	struct ink ink;

	if (!line_begin(&l, c, corners, tall))
		return;
	hole_make(&found, l.width, l.height);
	if (find(&l, &found, &ink, &has_ink))
		add_found(h, &l, &found, dilate);
	else
		hole_add(h, &l.place, l.area.left, l.area.top);
	hole_done(&found);
	line_end(&l);
	for (int forth = 0; forth < 2 && has_ink && lies && tall >= LEAST_TALL; forth++)
		go_on(h, c, corners, &ink, forth == 1, tall, dilate);
}
