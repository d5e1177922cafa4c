#include "scrfd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STRIDES = 3, ANCHORS = 2, MOST_FACES = 30000 };
#define FARTHEST 1e6f

static const int strides[STRIDES] = { 8, 16, 32 };
static const int sizes[] = { 1, 4, 2 * FACE_POINTS };   /* values of an anchor: score, box, landmarks */

struct level {                  /* of one stride */
	const float *values[countof(sizes)];
	size_t n;
	int stride, columns;
};

/* Which of `sizes` it has, and how many anchors; -1: none. */
static int kind_of(const struct tensor_type *t, size_t *ret_n)
{
	size_t skip = t->rank == 3 && t->shape[0] == 1 ? 1 : 0;

	if (strcmp(t->datatype, "FP32") != 0 || t->rank - skip != 2 || t->shape[skip] <= 0)
		return -1;
	*ret_n = (size_t)t->shape[skip];
	for (size_t i = 0; i < countof(sizes); i++)
		if (t->shape[skip + 1] == sizes[i])
			return (int)i;
	return -1;
}

static int check_numbers(const struct tensor *t, int kind, struct err *err)
{
	const float *v = t->bytes;

	for (size_t i = 0; i < t->size / sizeof *v; i++) {
		if (!isfinite(v[i]))
			return err_set(err, ERR_REJECT, "the output '%.60s' has a value that is no number (%f, at %zu)", t->is.name, (double)v[i], i);
		if (fabsf(v[i]) > FARTHEST)
			return err_set(err, ERR_REJECT, "the output '%.60s' has a distance of %g strides, at %zu: no picture is so large", t->is.name,
				(double)v[i], i);
		if (kind == 0 && v[i] > 1.01f)
			return err_set(err, ERR_REJECT, "the output '%.60s' has a score of %g, which is no probability: was the model exported "
				"without its last activation?", t->is.name, (double)v[i]);
	}
	return 0;
}

static int place(const struct tensor *t, struct level levels[STRIDES], struct err *err)
{
	char is[400];
	size_t n = 0;
	int kind = kind_of(&t->is, &n);

	for (size_t i = 0; i < STRIDES && kind >= 0; i++) {
		if (levels[i].n != n || levels[i].values[kind])
			continue;
		if (t->size != n * (size_t)sizes[kind] * sizeof(float))
			return err_set(err, ERR_REJECT, "the output %s has %zu bytes, its shape needs %zu", tensor_text(&t->is, is, sizeof is),
				t->size, n * (size_t)sizes[kind] * sizeof(float));
		levels[i].values[kind] = t->bytes;
		return check_numbers(t, kind, err);
	}
	return err_set(err, ERR_REJECT, "the output %s is none of an SCRFD model, which gives FP32 [n,1], [n,4] and [n,10] once for each "
		"n of %zu, %zu and %zu", tensor_text(&t->is, is, sizeof is), levels[0].n, levels[1].n, levels[2].n);
}

static int add_level(const struct level *l, double score, struct face **faces, size_t *n, size_t *cap, struct err *err)
{
	float stride = (float)l->stride;

	for (size_t i = 0; i < l->n; i++) {
		const float *d = l->values[1] + i * 4, *p = l->values[2] + i * 2 * FACE_POINTS;
		int cell = (int)(i / ANCHORS);
		float x = (float)(cell % l->columns * l->stride), y = (float)(cell / l->columns * l->stride);
		struct face f = { .box = { x - d[0] * stride, y - d[1] * stride, x + d[2] * stride, y + d[3] * stride, l->values[0][i], 0 } };

		if ((double)f.box.score < score)
			continue;
		if (*n == MOST_FACES)
			return err_set(err, ERR_REJECT, "the model finds more than %d faces of score %g and over", MOST_FACES, score);
		for (int k = 0; k < FACE_POINTS; k++) {
			f.points[k][0] = x + p[2 * k] * stride;
			f.points[k][1] = y + p[2 * k + 1] * stride;
		}
		*faces = grow(*faces, *n + 1, cap, sizeof **faces);
		(*faces)[(*n)++] = f;
	}
	return 0;
}

int scrfd_faces(const struct tensor outs[SCRFD_OUTPUTS], int width, int height, double score, struct face **ret, size_t *ret_n,
	struct err *err)
{
	struct level levels[STRIDES] = { 0 };
	scoped(free_p) struct face *faces = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < STRIDES; i++)
		levels[i] = (struct level){ .stride = strides[i], .columns = width / strides[i],
			.n = (size_t)(width / strides[i]) * (size_t)(height / strides[i]) * ANCHORS };
	for (size_t i = 0; i < SCRFD_OUTPUTS; i++)
		if (place(&outs[i], levels, err) < 0)
			return -1;
	for (size_t i = 0; i < STRIDES; i++)    /* nine were placed, none twice: so all are there */
		if (add_level(&levels[i], score, &faces, &n, &cap, err) < 0)
			return -1;
	*ret = steal(&faces);
	*ret_n = n;
	return 0;
}

/* ---- leaving out doubles ---- */

static double overlap(const struct box *a, const struct box *b)
{
	double w = (double)min_of(a->right, b->right) - (double)max_of(a->left, b->left) + 1;
	double h = (double)min_of(a->bottom, b->bottom) - (double)max_of(a->top, b->top) + 1;
	double area_a = ((double)a->right - (double)a->left + 1) * ((double)a->bottom - (double)a->top + 1);
	double area_b = ((double)b->right - (double)b->left + 1) * ((double)b->bottom - (double)b->top + 1);

	return w <= 0 || h <= 0 ? 0 : w * h / (area_a + area_b - w * h);
}

struct ranked {
	struct face face;
	size_t at;
};

static int best_first(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	if (a->face.box.score != b->face.box.score)
		return a->face.box.score < b->face.box.score ? 1 : -1;
	return (a->at > b->at) - (a->at < b->at);
}

static bool is_double(const struct face *kept, size_t n, const struct box *b, double iou)
{
	for (size_t i = 0; i < n; i++)
		if (overlap(&kept[i].box, b) > iou)
			return true;
	return false;
}

size_t faces_suppress(struct face *faces, size_t n, double iou, size_t most)
{
	scoped(free_p) struct ranked *ranked = xcalloc(n ? n : 1, sizeof *ranked);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		ranked[i] = (struct ranked){ faces[i], i };
	qsort(ranked, n, sizeof *ranked, best_first);
	for (size_t i = 0; i < n && kept < most; i++)
		if (!is_double(faces, kept, &ranked[i].face.box, iou))
			faces[kept++] = ranked[i].face;
	return kept;
}
