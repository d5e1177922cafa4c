/*
 * tool_ocr.c - the text in a picture, read by Tesseract.
 *
 *	{"text":"EXIT\nway out","items":[{"label":"EXIT","score":0.93,"box":[left,top,width,height],
 *	 "points":[[x,y],[x,y],[x,y],[x,y]],"line":0}],"width":1200,"height":800,"langs":["eng"]}
 *
 * Items are lines, or words with `level`. Points are the corners from the text's top left on, clockwise, in pixels of
 * the upright picture as the box is; a line that is written at a slope has a box that is larger. A page is read as one:
 * columns, paragraphs, lines. A photograph is looked at for text of any colour (ocr_scene.h). Small letters are
 * enlarged first: Tesseract's networks know lines of some forty pixels.
 */
#include "ocr_langs.h"
#include "ocr_scene.h"
#include "params.h"
#include "picture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_PIXELS = 16000000, SCENE_SIDE = 1600, SMALL_LINE = 26, GOOD_LINE = 40 };
#define MOST_SCALE  3.0
#define PIXEL_BYTES 5.0                 /* of the enlarged picture: colours, grey, and what the library makes of it */
#define LIBRARY     (12.0 * 1048576)
#define LANGUAGE    (30.0 * 1048576)    /* 20 for English, 40 for Japanese or Chinese */

struct page {
	VipsImage *image;               /* 8 bits, grey or RGB, in memory */
	VipsImage *grey;                /* of it */
	double scale;                   /* pixels of these for one of the picture */
	struct ocr_words words;         /* in the picture's */
};

static void page_done(struct page *p)
{
	image_unref_p(&p->image);
	image_unref_p(&p->grey);
	ocr_words_done(&p->words);
}

static struct grey grey_of(const struct page *p)
{
	return (struct grey){ (const unsigned char *)p->grey->data, p->grey->Xsize, p->grey->Ysize };
}

/* ---- the pixels ---- */

