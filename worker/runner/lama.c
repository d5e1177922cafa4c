#include "lama.h"

#include "islands.h"
#include "params.h"
#include "resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 512, MULTIPLE = 8, LEAST_MARGIN = 64, MOST_SIDE = 4096 };
#define MOST_PIXELS 2500000u    /* of one question: 28 bytes each, both ways */

/* ---- the model ---- */

static bool is_planes(const struct tensor_type *t, int64_t channels)
{
	return t->rank == 4 && tensor_converts("FP32", t->datatype) && (t->shape[0] == -1 || t->shape[0] == 1) &&
		(t->shape[1] == channels || t->shape[1] == -1) && t->shape[2] <= MOST_SIDE && t->shape[3] <= MOST_SIDE;
}

static bool same_size(const struct tensor_type *a, const struct tensor_type *b)
{
	return a->shape[2] == b->shape[2] && a->shape[3] == b->shape[3];
}

static int check(struct lama *l, struct err *err)
{
	char one[200], two[200];

	if (l->model.nin == 2 && l->model.nout > 0) {
		size_t mask = l->model.in[0].rank == 4 && l->model.in[0].shape[1] == 1 ? 0 : 1;

		l->mask = &l->model.in[mask];
		l->image = &l->model.in[1 - mask];
		l->out = &l->model.out[0];
		if (is_planes(l->image, 3) && is_planes(l->mask, 1) && same_size(l->image, l->mask))
			return 0;
	}
	return err_set(err, ERR_REJECT, "model '%.128s' takes %zu inputs (%s%s%s), inpaint gives two, FP32 [1,3,height,width] and "
		"FP32 [1,1,height,width]", l->at.model, l->model.nin, l->model.nin ? tensor_text(&l->model.in[0], one, sizeof one) : "",
		l->model.nin > 1 ? ", " : "", l->model.nin > 1 ? tensor_text(&l->model.in[1], two, sizeof two) : "");
}

static int card_side(const struct lama *l)
{
	const json_t *size = json_array_get(json_object_get(l->model.card, "size"), 0);
	json_int_t side = json_is_integer(size) ? json_integer_value(size) : SIDE;

	return side >= MULTIPLE && side <= MOST_SIDE / 4 ? (int)side : SIDE;
}

int lama_find(const struct runner_job *job, struct lama *ret, struct err *err)
{
	if (infer_target(job->params, &ret->at, err) < 0 || infer_describe(job->ctx, &ret->at, &ret->model, err) < 0 || check(ret, err) < 0)
		return -1;
	ret->width = (int)max_of(ret->image->shape[3], (int64_t)0);
	ret->height = (int)max_of(ret->image->shape[2], (int64_t)0);
	ret->side = card_side(ret);
	return 0;
}

void lama_done(struct lama *l)
{
	model_done(&l->model);
}

/* ---- what it gets ---- */

struct view {                   /* a part of the picture and the size at which the model sees it */
	struct area area;
	int width, height;      /* of the part as it is seen, in the tensors' top left */
	int tensor_width, tensor_height;
	uint32_t island;        /* 0: all */
	const struct islands *islands;
};

static int whole(int n, int fixed)
{
	return fixed ? fixed : (n + MULTIPLE - 1) / MULTIPLE * MULTIPLE;
}

static int plan(const struct lama *l, bool shrink, struct view *v, struct err *err)
{
	int w = v->area.right - v->area.left, h = v->area.bottom - v->area.top;
	double by = 1;

	if (shrink)
		by = fmin(fmin((double)(l->width ? l->width : l->side) / w, (double)(l->height ? l->height : l->side) / h), 1);
	v->width = max_of((int)lround(w * by), 1);
	v->height = max_of((int)lround(h * by), 1);
	v->tensor_width = whole(v->width, l->width);
	v->tensor_height = whole(v->height, l->height);
	if (v->width > v->tensor_width || v->height > v->tensor_height)
		return err_set(err, ERR_REJECT, "the picture is %d x %d, model '%.128s' takes %d x %d: the strategies \"crop\" and \"resize\" work",
			w, h, l->at.model, l->width, l->height);
	if ((size_t)v->tensor_width * (size_t)v->tensor_height > MOST_PIXELS)
		return err_set(err, ERR_REJECT, "the picture is %d x %d, at most %u pixels go to a model at once: the strategies \"crop\" and "
			"\"resize\" work", w, h, MOST_PIXELS);
	return 0;
}

