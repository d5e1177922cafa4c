/* What models answer: the first byte is what kind of model, some say how large, the others are its numbers, again and again. */
#include "fuzz.h"

#include "align.h"
#include "mask.h"
#include "scrfd.h"
#include "yolo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
	const uint8_t *at;
	size_t left;
};

static size_t take(struct bytes *b)
{
	return b->left ? (b->left--, *b->at++) : 0;
}

/* Values of -1 to 2 by their bytes, or, when the first is odd, whatever four bytes are. */
static float *numbers(struct bytes b, size_t n, bool must_be_numbers)
{
	float *v = xcalloc(n ? n : 1, sizeof *v);
	bool is_raw = take(&b) & 1;

	for (size_t i = 0; i < n && b.left; i++) {
		if (is_raw && b.left >= 4)
			for (size_t k = 0; k < 4; k++)
				memcpy((char *)&v[i] + k, &b.at[(i * 4 + k) % b.left], 1);
		else
			v[i] = (float)b.at[i % b.left] / 85 - 1;
		if (must_be_numbers && !(fabsf(v[i]) < 1e9f))
			v[i] = 0;
	}
	return v;
}

static void check_box(const struct box *b, double score)
{
	must(isfinite(b->score) && (double)b->score >= score && b->score <= 1.01f && b->class >= 0);
}

static void check_yolo(struct bytes b)
{
	struct tensor t = { .is = { .datatype = "FP32", .rank = 3, .shape = { 1 } } };
	const struct yolo_want want = { .score = 0.3, .iou = 0.45, .most = 50 };
	scoped(free_p) struct box *boxes = NULL;
	scoped(free_p) float *values = NULL;
	struct err err;
	size_t n = 0;

	t.is.shape[1] = (int64_t)(take(&b) * 2);
	t.is.shape[2] = (int64_t)take(&b);
	t.size = (size_t)(t.is.shape[1] * t.is.shape[2]) * sizeof(float);
	t.bytes = values = numbers(b, t.size / sizeof(float), false);
	if (yolo_boxes(&t, &want, &boxes, &n, &err) < 0) {
		fuzz_check_refusal(&err);
		return;
	}
	must(n <= 50);
	for (size_t i = 0; i < n; i++) {
		check_box(&boxes[i], want.score);
		must(i == 0 || boxes[i - 1].score >= boxes[i].score);
	}
}

static void check_faces(struct bytes b)
{
	static const int64_t counts[] = { 128, 32, 8 }, widths[] = { 1, 4, 10 };
	struct tensor outs[SCRFD_OUTPUTS] = { 0 };
	scoped(free_p) struct face *faces = NULL;
	float *all[SCRFD_OUTPUTS];
	size_t n = 0, turn = take(&b), kept;
	struct err err;
	int rc;

	for (size_t i = 0; i < SCRFD_OUTPUTS; i++) {
		size_t k = (i + turn) % SCRFD_OUTPUTS;

		outs[i].is = (struct tensor_type){ .datatype = "FP32", .rank = 2, .shape = { counts[k % 3], widths[k / 3] } };
		outs[i].size = (size_t)(counts[k % 3] * widths[k / 3]) * sizeof(float);
		outs[i].bytes = all[i] = numbers(b, outs[i].size / sizeof(float), false);
		if (turn > 200)
			outs[i].is.shape[i % 2] = (int64_t)take(&b);
	}
	rc = scrfd_faces(outs, 64, 64, 0.5, &faces, &n, &err);
	for (size_t i = 0; i < SCRFD_OUTPUTS; i++)
		free(all[i]);
	if (rc < 0) {
		fuzz_check_refusal(&err);
		return;
	}
	kept = faces_suppress(faces, n, 0.4, 10);
	must(kept <= 10 && kept <= n && (kept > 0 || n == 0));
	for (size_t i = 0; i < kept; i++) {
		check_box(&faces[i].box, 0.5);
		for (size_t k = 0; k < FACE_POINTS; k++)
			must(isfinite(faces[i].points[k][0]) && isfinite(faces[i].points[k][1]));
	}
}

static void check_mask(struct bytes b)
{
	struct grid g = { .classes = take(&b) + 1, .width = (int)take(&b) % 20 + 1, .height = (int)take(&b) % 20 + 1 };
	int width = (int)take(&b) + 1, height = (int)take(&b) + 1;
	scoped(free_p) float *scores = numbers(b, g.classes * (size_t)g.width * (size_t)g.height, true);
	scoped(free_p) uint8_t *mask = xcalloc((size_t)width, (size_t)height);
	size_t areas[MASK_CLASSES], sum = 0;

	g.scores = scores;
	g.left = (double)take(&b) / 20;
	g.inner_width = fmax(g.width - 2 * g.left, 0.1);
	g.inner_height = g.height;
	mask_make(&g, 0.5, width, height, mask, areas);
	for (size_t i = 0; i < MASK_CLASSES; i++) {
		sum += areas[i];
		must(areas[i] == 0 || i < g.classes || (g.classes == 1 && i == 255));
	}
	must(sum == (size_t)width * (size_t)height);
}

static void check_align(struct bytes b)
{
	uint8_t picture[7 * 5 * 3], crop[ALIGN_SIDE * ALIGN_SIDE * 3];
	const struct pixels from = { picture, 7, 5, 3 };
	struct pixels to = { crop, ALIGN_SIDE, ALIGN_SIDE, 3 };
	scoped(free_p) float *v = numbers(b, 10, false);
	float points[5][2];
	struct similarity s;

	memset(picture, 255, sizeof picture);
	memcpy(points, v, sizeof points);
	if (similarity_fit((const float (*)[2])points, align_arcface, 5, &s) < 0)
		return;
	must(isfinite(s.a) && isfinite(s.b));
	align_warp(&from, &s, &to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(struct bytes) = { check_yolo, check_faces, check_mask, check_align };
	struct bytes b = { data, size };

	kinds[take(&b) % countof(kinds)](b);
	return 0;
}
