/*
 * lama.h - a hole in a picture, filled by a model as LaMa is one.
 *
 * The model takes a picture [N,3,H,W] of 0..1, RGB, and a mask [N,1,H,W] of 0 and 1 (1: to be filled), and gives the picture
 * [N,3,H,W], of 0..255 or, when nothing in it is over 1.5, of 0..1. Where it leaves H and W free they are made multiples of 8.
 *
 * What of the picture it gets at a time, by strategy:
 *	crop       each part of the hole with what is around it; made smaller when it is larger than the model's size
 *	resize     all of the picture, made as small as the model's size
 *	original   all of the picture as it is, which a model of a fixed size takes only up to that size
 */
#ifndef LAMA_H
#define LAMA_H

#include "canvas.h"
#include "hole.h"
#include "infer.h"

enum lama_strategy { LAMA_CROP, LAMA_RESIZE, LAMA_ORIGINAL };

struct lama {
	struct infer_target at;
	struct model model;
	const struct tensor_type *image, *mask, *out;
	int width, height;      /* of its input; 0: free */
	int side;               /* where it is free: of the longer side, when it is not "original" */
};

/* ERR_REJECT: it does not take a picture and a mask. */
int lama_find(const struct runner_job *job, struct lama *ret, struct err *err) must_use;
void lama_done(struct lama *l);

/* Changes the hole's pixels and no others: alpha neither. */
int lama_fill(struct lama *l, struct runner_ctx *ctx, enum lama_strategy strategy, struct canvas *c, const struct hole *h,
	struct err *err) must_use;

#endif
