/*
 * hats.h - what is bright, or dark, and thin: strokes of letters, whatever they are written over.
 *
 * A plane's opening (the least value around, then the greatest of those around) has no bright detail that is narrower
 * than 2 radius + 1 pixels; what it has less than the plane is the bright hat. The dark hat is that of the negative.
 */
#ifndef HATS_H
#define HATS_H

#include "base.h"

/* width x height pixels, rows without gaps. `hat` may be the plane itself. */
void hat_bright(const uint8_t *plane, int width, int height, int radius, uint8_t *hat);
void hat_dark(const uint8_t *plane, int width, int height, int radius, uint8_t *hat);

/* The greatest value of the square of 2 radius + 1 pixels around each, in place. */
void plane_widen(uint8_t *plane, int width, int height, int radius);

/* The value that best parts the histogram in two (Otsu 1979: the greatest variance between the classes). */
int otsu(const size_t histogram[256]);

#endif
