/*
 * yolo.h - the outputs of YOLO models, told apart by their shape. N boxes, C classes:
 *
 *	[1,N,5+C]  YOLOv5: cx cy w h, objectness, C probabilities; the score is objectness x probability
 *	[1,4+C,N]  YOLOv8 and 11: the same without objectness, turned
 *	[1,N,6]    exported with its own suppression, N at most 1000: left top right bottom, score, class
 *
 * The first two have more boxes than values of a box. Boxes are in pixels of the model's input; of
 * each box, the best class counts.
 */
#ifndef YOLO_H
#define YOLO_H

#include "boxes.h"
#include "infer.h"

struct yolo_want {
	double score, iou;              /* at least that certain; see boxes_suppress */
	size_t most;
	const bool *classes;            /* wanted ones, nclasses of them; NULL: all */
	size_t nclasses;
};

/* How many classes a tensor of that shape tells of; 0: it does not say ([1,N,6]). ERR_REJECT: it is none of the above. */
int yolo_classes(const struct tensor_type *t, size_t *ret, struct err *err) must_use;

/* *ret: a new array, best first. ERR_REJECT: not a YOLO output, or values that are no numbers or no probabilities. */
int yolo_boxes(const struct tensor *t, const struct yolo_want *want, struct box **ret, size_t *ret_n, struct err *err) must_use;

#endif
