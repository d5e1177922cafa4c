#include "drawing.h"

#include "params.h"
#include "picture_write.h"
#include "tools.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_LABEL = 200, FAR = 10000000 };

struct rect {
	int left, top, width, height;
};

static int whole(double v)
{
	return v > -FAR && v < FAR ? (int)lround(v) : v > 0 ? FAR : -FAR;
}

static int draw_frame(const struct pen *pen, struct rect r)
{
	for (int i = 0; i < pen->line && r.width > 0 && r.height > 0; i++) {
		if (vips_draw_rect(pen->image, (double *)(uintptr_t)pen->ink, pen->bands,
				r.left, r.top, r.width, r.height, NULL))
			return -1;
		r = (struct rect){ r.left + 1, r.top + 1, r.width - 2, r.height - 2 };
	}
	return 0;
}

/* The text as a mask, or NULL: there may be no font, or none with these letters. */
static VipsImage *text_mask(const struct pen *pen, const char *text)
{
	char *safe = g_markup_escape_text(text, -1);
	char font[64];
	VipsImage *lazy = NULL, *mask = NULL;

	snprintf(font, sizeof font, "DejaVu Sans, sans %d", pen->font_px);
	if (vips_text(&lazy, safe, "font", font, "dpi", 72, NULL) == 0)
		mask = vips_image_copy_memory(lazy);
	image_unref_p(&lazy);
	g_free(safe);
	vips_error_clear();
	return mask;
}

static int draw_label(struct pen *pen, const struct rect *box, const char *text)
{
	scoped(image_unref_p) VipsImage *mask = pen->has_font ? text_mask(pen, text) : NULL;
	int pad = max_of(pen->font_px / 4, 2), height, top;

	if (!mask) {            /* blanks give none either: then the other labels want theirs */
		scoped(image_unref_p) VipsImage *letter = pen->has_font ? text_mask(pen, "x") : NULL;

		pen->has_font = letter != NULL;
		return 0;
	}
	height = mask->Ysize + 2 * pad;
	top = box->top >= height ? box->top - height : max_of(box->top, 0);
	if (vips_draw_rect(pen->image, pen->ink, pen->bands, box->left, top, mask->Xsize + 2 * pad, height, "fill", TRUE, NULL))
		return -1;
	return vips_draw_mask(pen->image, pen->text_ink, pen->bands, mask, box->left + pad, top + pad, NULL);
}

static void write_label(const json_t *item, char text[MOST_LABEL + 16])
{
	const char *label = param_str(item, "label", "");
	size_t n = strlen(label);

	/* Not through the middle of a UTF-8 character. */
	if (n > MOST_LABEL)
		for (n = MOST_LABEL; n > 0 && ((unsigned char)label[n] & 0xc0) == 0x80;)
			n--;
	memcpy(text, label, n);
	text[n] = '\0';
	if (param_has(item, "score"))
		snprintf(text + n, 16, "%s%.2f", n ? " " : "", param_num(item, "score", 0));
}

static int draw_item(struct pen *pen, const json_t *item, double scale_x, double scale_y)
{
	const json_t *box = json_object_get(item, "box");
	char text[MOST_LABEL + 16];
	double v[4];
	struct rect r;

	for (size_t i = 0; i < 4; i++) {
		const json_t *n = json_array_get(box, i);

		if (!json_is_number(n))
			return 0;       /* an item without a box has nothing to draw */
		v[i] = json_number_value(n);
	}
	r.left = whole(v[0] * scale_x);
	r.top = whole(v[1] * scale_y);
	r.width = max_of(whole((v[0] + v[2]) * scale_x) - r.left, 1);
	r.height = max_of(whole((v[1] + v[3]) * scale_y) - r.top, 1);
	if (draw_frame(pen, r) < 0)
		return -1;
	write_label(item, text);
	return pen->labels && *text ? draw_label(pen, &r, text) : 0;
}

int pen_draw(struct pen *pen, const json_t *items, double scale_x, double scale_y, size_t *left)
{
	for (size_t i = 0; i < json_array_size(items) && *left > 0; i++, --*left)
		if (draw_item(pen, json_array_get(items, i), scale_x, scale_y) < 0)
			return -1;
	return 0;
}

struct pen pen_make(const json_t *params, VipsImage *image)
{
	struct pen pen = {
		.image = image, .line = param_int(params, "line_width", 3),
		.labels = param_bool(params, "labels") || !param_has(params, "labels"), .has_font = true,
	};
	const char *color = param_str(params, "color", "#ff3b30");
	uint8_t c[4] = { 0 };
	int least = min_of(image->Xsize, image->Ysize);

	pen.font_px = VIPS_CLIP(11, least / 40, 96);
	pen.bands = picture_ink(image, color, pen.ink);
	if (color_parse(color, c) < 0)
		memset(c, 0, sizeof c);
	picture_ink(image, 299 * c[0] + 587 * c[1] + 114 * c[2] > 150000 ? "#000000" : "#ffffff", pen.text_ink);
	return pen;
}

/* ---- the picture ---- */

/* Colours need three bands. */
static int make_colour(VipsImage **image)
{
	VipsImage *next;

	if ((*image)->Bands >= 3)
		return 0;
	if (vips_colourspace(*image, &next, picture_is_wide(*image) ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

int drawing_open(struct picture *p, VipsImage **ret, struct err *err)
{
	scoped(image_unref_p) VipsImage *image = NULL;

	p->use.is_kept = true;
	if (picture_load(p, false, &image, err) < 0)
		return -1;
	if (make_colour(&image) < 0)
		return picture_fail(err, "cannot convert the colours");
	if (picture_decode(&image, err) < 0)
		return -1;
	*ret = steal(&image);
	return 0;
}
