#include "yolo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 100000, MOST_FOUND = 30000, MOST_ENDED = 1000 };

enum layout { V5, V8, ENDED };

struct rows {                   /* one tensor, seen as boxes of values */
	const float *v;
	enum layout layout;
	size_t n, classes;
	size_t step, stride;    /* from one box to the next, from one value of a box to the next */
};

static int read_layout(const struct tensor_type *t, struct rows *ret, struct err *err)
{
	size_t a = t->rank == 3 && t->shape[1] > 0 ? (size_t)t->shape[1] : 0, b = t->rank == 3 && t->shape[2] > 0 ? (size_t)t->shape[2] : 0;
	char is[400];

	if (strcmp(t->datatype, "FP32") == 0 && a && b && t->shape[0] == 1) {
		if (b == 6 && a <= MOST_ENDED)
			*ret = (struct rows){ .layout = ENDED, .n = a, .step = b, .stride = 1 };
		else if (a > b && b > 5)
			*ret = (struct rows){ .layout = V5, .n = a, .classes = b - 5, .step = b, .stride = 1 };
		else if (b > a && a > 4)
			*ret = (struct rows){ .layout = V8, .n = b, .classes = a - 4, .step = 1, .stride = b };
		if (ret->n && ret->classes <= MOST_CLASSES)
			return 0;
	}
	return err_set(err, ERR_REJECT, "the model's output is %s; a YOLO model gives FP32 [1,boxes,5+classes] (v5), "
		"[1,4+classes,boxes] (v8) or [1,boxes,6]", tensor_text(t, is, sizeof is));
}

int yolo_classes(const struct tensor_type *t, size_t *ret, struct err *err)
{
	struct rows r = { 0 };

	if (read_layout(t, &r, err) < 0)
		return -1;
	*ret = r.classes;
	return 0;
}

static float value(const struct rows *r, size_t row, size_t i)
{
	return r->v[row * r->step + i * r->stride];
}

static float best_class(const struct rows *r, size_t row, size_t from, int *ret)
{
	float best = value(r, row, from);

	*ret = 0;
	for (size_t c = 1; c < r->classes; c++) {
		float p = value(r, row, from + c);

		if (p > best)
			best = p, *ret = (int)c;
	}
	return best;
}

static void centred(const struct rows *r, size_t row, struct box *b)
{
	float cx = value(r, row, 0), cy = value(r, row, 1), w = value(r, row, 2), h = value(r, row, 3);

	b->left = cx - w / 2;
	b->top = cy - h / 2;
	b->right = cx + w / 2;
	b->bottom = cy + h / 2;
}

static struct box read_box(const struct rows *r, size_t row)
{
	struct box b = { 0 };

	switch (r->layout) {
	case V5:
		b.score = value(r, row, 4) * best_class(r, row, 5, &b.class);
		centred(r, row, &b);
		break;
	case V8:
		b.score = best_class(r, row, 4, &b.class);
		centred(r, row, &b);
		break;
	case ENDED:
		b = (struct box){ value(r, row, 0), value(r, row, 1), value(r, row, 2), value(r, row, 3), value(r, row, 4),
			value(r, row, 5) >= 0 && value(r, row, 5) < MOST_CLASSES ? (int)value(r, row, 5) : -1 };
		break;
	}
	return b;
}

static bool is_wanted(const struct yolo_want *w, const struct box *b)
{
	if ((double)b->score < w->score)
		return false;
	return !w->classes || (b->class >= 0 && (size_t)b->class < w->nclasses && w->classes[b->class]);
}

static int check_numbers(const struct tensor *t, struct err *err)
{
	const float *v = t->bytes;

	for (size_t i = 0; i < t->size / sizeof *v; i++)
		if (!isfinite(v[i]))
			return err_set(err, ERR_REJECT, "the model's output has a value that is no number (%f, at %zu)", (double)v[i], i);
	return 0;
}

static int check_score(const struct box *b, struct err *err)
{
	if (b->score > 1.01f)
		return err_set(err, ERR_REJECT, "the model gives a score of %g, which is no probability: was it exported without its last "
			"activation?", (double)b->score);
	if (b->class < 0)
		return err_set(err, ERR_REJECT, "the model gives a class that is not from 0 to %d", MOST_CLASSES - 1);
	return 0;
}

int yolo_boxes(const struct tensor *t, const struct yolo_want *want, struct box **ret, size_t *ret_n, struct err *err)
{
	struct rows r = { .v = t->bytes };
	scoped(free_p) struct box *found = NULL;
	size_t n = 0, cap = 0;

	if (read_layout(&t->is, &r, err) < 0)
		return -1;
	r.v = t->bytes;
	if (t->size != (size_t)t->is.shape[1] * (size_t)t->is.shape[2] * sizeof(float))
		return err_set(err, ERR_REJECT, "the model's output has %zu bytes, its shape needs %zu", t->size,
			(size_t)t->is.shape[1] * (size_t)t->is.shape[2] * sizeof(float));
	if (check_numbers(t, err) < 0)
		return -1;
	for (size_t i = 0; i < r.n; i++) {
		struct box b = read_box(&r, i);

		if (!is_wanted(want, &b))
			continue;
		if (check_score(&b, err) < 0)
			return -1;
		if (n == MOST_FOUND)
			return err_set(err, ERR_REJECT, "the model finds more than %d boxes of score %g and over", MOST_FOUND, want->score);
		found = grow(found, n + 1, &cap, sizeof *found);
		found[n++] = b;
	}
	*ret_n = boxes_suppress(found, n, r.layout == ENDED ? 1 : want->iou, want->most);
	*ret = steal(&found);
	return 0;
}
