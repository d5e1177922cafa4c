/*
 * canvas.h - the pixels of a picture in memory, to be read and changed.
 */
#ifndef CANVAS_H
#define CANVAS_H

#include "base.h"

struct canvas {
	void *pixels;           /* borrowed; rows without gaps, bands together */
	int width, height, bands;
	bool is_wide;           /* 16 bits a band, else 8 */
};

static inline size_t canvas_at(const struct canvas *c, int x, int y, int band)
{
	return ((size_t)y * (size_t)c->width + (size_t)x) * (size_t)c->bands + (size_t)band;
}

static inline float canvas_get(const struct canvas *c, int x, int y, int band)
{
	size_t i = canvas_at(c, x, y, band);

	return c->is_wide ? ((const uint16_t *)c->pixels)[i] : ((const uint8_t *)c->pixels)[i];
}

static inline void canvas_set(const struct canvas *c, int x, int y, int band, float v)
{
	size_t i = canvas_at(c, x, y, band);
	float most = c->is_wide ? 65535.0f : 255.0f;

	v = v > 0 ? v < most ? v + 0.5f : most : 0;     /* what is no number is 0 */
	if (c->is_wide)
		((uint16_t *)c->pixels)[i] = (uint16_t)v;
	else
		((uint8_t *)c->pixels)[i] = (uint8_t)v;
}

#endif
