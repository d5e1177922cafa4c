/*
 * preprocess.h - a picture as the tensor that a model takes: upright, sRGB, at the model's size, normalised, channel by channel.
 *
 *	struct preprocess how;
 *	if (preprocess_plan(&model, "detect", &preprocess_yolo, &how, err) < 0)         before the picture is opened
 *		return -1;
 *	if (preprocess_picture(&p, &how, &in, &placed, err) < 0)
 *		return -1;
 *	infer_run(ctx, &at, &model, &in, 1, ...);
 *	placed_back(&placed, &box);             from pixels of the input to pixels of the picture
 *	tensor_done(&in);
 *
 * The numbers are those of the programs that the models were trained with, to 1/255 of the mean: sizes and offsets are
 * rounded as they do, the resized picture is one of bytes before it is normalised, alpha is laid over white. Each value
 * is (byte / scale - mean) / std.
 *
 * How a picture is fitted into width x height:
 *	crop       shorter edge to the input's (or to "edge"), the longer one rounded down; then the middle (offset rounded down)
 *	squash     both edges to the input's
 *	letterbox  min(width / w, height / h), rounded; in the middle, left and top bar round(half - 0.1) wide, `pad` around
 *	top_left   the same scale, the shorter edge rounded down; at the top left, bytes of 0 around (that is before the
 *	           normalising; `pad` says others)
 *
 * A card changes what the kind does: "size", and "preprocess" with "resize", "edge", "kernel" ("cubic", "linear"), "antialias"
 * (false: as OpenCV shrinks, which skips pixels), "mean", "std", "scale", "pad", "order" ("rgb", "bgr"). A model that takes
 * UINT8 gets the bytes as they are, unless its card has "mean", "std" or "scale".
 */
#ifndef PREPROCESS_H
#define PREPROCESS_H

#include "boxes.h"
#include "infer.h"
#include "picture.h"
#include "resample.h"

enum fit { FIT_CROP, FIT_SQUASH, FIT_LETTERBOX, FIT_TOP_LEFT };

struct preprocess {
	enum fit fit;
	enum kernel kernel;
	bool is_sparse, is_bgr;
	double mean[3], std[3], scale;
	int pad;                        /* 0-255 */
	int width, height;              /* of the input; in a kind's defaults: where the model leaves it free */
	int edge;                       /* FIT_CROP: the shorter edge, of which the middle is cut out; 0: as long as the input's */
	char name[TENSOR_NAME];         /* of the input */
};

/* What the kinds do when their card says nothing else. */
extern const struct preprocess preprocess_clip;         /* 224, crop, cubic, CLIP's mean and std */
extern const struct preprocess preprocess_blip;         /* 384, squash, cubic, CLIP's mean and std */
extern const struct preprocess preprocess_yolo;         /* 640, letterbox 114, linear, 0..1 */
extern const struct preprocess preprocess_scrfd;        /* 640, top left, linear, (x - 127.5) / 128 */
extern const struct preprocess preprocess_arcface;      /* 112, squash, linear, (x - 127.5) / 127.5 */
extern const struct preprocess preprocess_segment;      /* 256, squash, linear, ImageNet's mean and std */
extern const struct preprocess preprocess_unit;         /* 512, squash, linear, 0..1 */
extern const struct preprocess preprocess_classify;     /* 224 of a shorter edge of 256, crop, linear, ImageNet's mean and std */

/* Where the picture is in the input: of a crop, partly outside of it. */
struct placed {
	int width, height;              /* of the input */
	int left, top, inner_width, inner_height;
	int picture_width, picture_height;
};

/* What the card says over the kind's defaults, and the size of model->in[0], which has to be numbers [N,3,height,width]. `tool`
 * is for the error, which is ERR_REJECT and says what the model takes and what is given. */
int preprocess_plan(const struct model *model, const char *tool, const struct preprocess *kind, struct preprocess *ret,
	struct err *err) must_use;
/* The same for an input that is not the first one. */
int preprocess_plan_input(const struct model *model, const struct tensor_type *in, const char *tool, const struct preprocess *kind,
	struct preprocess *ret, struct err *err) must_use;

/* *ret: new, of shape [1,3,height,width]. ret_placed may be NULL. */
int preprocess_picture(const struct picture *p, const struct preprocess *how, struct tensor *ret, struct placed *ret_placed,
	struct err *err) must_use;

/* The steps of it. The picture in its place, 3 bands of bytes, RGB, everything around it `pad`. */
int preprocess_fit(const struct picture *p, const struct preprocess *how, struct pixels *ret, struct placed *ret_placed,
	struct err *err) must_use;
/* Bytes of how->width x how->height, of 3 bands or 1, to 3 planes of floats. */
void preprocess_normalise(const struct preprocess *how, const struct pixels *from, float *planes);
/* A tensor [1,3,height,width] of them. */
void preprocess_pixels(const struct preprocess *how, const struct pixels *from, struct tensor *ret);

/* From pixels of the input to pixels of the upright picture; a box is cut off at the picture's edges, a point is not. */
void placed_back(const struct placed *at, struct box *b);
void placed_point_back(const struct placed *at, float *x, float *y);

#endif
