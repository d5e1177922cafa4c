#include "ocr_scene.h"

#include "hats.h"

#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

enum { NEAR = 20, MOST_VIEWS = 4 };     /* NEAR: so far from the paper's grey is paper, too */
#define PAPER   0.7                     /* share of a page */
#define SURE    0.45                    /* least score of what only a view shows, and not the picture */
#define CERTAIN 0.8
#define TALLER  1.9
#define OVERLAP 0.25                    /* of the smaller one: two lines are at one place */

bool ocr_is_page(const struct grey *g)
{
	size_t histogram[256] = { 0 }, n = (size_t)g->width * (size_t)g->height, most = 0;

	for (size_t i = 0; i < n; i++)
		histogram[g->pixels[i]]++;
	for (int c = 0; c < 256; c++) {
		size_t near = 0;

		for (int i = max_of(c - NEAR, 0); i <= min_of(c + NEAR, 255); i++)
			near += histogram[i];
		most = max_of(most, near);
	}
	return (double)most >= PAPER * (double)n;
}

/* ---- views ---- */

struct view {
	bool bright, all;       /* all: in each of the colours, else in any of them */
};

/* Text is black on white there. */
static void make_view(const struct scene *s, struct view v, unsigned char *to)
{
	size_t n = (size_t)s->width * (size_t)s->height;
	scoped(free_p) unsigned char *band = xcalloc(n, 1);
	int radius = VIPS_CLIP(6, max_of(s->width, s->height) / 150, 12);

	memset(to, v.all ? 255 : 0, n);
	for (int b = 0; b < s->bands; b++) {
		for (size_t i = 0; i < n; i++)
			band[i] = s->pixels[i * (size_t)s->bands + (size_t)b];
		if (v.bright)
			hat_bright(band, s->width, s->height, radius, band);
		else
			hat_dark(band, s->width, s->height, radius, band);
		for (size_t i = 0; i < n; i++)
			to[i] = v.all ? min_of(to[i], band[i]) : max_of(to[i], band[i]);
	}
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)(255 - to[i]);
}

/* Another number is another line. */
static void number_on(struct ocr_words *all, struct ocr_words *take, double min_score)
{
	size_t before = all->n ? all->list[all->n - 1].line + 1 : 0;

	ocr_words_keep(take, min_score);
	for (size_t i = 0; i < take->n; i++) {
		struct ocr_word *w = ocr_words_add(all, take->list[i].text);
		char *text = w->text;

		*w = take->list[i];
		w->text = text;
		w->line += before;
	}
}

static int read_view(struct tesseract *t, const struct grey *g, const struct scene *s, double min_score, struct ocr_words *all,
	struct err *err)
{
	scoped(ocr_words_done) struct ocr_words found = { 0 };

	if (tesseract_read(t, g, s->layout, &found, err) < 0)
		return -1;
	ocr_words_scale(&found, 1 / s->scale);
	number_on(all, &found, min_score);
	return 0;
}

/* ---- what cannot be a line ---- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double tall(const struct ocr_word *w)
{
	return w->turns % 2 ? w->right - w->left : w->bottom - w->top;
}

/* The height in the middle of the line's words. */
static double usual_height(const struct ocr_words *w, const struct ocr_line *l)
{
	scoped(free_p) double *heights = xcalloc(l->n, sizeof *heights);

	for (size_t i = 0; i < l->n; i++)
		heights[i] = tall(&w->list[l->first + i]);
	qsort(heights, l->n, sizeof *heights, by_value);
	return heights[(l->n - 1) / 2];
}

/* Leaves and twigs look like a letter or two: it takes three, or two that are sure; of CJK one that is sure. */
static bool is_text(const struct ocr_words *w, const struct ocr_line *l)
{
	size_t letters = 0;

	for (size_t i = 0; i < l->n; i++)
		letters += ocr_letters(w->list[l->first + i].text);
	return letters >= 3 || ((double)l->score >= CERTAIN && letters >= 2);
}

/* Gives up the words that are much taller than their line, and the lines that are none. */
static void drop_odd(struct ocr_words *w)
{
	for (size_t i = 0; i < w->n;) {
		struct ocr_line l = ocr_line_at(w, i);
		double most = TALLER * usual_height(w, &l);
		bool keep = is_text(w, &l);

		for (size_t k = 0; k < l.n; k++)
			if (!keep || tall(&w->list[i + k]) > most)
				w->list[i + k].score = -1;
		i += l.n;
	}
	ocr_words_keep(w, 0);
}

/* ---- the surest at each place ---- */

