/*
 * scrfd.h - the outputs of SCRFD face detectors, and what they say.
 *
 * Nine tensors: scores [n,1], boxes [n,4] and landmarks [n,10] for each of the strides 8, 16 and 32, found by their
 * shapes, in whatever order (det_10g gives them as 448 471 494, 451 474 497, 454 477 500); some exports put an axis of one in
 * front. n is 2 x (width / stride) x (height / stride) of the model's input: two anchors a cell, row by row, whose
 * middle is (column x stride, row x stride). Of an anchor, a box is the distances to its left, top, right and bottom, a
 * landmark one from the middle, all in strides. Scores are probabilities.
 */
#ifndef SCRFD_H
#define SCRFD_H

#include "boxes.h"
#include "infer.h"

enum { FACE_POINTS = 5, SCRFD_OUTPUTS = 9 };

struct face {
	struct box box;
	float points[FACE_POINTS][2];   /* left and right eye, nose, left and right corner of the mouth, as one looks at it */
};

/* *ret: a new array of those of at least `score`, in no order, in pixels of the width x height input. ERR_REJECT: the tensors
 * are not as above, or not probabilities. */
int scrfd_faces(const struct tensor outs[SCRFD_OUTPUTS], int width, int height, double score, struct face **ret, size_t *ret_n,
	struct err *err) must_use;

/* As boxes_suppress, with sides one pixel longer, which is how the models' makers count. Returns how many stay. */
size_t faces_suppress(struct face *faces, size_t n, double iou, size_t most);

#endif
