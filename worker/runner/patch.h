/*
 * patch.h - a rectangle of a picture with a hole in it, and the pixels that a hole is filled with.
 *
 *	struct patch p = { .width = w, .height = h, .bands = 3, .reach = PATCH_REACH };
 *	patch_make(&p);                 ... set p.values and p.hole ...
 *	patch_fill(&p);
 *	patch_done(&p);
 *
 * Nothing but the pixels around is known: edges are led on across the hole, and what lies between them is made smooth.
 */
#ifndef PATCH_H
#define PATCH_H

#include "base.h"

enum { PATCH_BANDS = 4, PATCH_REACH = 8, PATCH_MOST_REACH = 16 };

struct patch {
	int width, height, bands;
	int reach;              /* so far around a pixel its neighbours are asked; at most PATCH_MOST_REACH */
	float *values;          /* of band after band, each of rows without gaps, of any range */
	uint8_t *hole;          /* of each pixel; 0: it is known */
};

void patch_make(struct patch *p);               /* all zero */
void patch_done(struct patch *p);

/* A patch without any known pixel stays as it is. At most 2^31 pixels. */
void patch_fill(struct patch *p);

static inline size_t patch_pixels(const struct patch *p)
{
	return (size_t)p->width * (size_t)p->height;
}

#endif