/* Alpha goes over white; 16 bits become 8. */
static int make_plain(VipsImage **image)
{
	static const double white[] = { 65535, 65535, 65535 };
	bool wide = (*image)->BandFmt == VIPS_FORMAT_USHORT;
	VipsImage *next;

	if (vips_image_hasalpha(*image)) {
		VipsArrayDouble *background = vips_array_double_new((const double[]){ wide ? white[0] : 255, wide ? white[0] : 255,
			wide ? white[0] : 255 }, (*image)->Bands - 1);
		int r = vips_flatten(*image, &next, "background", background, NULL);

		vips_area_unref(VIPS_AREA(background));
		if (r)
			return -1;
		picture_step(image, next);
	}
	if (!wide)
		return 0;
	if (vips_cast(*image, &next, VIPS_FORMAT_UCHAR, "shift", TRUE, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

static int make_grey(struct page *p, struct err *err)
{
	VipsImage *next;

	image_unref_p(&p->grey);
	p->grey = NULL;
	if (p->image->Bands == 1) {
		p->grey = g_object_ref(p->image);
		return 0;
	}
	if (vips_colourspace(p->image, &next, VIPS_INTERPRETATION_B_W, NULL))
		return picture_fail(err, "cannot make the picture grey");
	p->grey = next;
	return picture_decode(&p->grey, err);
}

/* Besides the picture as it is. */
static double more_bytes(double pixels, const char *langs)
{
	double bytes = LIBRARY + LANGUAGE + PIXEL_BYTES * min_of(pixels * MOST_SCALE * MOST_SCALE, (double)MOST_PIXELS);

	for (; *langs; langs++)
		bytes += *langs == '+' ? LANGUAGE : 0;
	return bytes;
}

static int load(struct picture *from, const char *langs, struct page *p, struct err *err)
{
	double pixels = (double)from->width * from->height;
	int r;

	from->use.is_kept = true;
	from->use.more_bytes = more_bytes(pixels, langs);
	if (pixels > MOST_PIXELS) {
		double k = sqrt(MOST_PIXELS / pixels);
		struct picture_box box = { .width = max_of((int)(from->width * k), 1), .height = max_of((int)(from->height * k), 1),
			.size = VIPS_SIZE_DOWN, .crop = VIPS_INTERESTING_NONE };

		r = picture_shrink(from, &box, 1, &p->image, err);
	} else {
		r = picture_load(from, false, &p->image, err);
	}
	if (r < 0)
		return -1;
	if (make_plain(&p->image) < 0)
		return picture_fail(err, "cannot convert the colours");
	if (picture_decode(&p->image, err) < 0)
		return -1;
	p->scale = (double)p->image->Xsize / from->width;
	return make_grey(p, err);
}

static int rescale(struct page *p, double by, struct err *err)
{
	VipsImage *next;

	if (vips_resize(p->image, &next, by, NULL))
		return picture_fail(err, "cannot resize");
	picture_step(&p->image, next);
	if (picture_decode(&p->image, err) < 0)
		return -1;
	p->scale *= by;
	return make_grey(p, err);
}

/* ---- reading ---- */

static int read_page(struct tesseract *t, struct page *p, enum tesseract_layout layout, double min_score, struct err *err)
{
	struct grey g = grey_of(p);
	int line = tesseract_line_height(t, &g, layout);
	double most = min_of(sqrt(MOST_PIXELS / ((double)g.width * g.height)), MOST_SCALE);

	if (line > 0 && line < SMALL_LINE && most > 1.05) {
		if (rescale(p, min_of((double)GOOD_LINE / line, most), err) < 0)
			return -1;
		g = grey_of(p);
	}
	if (tesseract_read(t, &g, layout, &p->words, err) < 0)
		return -1;
	ocr_words_keep(&p->words, min_score);
	ocr_words_scale(&p->words, 1 / p->scale);
	return 0;
}

static int read_scene(struct tesseract *t, struct page *p, double min_score, struct err *err)
{
	int side;
	struct scene s;

	if (read_page(t, p, TESSERACT_PAGE, min_score, err) < 0)
		return -1;
	side = max_of(p->image->Xsize, p->image->Ysize);
	if (side > SCENE_SIDE && rescale(p, (double)SCENE_SIDE / side, err) < 0)
		return -1;
	s = (struct scene){ (const unsigned char *)p->image->data, p->image->Xsize, p->image->Ysize, p->image->Bands, p->scale,
		TESSERACT_PAGE };
	return ocr_scene(t, &s, min_score, &p->words, err);
}

static int read_text(struct tesseract *t, struct page *p, const json_t *params, struct err *err)
{
	const char *psm = param_str(params, "psm", "auto");
	double min_score = param_num(params, "min_conf", 0.3);
	struct grey g = grey_of(p);

	if (strcmp(psm, "block") == 0)
		return read_page(t, p, TESSERACT_BLOCK, min_score, err);
	if (strcmp(psm, "sparse") == 0)
		return read_page(t, p, TESSERACT_SPARSE, min_score, err);
	if (strcmp(psm, "page") == 0 || (strcmp(psm, "auto") == 0 && ocr_is_page(&g)))
		return read_page(t, p, TESSERACT_PAGE, min_score, err);
	return read_scene(t, p, min_score, err);
}

/* ---- what it gives ---- */

static double rounded(double v)
{
	return round(v * 10) / 10;
}

static json_t *make_item(const struct ocr_words *w, const struct ocr_line *l, const char *text, size_t line)
{
	struct ocr_point c[4];

	ocr_line_corners(w, l, c);
	for (size_t i = 0; i < 4; i++)
		c[i] = (struct ocr_point){ rounded(c[i].x), rounded(c[i].y) };
	return json_pack("{s:s, s:f, s:[f,f,f,f], s:[[f,f],[f,f],[f,f],[f,f]], s:I}", "label", text,
		"score", round((double)l->score * 1e4) / 1e4, "box", rounded(l->left), rounded(l->top),
		rounded(l->right - l->left), rounded(l->bottom - l->top),
		"points", c[0].x, c[0].y, c[1].x, c[1].y, c[2].x, c[2].y, c[3].x, c[3].y, "line", (json_int_t)line);
}

static void add_words(const struct page *p, const struct ocr_line *l, size_t line, json_t *items)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct ocr_word *w = &p->words.list[l->first + i];
		struct ocr_line alone = { l->first + i, 1, w->left, w->top, w->right, w->bottom, w->angle, w->turns, w->score };

		json_array_append_new(items, make_item(&p->words, &alone, w->text, line));
	}
}

static json_t *make_langs(const char *list)
{
	scoped(free_p) char *text = xstrdup(list);
	json_t *langs = json_array();
	char *rest = text, *name;

	while ((name = strsep(&rest, "+")))
		json_array_append_new(langs, json_string(name));
	return langs;
}

static json_t *make_data(const struct page *p, const struct picture *from, const json_t *params, const char *langs)
{
	scoped(buf_free) struct buf all = { 0 };
	bool by_word = strcmp(param_str(params, "level", "line"), "word") == 0;
	size_t most = (size_t)param_int(params, "max_chars", 2000), line = 0;
	json_t *items = json_array();

	for (size_t i = 0; i < p->words.n; line++) {
		scoped(buf_free) struct buf text = { 0 };
		struct ocr_line l = ocr_line_at(&p->words, i);

		ocr_line_text(&p->words, &l, &text);
		buf_printf(&all, "%s%s", line ? "\n" : "", text.text);
		if (by_word)
			add_words(p, &l, line, items);
		else
			json_array_append_new(items, make_item(&p->words, &l, text.text, line));
		i += l.n;
	}
	if (!all.text)
		buf_puts(&all, "");
	return json_pack("{s:s%, s:o, s:i, s:i, s:o}", "text", all.text, most ? ocr_cut(all.text, most) : all.len, "items", items,
		"width", from->width, "height", from->height, "langs", make_langs(langs));
}

static int find_data(const json_t *params, char dir[600], char langs[OCR_LANGS], struct err *err)
{
	scoped(buf_free) struct buf tried = { 0 };

	ocr_langs_dir(dir, 600, &tried);
	if (!*dir)
		return err_set(err, ERR_REJECT, "there is no data for any language in %s; Debian's package tesseract-ocr-eng has English",
			tried.text ? tried.text : "TESSDATA_PREFIX");
	return ocr_langs_read(json_object_get(params, "langs"), dir, langs, err);
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(picture_close) struct picture from = { 0 };
	scoped(page_done) struct page p = { 0 };
	struct tesseract *t;
	char dir[600], langs[OCR_LANGS];

	if (find_data(job->params, dir, langs, err) < 0 || picture_open(job, &from, err) < 0 || load(&from, langs, &p, err) < 0)
		return -1;
	if (tesseract_get(langs, dir, &t, err) < 0 || read_text(t, &p, job->params, err) < 0)
		return -1;
	*ret_data = make_data(&p, &from, job->params, langs);
	if (!*ret_data)
		return err_set(err, ERR_REJECT, "Tesseract gave text that is no UTF-8");
	return 0;
}

const struct runner_tool tool_ocr = { "ocr", run };
