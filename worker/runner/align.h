/*
 * align.h - a face turned, scaled and moved to where the recogniser wants its landmarks, and cut out.
 *
 * The transform is the least-squares similarity of the five points (Umeyama, "Least-squares estimation of transformation
 * parameters between two point patterns", 1991): a turn, one scale and a shift, no mirroring. In the plane it is the
 * complex number a that makes sum |a (p - mean p) - (q - mean q)|^2 least, which has one solution.
 *
 * The crop is that of OpenCV's warpAffine, to a value of a byte: the place in the picture is rounded to 1/32 of a pixel, the
 * four pixels around it are weighted by their distances, and outside of the picture everything is 0.
 */
#ifndef ALIGN_H
#define ALIGN_H

#include "resample.h"

struct similarity {             /* x' = a x - b y + dx, y' = b x + a y + dy */
	double a, b, dx, dy;
};

enum { ALIGN_SIDE = 112 };
extern const float align_arcface[5][2];         /* where ArcFace has the landmarks in 112 x 112 pixels */

/* -1: the points of `from` are one, so nothing follows from them. */
int similarity_fit(const float (*from)[2], const float (*to)[2], size_t n, struct similarity *ret) must_use;

/* to->width and height say what is wanted; to->bytes, 3 bands, is the caller's room. `from` has 3 bands or 1. `s` leads from
 * the picture to the crop; its scale is not 0. */
void align_warp(const struct pixels *from, const struct similarity *s, struct pixels *to);

#endif
