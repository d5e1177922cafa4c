/*
 * mend.h - a hole in a picture, filled without any model (patch.h), in bounded memory and time.
 *
 * Only what is around each island of the hole is looked at. A hole with much inside that is far from any known pixel is
 * filled coarsely first, on a smaller picture, and finely along its border only: in its middle nothing fine is known anyway.
 */
#ifndef MEND_H
#define MEND_H

#include "canvas.h"
#include "hole.h"

/* Changes the hole's pixels and no others. Some pixel must be outside of it. `h` is used up: nothing of it is left. `reach` as in
 * patch.h. */
void mend(struct canvas *c, struct hole *h, int reach);

/* Bytes that it takes, at most, besides canvas and hole. */
double mend_bytes(double pixels, int bands);

#endif
