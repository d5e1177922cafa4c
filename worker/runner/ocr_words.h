/*
 * ocr_words.h - words that were read, put together as lines and as text.
 *
 * Tesseract takes groups of Chinese and Japanese characters for words. Words of a line are joined with a blank, but
 * not where a CJK character meets another character without a gap that a reader would see.
 */
#ifndef OCR_WORDS_H
#define OCR_WORDS_H

#include "buf.h"

struct ocr_word {
	char *text;             /* UTF-8 */
	float score;            /* 0..1 */
	double left, top, right, bottom;
	double angle;           /* of its line's baseline, in radians; positive: it falls to the right */
	int turns;              /* the text's top is at: 0 the picture's top, 1 right, 2 bottom, 3 left */
	size_t line;            /* words of a line are neighbours in the list and have the same */
};

struct ocr_words {
	struct ocr_word *list;
	size_t n, cap;
};

struct ocr_line {               /* words first .. first + n - 1 */
	size_t first, n;
	double left, top, right, bottom, angle;
	int turns;
	float score;            /* mean, by characters */
};

struct ocr_point {
	double x, y;
};

void ocr_words_done(struct ocr_words *w);
struct ocr_word *ocr_words_add(struct ocr_words *w, const char *text);

/* Gives up the words below the score, and those without any letter. */
void ocr_words_keep(struct ocr_words *w, double min_score);

void ocr_words_scale(struct ocr_words *w, double by);

/* The line that begins with word `first`. */
struct ocr_line ocr_line_at(const struct ocr_words *w, size_t first);
void ocr_line_text(const struct ocr_words *w, const struct ocr_line *line, struct buf *to);

/* The corners from the text's top left on, clockwise as one reads: the rectangle of that slope whose bounding box is
 * the given one, or that box where there is none. */
void ocr_corners(double left, double top, double right, double bottom, double angle, int turns, struct ocr_point ret[4]);

/* Of a line: around the corners of all its words. A long sloping line's own box tells little of how tall it is. */
void ocr_line_corners(const struct ocr_words *w, const struct ocr_line *line, struct ocr_point ret[4]);

bool ocr_is_cjk(uint32_t c);

/* Letters and digits; a CJK character counts as two. */
size_t ocr_letters(const char *text);

/* So many bytes of text are its first `most` characters (all: all of them). */
size_t ocr_cut(const char *text, size_t most);

#endif
