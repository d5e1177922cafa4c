#include "tesseract.h"

#include "log.h"
#include "ocr_langs.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tesseract/capi.h>

enum { DPI = 300, MOST_LINES = 4000, NOTES = 1000 };

#define CALLS(X) \
	X(TessBaseAPICreate) X(TessBaseAPIDelete) X(TessBaseAPIInit2) X(TessBaseAPISetPageSegMode) X(TessBaseAPISetImage) \
	X(TessBaseAPISetSourceResolution) X(TessBaseAPIRecognize) X(TessBaseAPIAnalyseLayout) X(TessBaseAPIGetIterator) \
	X(TessBaseAPIClear) X(TessPageIteratorDelete) X(TessPageIteratorNext) X(TessPageIteratorBoundingBox) \
	X(TessPageIteratorBaseline) X(TessPageIteratorOrientation) X(TessPageIteratorIsAtBeginningOf) X(TessResultIteratorDelete) \
	X(TessResultIteratorNext) X(TessResultIteratorGetUTF8Text) X(TessResultIteratorConfidence) \
	X(TessResultIteratorGetPageIterator) X(TessDeleteText)

static struct {
#define X(name) __typeof__(&name) name;
	CALLS(X)
#undef X
	bool is_loaded, is_ended_first;
} lib;

static const struct {
	const char *name;
	size_t at;
} calls[] = {
#define X(name) { #name, offsetof(__typeof__(lib), name) },
	CALLS(X)
#undef X
};

struct tesseract {
	TessBaseAPI *api;       /* NULL: none yet */
	char langs[OCR_LANGS], dir[600];
};

static struct tesseract kept;

/* ---- what it says ---- */

/*
 * glibc's stderr is a variable, and a library that writes to it looks there. Tesseract 5.5 keeps what it found
 * there, and closes it when it finds another: so it finds the same stream each time, which nobody else closes.
 */
struct hush {
	FILE *was;              /* NULL: stderr is as it was */
	size_t len;
	char text[NOTES];
};

static FILE *notes;             /* what it finds */
static struct hush *taking;     /* who gets what is written there */

static ssize_t notes_write(void *cookie, const char *bytes, size_t size)
{
	size_t n = taking ? min_of(size, sizeof taking->text - 1 - taking->len) : 0;

	(void)cookie;
	if (n) {
		memcpy(taking->text + taking->len, bytes, n);
		taking->len += n;
	}
	return (ssize_t)size;
}

static int notes_close(void *cookie)
{
	(void)cookie;
	notes = NULL;
	return 0;
}

static void hush_begin(struct hush *h)
{
	memset(h, 0, sizeof *h);
	if (!notes) {
		notes = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = notes_write, .close = notes_close });
		if (!notes)
			return;
		setvbuf(notes, NULL, _IONBF, 0);
	}
	h->was = stderr;
	taking = h;
	stderr = notes;
}

static void hush_end(struct hush *h)
{
	if (!h->was)
		return;
	stderr = h->was;
	taking = NULL;
	while (h->len > 0 && h->text[h->len - 1] == '\n')
		h->text[--h->len] = '\0';
	if (*h->text)
		log_debug("ocr.library", "text=%s", log_quote(h->text));
}

/* ---- loading ---- */

static void forget(void)
{
	struct hush h;

	if (!kept.api)
		return;
	hush_begin(&h);
	lib.TessBaseAPIDelete(kept.api);
	hush_end(&h);
	kept = (struct tesseract){ 0 };
}

