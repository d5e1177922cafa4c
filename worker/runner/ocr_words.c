#include "ocr_words.h"

#include "utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GAP_OF_CJK    0.9       /* of the line's height: between two CJK characters it takes a whole blank one */
#define GAP_BESIDE    0.45      /* between a CJK character and a Latin one */
#define LEAST_SLOPE   0.004
#define MOST_SLOPE    0.6

void ocr_words_done(struct ocr_words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->list[i].text);
	free(w->list);
	*w = (struct ocr_words){ 0 };
}

struct ocr_word *ocr_words_add(struct ocr_words *w, const char *text)
{
	w->list = grow(w->list, w->n + 1, &w->cap, sizeof *w->list);
	w->list[w->n] = (struct ocr_word){ .text = xstrdup(text) };
	return &w->list[w->n++];
}

/* The character at s, whose length comes back; a byte that is none counts as a replacement character. */
static size_t character(const char *s, size_t left, uint32_t *ret)
{
	size_t n = utf8_sequence(s, left);
	const unsigned char *u = (const unsigned char *)s;

	if (n == 1)
		*ret = u[0];
	else if (n == 2)
		*ret = (uint32_t)(u[0] & 31) << 6 | (u[1] & 63);
	else if (n == 3)
		*ret = (uint32_t)(u[0] & 15) << 12 | (uint32_t)(u[1] & 63) << 6 | (u[2] & 63);
	else if (n == 4)
		*ret = (uint32_t)(u[0] & 7) << 18 | (uint32_t)(u[1] & 63) << 12 | (uint32_t)(u[2] & 63) << 6 | (u[3] & 63);
	else
		*ret = 0xfffd;
	return max_of(n, (size_t)1);
}

static uint32_t last_character(const char *s)
{
	size_t n = strlen(s);
	uint32_t c = 0;

	for (size_t at = 0; at < n;)
		at += character(s + at, n - at, &c);
	return c;
}

static uint32_t first_character(const char *s)
{
	uint32_t c = 0;

	if (*s)
		character(s, strlen(s), &c);
	return c;
}

/* Not Hangul: Korean writes blanks. */
bool ocr_is_cjk(uint32_t c)
{
	return (c >= 0x2e80 && c <= 0x30ff) || (c >= 0x31c0 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
		(c >= 0xfe30 && c <= 0xfe4f) || (c >= 0xff00 && c <= 0xffef) || (c >= 0x20000 && c <= 0x3ffff);
}

/* Blanks, punctuation, symbols. */
static bool is_sign(uint32_t c)
{
	return c < 0x80 ? !isalnum((int)c) : c < 0xc0 || (c >= 0x2000 && c <= 0x2bff) || (c >= 0x3000 && c <= 0x303f) ||
		(c >= 0xff00 && c <= 0xff0f) || c == 0xfffd;
}

size_t ocr_letters(const char *text)
{
	size_t n = strlen(text), letters = 0;
	uint32_t c;

	for (size_t at = 0; at < n;) {
		at += character(text + at, n - at, &c);
		letters += is_sign(c) ? 0 : ocr_is_cjk(c) ? 2 : 1;
	}
	return letters;
}

size_t ocr_cut(const char *text, size_t most)
{
	size_t n = strlen(text), at = 0;
	uint32_t c;

	for (size_t i = 0; i < most && at < n; i++)
		at += character(text + at, n - at, &c);
	return at;
}

static bool has_letter(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s > 0x20 && *s != 0x7f)
			return true;
	return false;
}

void ocr_words_keep(struct ocr_words *w, double min_score)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		if ((double)w->list[i].score >= min_score && has_letter(w->list[i].text))
			w->list[n++] = w->list[i];
		else
			free(w->list[i].text);
	}
	w->n = n;
}

void ocr_words_scale(struct ocr_words *w, double by)
{
	for (struct ocr_word *a = w->list; a < w->list + w->n; a++) {
		a->left *= by;
		a->top *= by;
		a->right *= by;
		a->bottom *= by;
	}
}

struct ocr_line ocr_line_at(const struct ocr_words *w, size_t first)
{
	const struct ocr_word *a = &w->list[first];
	struct ocr_line l = { first, 0, a->left, a->top, a->right, a->bottom, a->angle, a->turns, 0 };
	double score = 0, letters = 0;

