/*
 * ocr_scene.h - reading text off a photograph, where the paper is a landscape.
 *
 * Tesseract tells ink from paper by brightness alone. So a photograph is shown to it more than once: as it is, and as
 * what is bright and thin, or dark and thin, in all colours or in any (hats.h). Of the lines that were read at one place
 * in several of these views the surest stays.
 */
#ifndef OCR_SCENE_H
#define OCR_SCENE_H

#include "tesseract.h"

struct scene {                  /* 8 bits, rows without gaps */
	const unsigned char *pixels;
	int width, height, bands;       /* 1 or 3 */
	double scale;                   /* of these pixels; words are in the picture's */
	enum tesseract_layout layout;
};

/* Most of it has one brightness, as paper has. */
bool ocr_is_page(const struct grey *g);

/* `words`: what was read of the picture as it is. What the views show besides, or surer, is put in its place, with a score
 * of min_score or more; lines come from the top to the bottom. */
int ocr_scene(struct tesseract *t, const struct scene *s, double min_score, struct ocr_words *words, struct err *err) must_use;

#endif
