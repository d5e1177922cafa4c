/*
 * letterbox.h - a picture made to fit a model's input: its shape kept, in the middle, grey bars around.
 *
 * As the YOLO models were trained: shrunk or enlarged by min(width / w, height / h), padded with 114 of 255, left
 * bar round(half - 0.1) wide and top bar likewise, RGB, divided by 255, channel by channel. Alpha is laid over white.
 */
#ifndef LETTERBOX_H
#define LETTERBOX_H

#include "boxes.h"
#include "picture.h"

struct letterbox {
	int width, height;              /* of the input */
	int left, top, inner_width, inner_height;       /* where in it the picture is */
	int picture_width, picture_height;
};

/* *ret_planes: new, 3 x height x width. */
int letterbox_make(const struct picture *p, int width, int height, struct letterbox *ret, float **ret_planes,
	struct err *err) must_use;

/* From pixels of the input to pixels of the upright picture, cut off at its edges. */
void letterbox_back(const struct letterbox *l, struct box *b);

#endif
