#include "boxes.h"

#include <stdlib.h>

double boxes_overlap(const struct box *a, const struct box *b)
{
	double w = (double)min_of(a->right, b->right) - (double)max_of(a->left, b->left);
	double h = (double)min_of(a->bottom, b->bottom) - (double)max_of(a->top, b->top);
	double both, sum;

	if (w <= 0 || h <= 0)
		return 0;
	both = w * h;
	sum = ((double)a->right - (double)a->left) * ((double)a->bottom - (double)a->top) +
		((double)b->right - (double)b->left) * ((double)b->bottom - (double)b->top);
	return both / (sum - both);
}

struct ranked {
	struct box box;
	size_t at;
};

static int best_first(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	if (a->box.score != b->box.score)
		return a->box.score < b->box.score ? 1 : -1;
	return (a->at > b->at) - (a->at < b->at);
}

static bool is_double(const struct box *kept, size_t n, const struct box *b, double iou)
{
	for (size_t i = 0; i < n; i++)
		if (kept[i].class == b->class && boxes_overlap(&kept[i], b) > iou)
			return true;
	return false;
}

size_t boxes_suppress(struct box *boxes, size_t n, double iou, size_t most)
{
	scoped(free_p) struct ranked *ranked = xcalloc(n ? n : 1, sizeof *ranked);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		ranked[i] = (struct ranked){ boxes[i], i };
	qsort(ranked, n, sizeof *ranked, best_first);
	for (size_t i = 0; i < n && kept < most; i++)
		if (!is_double(boxes, kept, &ranked[i].box, iou))
			boxes[kept++] = ranked[i].box;
	return kept;
}
