/*
 * drawing.h - boxes and labels on a picture.
 *
 *	if (drawing_open(&p, &image, err) < 0)
 *		return -1;
 *	pen = pen_make(job->params, image);
 *	if (pen_draw(&pen, items, 1, 1, &left) < 0)
 *		return picture_fail(err, "cannot draw");
 *
 * For each box it does what `vips draw_rect OUT "R G B" LEFT TOP WIDTH HEIGHT` does, once for each pixel of the line's
 * width, inwards. A label stands on a bar of the box's colour above the box, or inside of it at the top edge. Where no
 * font is installed, there are no labels.
 */
#ifndef DRAWING_H
#define DRAWING_H

#include "picture.h"

enum { DRAWING_MOST = 10000 };          /* boxes on one picture */

struct pen {
	VipsImage *image;       /* in memory, drawn on in place; borrowed */
	double ink[4], text_ink[4];
	int bands, line, font_px;
	bool labels, has_font;
};

/* The pixels of p in memory, of three bands or more (8 or 16 bits, alpha kept), to be changed in place. What the tool
 * set in p->use stays. */
int drawing_open(struct picture *p, VipsImage **ret, struct err *err) must_use;

/* Of the parameters `color`, `line_width` and `labels`; those that are not there have the defaults of `draw`. */
struct pen pen_make(const json_t *params, VipsImage *image);

/* What has a "box" of [left,top,width,height], times the scales; at most *left of them, counted down. -1: libvips says why. */
int pen_draw(struct pen *pen, const json_t *items, double scale_x, double scale_y, size_t *left) must_use;

#endif