static double weight(const struct ocr_words *w, const struct ocr_line *l)
{
	double letters = 0;

	for (size_t i = 0; i < l->n; i++)
		letters += (double)strlen(w->list[l->first + i].text);
	return (double)l->score * (double)l->score * min_of(letters, 40.0);
}

static bool is_same_place(const struct ocr_line *a, const struct ocr_line *b)
{
	double width = min_of(a->right, b->right) - max_of(a->left, b->left);
	double height = min_of(a->bottom, b->bottom) - max_of(a->top, b->top);
	double least = min_of((a->right - a->left) * (a->bottom - a->top), (b->right - b->left) * (b->bottom - b->top));

	return width > 0 && height > 0 && width * height > OVERLAP * least;
}

struct candidate {
	struct ocr_line line;
	double weight;
	bool taken;
};

static int by_weight(const void *a, const void *b)
{
	double x = ((const struct candidate *)a)->weight, y = ((const struct candidate *)b)->weight;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Lines whose middles are within half of a height are side by side. */
static int by_place(const void *a, const void *b)
{
	const struct ocr_line *x = &((const struct candidate *)a)->line, *y = &((const struct candidate *)b)->line;

	return x->top < y->top ? -1 : x->top > y->top ? 1 : x->left < y->left ? -1 : x->left > y->left;
}

static size_t list_lines(const struct ocr_words *w, struct candidate *to)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i += to[n - 1].line.n) {
		to[n].line = ocr_line_at(w, i);
		to[n].weight = weight(w, &to[n].line);
		n++;
	}
	return n;
}

static size_t choose(struct candidate *c, size_t n)
{
	size_t kept = 0;

	qsort(c, n, sizeof *c, by_weight);
	for (size_t i = 0; i < n; i++) {
		bool is_free = true;

		for (size_t k = 0; k < kept && is_free; k++)
			is_free = !is_same_place(&c[k].line, &c[i].line);
		if (is_free)
			c[kept++] = c[i];
	}
	qsort(c, kept, sizeof *c, by_place);
	return kept;
}

static void keep_surest(struct ocr_words *all, struct ocr_words *to)
{
	scoped(free_p) struct candidate *c = xcalloc(all->n + 1, sizeof *c);
	size_t n = choose(c, list_lines(all, c));

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < c[i].line.n; k++) {
			const struct ocr_word *from = &all->list[c[i].line.first + k];
			struct ocr_word *w = ocr_words_add(to, from->text);
			char *text = w->text;

			*w = *from;
			w->text = text;
			w->line = i;
		}
}

/* White where lines were found. What is beside them is laid out anew then, and often read. */
static void erase(const struct scene *s, const struct ocr_words *found, unsigned char *pixels)
{
	for (size_t i = 0; i < found->n; i++) {
		const struct ocr_word *w = &found->list[i];
		double pad = tall(w) * s->scale / 8;
		int left = max_of((int)(w->left * s->scale - pad), 0), right = min_of((int)(w->right * s->scale + pad), s->width);
		int top = max_of((int)(w->top * s->scale - pad), 0), bottom = min_of((int)(w->bottom * s->scale + pad), s->height);

		for (int y = top; y < bottom && left < right; y++)
			memset(pixels + (size_t)y * (size_t)s->width + left, 255, (size_t)(right - left));
	}
}

static int look(struct tesseract *t, const struct scene *s, double min_score, bool again, struct ocr_words *words, struct err *err)
{
	static const struct view views[] = { { true, false }, { true, true }, { false, false } };
	scoped(ocr_words_done) struct ocr_words all = { 0 };
	scoped(free_p) unsigned char *pixels = xcalloc((size_t)s->width, (size_t)s->height);
	const struct grey shown = { pixels, s->width, s->height };

	number_on(&all, words, min_score);
	for (size_t i = 0; i < countof(views); i++) {
		if (s->bands == 1 && views[i].all)
			continue;       /* the same as any */
		make_view(s, views[i], pixels);
		if (again)
			erase(s, words, pixels);
		if (read_view(t, &shown, s, max_of(min_score, SURE), &all, err) < 0)
			return -1;
	}
	drop_odd(&all);
	ocr_words_done(words);
	keep_surest(&all, words);
	return 0;
}

int ocr_scene(struct tesseract *t, const struct scene *s, double min_score, struct ocr_words *words, struct err *err)
{
	if (look(t, s, min_score, false, words, err) < 0)
		return -1;
	return words->n ? look(t, s, min_score, true, words, err) : 0;
}