	for (; first + l.n < w->n && a[l.n].line == a->line; l.n++) {
		const struct ocr_word *b = &a[l.n];

		l.left = min_of(l.left, b->left);
		l.top = min_of(l.top, b->top);
		l.right = max_of(l.right, b->right);
		l.bottom = max_of(l.bottom, b->bottom);
		score += (double)b->score * (double)strlen(b->text);
		letters += (double)strlen(b->text);
	}
	l.score = letters > 0 ? (float)(score / letters) : 0;
	return l;
}

static bool is_apart(const struct ocr_word *a, const struct ocr_word *b, double height)
{
	bool left = ocr_is_cjk(last_character(a->text)), right = ocr_is_cjk(first_character(b->text));
	double gap = a->turns % 2 ? max_of(b->top - a->bottom, a->top - b->bottom) : max_of(b->left - a->right, a->left - b->right);

	if (!left && !right)
		return true;
	return gap > height * (left && right ? GAP_OF_CJK : GAP_BESIDE);
}

void ocr_line_text(const struct ocr_words *w, const struct ocr_line *line, struct buf *to)
{
	double height = line->turns % 2 ? line->right - line->left : line->bottom - line->top;

	for (size_t i = 0; i < line->n; i++) {
		const struct ocr_word *word = &w->list[line->first + i];

		if (i && is_apart(word - 1, word, height))
			buf_puts(to, " ");
		buf_puts(to, word->text);
	}
}

/* A w x h rectangle turned by a has a bounding box of w cos a + h sin a by w sin a + h cos a. */
static bool turned_size(double box_w, double box_h, double a, double *w, double *h)
{
	double c = cos(a), s = fabs(sin(a)), d = c * c - s * s;

	if (fabs(a) < LEAST_SLOPE || fabs(a) > MOST_SLOPE)
		return false;
	*w = (box_w * c - box_h * s) / d;
	*h = (box_h * c - box_w * s) / d;
	return *w > 1 && *h > 1;
}

void ocr_corners(double left, double top, double right, double bottom, double angle, int turns, struct ocr_point ret[4])
{
	struct ocr_point p[4] = { { left, top }, { right, top }, { right, bottom }, { left, bottom } };
	double w, h;

	if (turned_size(right - left, bottom - top, angle, &w, &h)) {
		double x = (left + right) / 2, y = (top + bottom) / 2, c = cos(angle), s = sin(angle);
		const double sides[4][2] = { { -w, -h }, { w, -h }, { w, h }, { -w, h } };

		for (size_t i = 0; i < 4; i++)
			p[i] = (struct ocr_point){ x + (sides[i][0] * c - sides[i][1] * s) / 2, y + (sides[i][0] * s + sides[i][1] * c) / 2 };
	}
	for (int i = 0; i < 4; i++)
		ret[i] = p[(i + turns) % 4];
}

struct extent {
	double least, most;
};

static void extend(struct extent *e, double v)
{
	e->least = min_of(e->least, v);
	e->most = max_of(e->most, v);
}

void ocr_line_corners(const struct ocr_words *w, const struct ocr_line *line, struct ocr_point ret[4])
{
	struct extent along = { INFINITY, -INFINITY }, across = along;
	double c = cos(line->angle), s = sin(line->angle);

	if (fabs(line->angle) < LEAST_SLOPE || fabs(line->angle) > MOST_SLOPE || line->turns) {
		ocr_corners(line->left, line->top, line->right, line->bottom, line->angle, line->turns, ret);
		return;
	}
	for (size_t i = 0; i < line->n; i++) {
		const struct ocr_word *a = &w->list[line->first + i];
		struct ocr_point p[4];

		ocr_corners(a->left, a->top, a->right, a->bottom, line->angle, 0, p);
		for (size_t k = 0; k < 4; k++) {
			extend(&along, p[k].x * c + p[k].y * s);
			extend(&across, p[k].y * c - p[k].x * s);
		}
	}
	for (size_t k = 0; k < 4; k++) {
		double u = k == 1 || k == 2 ? along.most : along.least, v = k >= 2 ? across.most : across.least;

		ret[k] = (struct ocr_point){ u * c - v * s, u * s + v * c };
	}
}
