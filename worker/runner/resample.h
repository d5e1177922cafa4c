/*
 * resample.h - pixels of 8 bits at another size, as Pillow computes them.
 *
 * Each result pixel is the weighted mean of the pixels around its place, first along the rows, then along the columns,
 * rounded to a byte each time. Weights: the triangle (linear, reach 1) or Keys' cubic with a = -0.5 (reach 2), normalised
 * to 1 where the edge cuts them. When the picture gets smaller the reach grows with it, so that every pixel counts;
 * unless `is_sparse`, which looks at the nearest two or four only, as OpenCV does.
 *
 *	struct pixels small = { .width = 224, .height = 224 };
 *	resample(&large, &(struct resample){ .kernel = KERNEL_CUBIC }, &small);
 *	... pixels_done(&small);
 */
#ifndef RESAMPLE_H
#define RESAMPLE_H

#include "base.h"

struct pixels {
	uint8_t *bytes;         /* rows first, bands together, no gaps */
	int width, height, bands;
};

enum kernel { KERNEL_CUBIC, KERNEL_LINEAR };

struct resample {
	enum kernel kernel;
	bool is_sparse;
	double width, height;   /* how much of the picture, from its top left; what is not there does not count; 0: all of it */
	int left, top;          /* where in the whole result `to` begins, */
	int whole_width, whole_height;  /* which is so large; 0: as large as `to` */
};

/* to->width and height say what is wanted; bytes become new, bands as in `from`. */
void resample(const struct pixels *from, const struct resample *how, struct pixels *to);
void pixels_done(struct pixels *p);

#endif
