/*
 * boxes.h - what a detector found, and leaving out what it found twice.
 */
#ifndef BOXES_H
#define BOXES_H

#include "base.h"

struct box {
	float left, top, right, bottom;         /* in pixels; of what, the maker says */
	float score;
	int class;
};

/* Intersection over union; 0 for boxes without an area. */
double boxes_overlap(const struct box *a, const struct box *b);

/* Sorts best first (of equal scores the earlier one), and keeps of boxes of one class that overlap by more than
 * `iou` the best one. Stops at `most`. Returns how many are left, at the front. */
size_t boxes_suppress(struct box *boxes, size_t n, double iou, size_t most);

#endif