static void look(const struct canvas *c, const struct view *v, struct pixels *ret)
{
	int w = v->area.right - v->area.left, h = v->area.bottom - v->area.top;
	struct pixels part = { xcalloc((size_t)w * (size_t)h, 3), w, h, 3 };
	uint8_t *to = part.bytes;

	for (int y = v->area.top; y < v->area.bottom; y++)
		for (int x = v->area.left; x < v->area.right; x++)
			for (int b = 0; b < 3; b++) {
				float value = canvas_get(c, x, y, c->bands < 3 ? 0 : b);

				*to++ = (uint8_t)(c->is_wide ? value / 257 : value);
			}
	*ret = (struct pixels){ .width = v->width, .height = v->height };
	resample(&part, &(struct resample){ .kernel = KERNEL_LINEAR }, ret);
	pixels_done(&part);
}

static void shape(struct tensor *t, const struct tensor_type *is, int channels, const struct view *v)
{
	t->is = *is;
	memcpy(t->is.datatype, "FP32", 5);
	t->is.shape[0] = 1;
	t->is.shape[1] = channels;
	t->is.shape[2] = v->tensor_height;
	t->is.shape[3] = v->tensor_width;
	t->size = (size_t)channels * (size_t)v->tensor_width * (size_t)v->tensor_height * sizeof(float);
	t->bytes = xcalloc(t->size, 1);
}

/* Mirrored where the tensor is larger: the model takes what it sees for a picture. */
static int mirrored(int v, int n)
{
	int turn = v % max_of(2 * n - 2, 1);

	return turn < n ? turn : 2 * n - 2 - turn;
}

static void give_image(const struct canvas *c, const struct view *v, float *to)
{
	struct pixels seen;
	size_t plane = (size_t)v->tensor_width * (size_t)v->tensor_height;

	look(c, v, &seen);
	for (int y = 0; y < v->tensor_height; y++)
		for (int x = 0; x < v->tensor_width; x++) {
			const uint8_t *from = seen.bytes + 3 * ((size_t)mirrored(y, v->height) * (size_t)v->width + (size_t)mirrored(x, v->width));
			size_t i = (size_t)y * (size_t)v->tensor_width + (size_t)x;

			for (size_t b = 0; b < 3; b++)
				to[b * plane + i] = (float)from[b] / 255;
		}
	pixels_done(&seen);
}

/* 1 where any pixel of the hole is, and in the mirrors as the picture. */
static void give_mask(const struct hole *h, const struct view *v, float *to)
{
	int w = v->area.right - v->area.left, height = v->area.bottom - v->area.top;
	size_t row = (size_t)v->tensor_width;

	for (int y = 0; y < height; y++)
		for (int x = 0; x < w; x++)
			if (h->at[(size_t)(y + v->area.top) * (size_t)h->width + (size_t)(x + v->area.left)])
				to[(size_t)((int64_t)y * v->height / height) * row + (size_t)((int64_t)x * v->width / w)] = 1;
	for (int y = 0; y < v->tensor_height; y++)
		for (int x = 0; x < v->tensor_width; x++)
			if (x >= v->width || y >= v->height)
				to[(size_t)y * row + (size_t)x] = to[(size_t)mirrored(y, v->height) * row + (size_t)mirrored(x, v->width)];
}

/* ---- what it gives ---- */

static float most_of(const struct tensor *t)
{
	const float *v = t->bytes;
	float most = 0;

	for (size_t i = 0; i < t->size / sizeof *v; i++)
		most = v[i] > most ? v[i] : most;
	return most;
}

static bool is_filled_now(const struct hole *h, const struct view *v, int x, int y)
{
	return h->at[(size_t)y * (size_t)h->width + (size_t)x] && (!v->island || island_at(v->islands, x, y) == v->island);
}

static float sample(const float *plane, const struct view *v, float x, float y)
{
	int left = (int)fmaxf(floorf(x), 0), top = (int)fmaxf(floorf(y), 0);
	int right = min_of(left + 1, v->width - 1), bottom = min_of(top + 1, v->height - 1);
	float fx = fmaxf(x - (float)left, 0), fy = fmaxf(y - (float)top, 0);
	size_t w = (size_t)v->tensor_width;

	return (1 - fy) * ((1 - fx) * plane[(size_t)top * w + (size_t)left] + fx * plane[(size_t)top * w + (size_t)right]) +
		fy * ((1 - fx) * plane[(size_t)bottom * w + (size_t)left] + fx * plane[(size_t)bottom * w + (size_t)right]);
}

