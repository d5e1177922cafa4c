/*
 * strokes.h - the letters of a line of text, and as little as possible of what they are written over.
 *
 * Letters are thin and stand out: brighter, or darker, than what is beside them (hats.h) and around the line. Outlined
 * letters are both. Where nothing stands out the whole place of the line is taken. Letters that follow on either end, of the
 * same colour, are taken too, although nobody has read them.
 */
#ifndef STROKES_H
#define STROKES_H

#include "hole.h"

struct colours {                /* 8 bits, rows without gaps; bands: 1, or 3 and more of which the first three count */
	const uint8_t *pixels;
	int width, height, bands;
};

/* Adds what is at the four corners, from the text's top left on, clockwise. dilate < 0: by the line's height. */
void strokes_add(struct hole *h, const struct colours *c, const struct corner corners[4], int dilate);

#endif
