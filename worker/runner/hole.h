/*
 * hole.h - which pixels of a picture are to be filled.
 *
 * A hole is a byte for each pixel, 0 or not. What is outside of the picture is cut off; coordinates may be anything.
 */
#ifndef HOLE_H
#define HOLE_H

#include "base.h"

struct hole {
	int width, height;
	uint8_t *at;
};

struct area {                   /* left <= x < right, top <= y < bottom */
	int left, top, right, bottom;
};

struct corner {
	double x, y;
};

void hole_make(struct hole *h, int width, int height);
void hole_done(struct hole *h);
size_t hole_count(const struct hole *h);

/* The part of the picture that is in both; width and height 0 or less: nothing. */
struct area area_within(const struct area *a, int width, int height);
struct area area_grown(const struct area *a, int by);
struct area area_around(const struct corner *corners, size_t n);
static inline size_t area_pixels(const struct area *a)
{
	return a->right > a->left && a->bottom > a->top ? (size_t)(a->right - a->left) * (size_t)(a->bottom - a->top) : 0;
}

/* Pixels whose middle is inside, by the even-odd rule. `from`: which of the picture's pixels the hole's first one is. */
void hole_polygon(struct hole *h, int from_x, int from_y, const struct corner *corners, size_t n);

/* Everything of `part`, whose first pixel is that of the picture, is a hole too. */
void hole_add(struct hole *h, const struct hole *part, int from_x, int from_y);

/* By so many pixels to each side. */
void hole_widen(struct hole *h, int by);

#endif
