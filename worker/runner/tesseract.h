/*
 * tesseract.h - libtesseract: words in a grey picture.
 *
 *	struct tesseract *t;
 *	if (tesseract_get("eng+jpn", dir, &t, err) < 0 || tesseract_read(t, &grey, TESSERACT_PAGE, &words, err) < 0)
 *		return -1;
 *
 * The library is loaded when the first text is read: a runner that reads none goes without it and its data. What
 * was made for a list of languages is kept until another list is asked for. What the library writes to stderr is
 * caught, and logged for debugging.
 */
#ifndef TESSERACT_H
#define TESSERACT_H

#include "err.h"
#include "ocr_words.h"

enum tesseract_layout {
	TESSERACT_PAGE,         /* columns, paragraphs */
	TESSERACT_BLOCK,        /* lines of one size, one below the other */
	TESSERACT_SPARSE,       /* as much as can be found, anywhere */
};

struct grey {                   /* 8 bits a pixel, rows without gaps */
	const unsigned char *pixels;
	int width, height;
};

struct tesseract;

/* Borrowed, until the next call. ERR_REJECT: there is no library, or it does not take the data. */
int tesseract_get(const char *langs, const char *dir, struct tesseract **ret, struct err *err) must_use;

/* Appended to `words`, in reading order; lines are numbered on from the last one there. */
int tesseract_read(struct tesseract *t, const struct grey *g, enum tesseract_layout layout, struct ocr_words *words,
	struct err *err) must_use;

/* The middle one of the lines' heights, from the layout alone; 0: no lines. */
int tesseract_line_height(struct tesseract *t, const struct grey *g, enum tesseract_layout layout);

#endif