static void take(const struct tensor *out, const struct view *v, struct canvas *c, const struct hole *h)
{
	float scale = (most_of(out) <= 1.5f ? 255.0f : 1.0f) * (c->is_wide ? 257.0f : 1.0f);
	float by_x = (float)v->width / (float)(v->area.right - v->area.left);
	float by_y = (float)v->height / (float)(v->area.bottom - v->area.top);
	size_t plane = (size_t)v->tensor_width * (size_t)v->tensor_height;

	for (int y = v->area.top; y < v->area.bottom; y++)
		for (int x = v->area.left; x < v->area.right; x++) {
			float at_x = ((float)(x - v->area.left) + 0.5f) * by_x - 0.5f;
			float at_y = ((float)(y - v->area.top) + 0.5f) * by_y - 0.5f;
			float rgb[3];

			if (!is_filled_now(h, v, x, y))
				continue;
			for (size_t b = 0; b < 3; b++)
				rgb[b] = scale * sample((const float *)out->bytes + b * plane, v, at_x, at_y);
			if (c->bands < 3)
				canvas_set(c, x, y, 0, (rgb[0] + rgb[1] + rgb[2]) / 3);
			for (int b = 0; b < 3 && c->bands >= 3; b++)
				canvas_set(c, x, y, b, rgb[b]);
		}
}

static int check_answer(const struct lama *l, const struct tensor *out, const struct view *v, struct err *err)
{
	char is[200];

	if (out->is.rank == 4 && out->is.shape[1] == 3 && out->is.shape[2] == v->tensor_height && out->is.shape[3] == v->tensor_width &&
	    strcmp(out->is.datatype, "FP32") == 0 && out->size == 3 * sizeof(float) * (size_t)v->tensor_width * (size_t)v->tensor_height)
		return 0;
	return err_set(err, ERR_REJECT, "model '%.128s' gave %s, inpaint needs FP32 [1,3,%d,%d]", l->at.model, tensor_text(&out->is, is, sizeof is),
		v->tensor_height, v->tensor_width);
}

static int run_view(struct lama *l, struct runner_ctx *ctx, const struct view *v, struct canvas *c, const struct hole *h,
	struct err *err)
{
	struct tensor in[2] = { 0 };
	scoped(tensor_done) struct tensor out = { 0 };
	bool mask_first = l->mask < l->image;
	int r;

	shape(&in[mask_first], l->image, 3, v);
	shape(&in[!mask_first], l->mask, 1, v);
	give_image(c, v, in[mask_first].bytes);
	give_mask(h, v, in[!mask_first].bytes);
	r = infer_run(ctx, &l->at, &l->model, in, 2, (const char *[]){ l->out->name }, &out, 1, err);
	tensor_done(&in[0]);
	tensor_done(&in[1]);
	if (r < 0 || check_answer(l, &out, v, err) < 0)
		return -1;
	take(&out, v, c, h);
	return 0;
}

/* ---- strategies ---- */

/* With half as much again around it, and at least as large as the model is: then nothing gets smaller. */
static struct area surroundings(const struct lama *l, const struct area *a, int width, int height)
{
	int w = a->right - a->left, h = a->bottom - a->top;
	int least_w = l->width ? l->width : l->side, least_h = l->height ? l->height : l->side;
	int dx = (int)fmax(fmax(w / 4, LEAST_MARGIN), (least_w - w + 1) / 2);
	int dy = (int)fmax(fmax(h / 4, LEAST_MARGIN), (least_h - h + 1) / 2);
	struct area grown = { a->left - dx, a->top - dy, a->right + dx, a->bottom + dy };

	return area_within(&grown, width, height);
}

static int fill_crops(struct lama *l, struct runner_ctx *ctx, struct canvas *c, const struct hole *h, struct err *err)
{
	scoped(islands_done) struct islands s = { 0 };

	islands_find(h, &s);
	for (size_t i = 0; i < s.n; i++) {
		struct view v = { .area = surroundings(l, &s.list[i], c->width, c->height), .island = (uint32_t)i + 1, .islands = &s };

		if (plan(l, true, &v, err) < 0 || run_view(l, ctx, &v, c, h, err) < 0)
			return -1;
	}
	return 0;
}

int lama_fill(struct lama *l, struct runner_ctx *ctx, enum lama_strategy strategy, struct canvas *c, const struct hole *h, struct err *err)
{
	struct view v = { .area = { 0, 0, c->width, c->height } };

	if (strategy == LAMA_CROP)
		return fill_crops(l, ctx, c, h, err);
	if (plan(l, strategy == LAMA_RESIZE, &v, err) < 0)
		return -1;
	return run_view(l, ctx, &v, c, h, err);
}