static int load(struct err *err)
{
	void *library;

	if (lib.is_loaded)
		return 0;
	library = dlopen("libtesseract.so.5", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return err_set(err, ERR_REJECT, "text cannot be read without Tesseract: %.300s; Debian's package libtesseract5 has it",
			dlerror());
	for (size_t i = 0; i < countof(calls); i++) {
		void *call = dlsym(library, calls[i].name);

		if (!call)
			return err_set(err, ERR_REJECT, "text cannot be read: this libtesseract.so.5 has no %s", calls[i].name);
		memcpy((char *)&lib + calls[i].at, &call, sizeof call);
	}
	lib.is_loaded = true;
	return 0;
}

int tesseract_get(const char *langs, const char *dir, struct tesseract **ret, struct err *err)
{
	struct hush h;
	int rc;

	if (load(err) < 0)
		return -1;
	if (kept.api && strcmp(kept.langs, langs) == 0 && strcmp(kept.dir, dir) == 0) {
		*ret = &kept;
		return 0;
	}
	forget();
	hush_begin(&h);
	kept.api = lib.TessBaseAPICreate();
	rc = kept.api ? lib.TessBaseAPIInit2(kept.api, dir, langs, OEM_LSTM_ONLY) : -1;
	hush_end(&h);
	if (!lib.is_ended_first) {
		lib.is_ended_first = true;
		atexit(forget); /* now, so that it runs before the library's own end, which complains of what is left */
	}
	if (rc != 0) {
		forget();
		return err_set(err, ERR_REJECT, "Tesseract does not take the data for %s in %s: %.400s", langs, dir,
			*h.text ? h.text : "it does not say why");
	}
	snprintf(kept.langs, sizeof kept.langs, "%s", langs);
	snprintf(kept.dir, sizeof kept.dir, "%s", dir);
	*ret = &kept;
	return 0;
}

/* ---- reading ---- */

static void show(struct tesseract *t, const struct grey *g, enum tesseract_layout layout)
{
	static const TessPageSegMode modes[] = { [TESSERACT_PAGE] = PSM_AUTO, [TESSERACT_BLOCK] = PSM_SINGLE_BLOCK,
		[TESSERACT_SPARSE] = PSM_SPARSE_TEXT };

	lib.TessBaseAPISetPageSegMode(t->api, modes[layout]);
	lib.TessBaseAPISetImage(t->api, g->pixels, g->width, g->height, 1, g->width);
	lib.TessBaseAPISetSourceResolution(t->api, DPI);
}

/* Of the line that it is in; 0 where the library knows none. */
static double slope(TessPageIterator *at)
{
	int x1, y1, x2, y2;

	if (!lib.TessPageIteratorBaseline(at, RIL_TEXTLINE, &x1, &y1, &x2, &y2) || x2 <= x1)
		return 0;
	return atan2(y2 - y1, x2 - x1);
}

static int turns(TessPageIterator *at)
{
	static const int of[] = { [ORIENTATION_PAGE_UP] = 0, [ORIENTATION_PAGE_RIGHT] = 1, [ORIENTATION_PAGE_DOWN] = 2,
		[ORIENTATION_PAGE_LEFT] = 3 };
	TessOrientation orientation = ORIENTATION_PAGE_UP;
	TessWritingDirection direction;
	TessTextlineOrder order;
	float deskew;

	lib.TessPageIteratorOrientation(at, &orientation, &direction, &order, &deskew);
	return (size_t)orientation < countof(of) ? of[orientation] : 0;
}

static void take_word(TessResultIterator *it, TessPageIterator *at, size_t line, struct ocr_words *words)
{
	int left, top, right, bottom;
	char *text;
	struct ocr_word *w;

	if (!lib.TessPageIteratorBoundingBox(at, RIL_WORD, &left, &top, &right, &bottom))
		return;
	text = lib.TessResultIteratorGetUTF8Text(it, RIL_WORD);
	if (!text)
		return;
	w = ocr_words_add(words, text);
	lib.TessDeleteText(text);
	w->score = lib.TessResultIteratorConfidence(it, RIL_WORD) / 100.0f;
	w->score = w->score > 0 ? min_of(w->score, 1.0f) : 0;
	w->left = left, w->top = top, w->right = right, w->bottom = bottom;
	w->turns = turns(at);
	w->angle = w->turns ? 0 : slope(at);
	w->line = line;
}

static void take_words(struct tesseract *t, struct ocr_words *words)
{
	TessResultIterator *it = lib.TessBaseAPIGetIterator(t->api);
	size_t line = words->n ? words->list[words->n - 1].line : 0;
	TessPageIterator *at;

	if (!it)
		return;
	at = lib.TessResultIteratorGetPageIterator(it);         /* it is the same one */
	do {
		if (lib.TessPageIteratorIsAtBeginningOf(at, RIL_TEXTLINE))
			line++;
		take_word(it, at, line, words);
	} while (lib.TessResultIteratorNext(it, RIL_WORD));
	lib.TessResultIteratorDelete(it);
}

int tesseract_read(struct tesseract *t, const struct grey *g, enum tesseract_layout layout, struct ocr_words *words, struct err *err)
{
	struct hush h;
	int rc;

	hush_begin(&h);
	show(t, g, layout);
	rc = lib.TessBaseAPIRecognize(t->api, NULL);
	if (rc == 0)
		take_words(t, words);
	lib.TessBaseAPIClear(t->api);
	hush_end(&h);
	if (rc != 0)
		return err_set(err, ERR_REJECT, "Tesseract cannot read the picture: %.400s", *h.text ? h.text : "it does not say why");
	return 0;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int tesseract_line_height(struct tesseract *t, const struct grey *g, enum tesseract_layout layout)
{
	scoped(free_p) int *heights = xcalloc(MOST_LINES, sizeof *heights);
	int left, top, right, bottom, n = 0;
	TessPageIterator *at;
	struct hush h;

	hush_begin(&h);
	show(t, g, layout);
	at = lib.TessBaseAPIAnalyseLayout(t->api);
	if (at) {
		do
			if (lib.TessPageIteratorBoundingBox(at, RIL_TEXTLINE, &left, &top, &right, &bottom))
				heights[n++] = min_of(bottom - top, right - left);
		while (n < MOST_LINES && lib.TessPageIteratorNext(at, RIL_TEXTLINE));
		lib.TessPageIteratorDelete(at);
	}
	lib.TessBaseAPIClear(t->api);
	hush_end(&h);
	qsort(heights, (size_t)n, sizeof *heights, compare);
	return n ? heights[n / 2] : 0;
}
