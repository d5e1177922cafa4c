#include "preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_SIDE = 16, MOST_SIDE = 2048 };

/* A decoder's own shrinking, and means of blocks, are no filter as the kernels are: they leave so many times the result at
 * least. Measured on photographs: with 3 no tensor's mean is off by more than 0.25 of a byte, with 2 it is 0.7, with 1 it is 4. */
#define SPARE 3.0

#define CLIP_NUMBERS .mean = { 0.48145466, 0.4578275, 0.40821073 }, .std = { 0.26862954, 0.26130258, 0.27577711 }, .scale = 255

const struct preprocess preprocess_clip = { .fit = FIT_CROP, .kernel = KERNEL_CUBIC, .width = 224, .height = 224, CLIP_NUMBERS };
const struct preprocess preprocess_blip = { .fit = FIT_SQUASH, .kernel = KERNEL_CUBIC, .width = 384, .height = 384, CLIP_NUMBERS };
const struct preprocess preprocess_yolo = { .fit = FIT_LETTERBOX, .kernel = KERNEL_LINEAR, .width = 640, .height = 640,
	.pad = 114, .std = { 1, 1, 1 }, .scale = 255 };
const struct preprocess preprocess_scrfd = { .fit = FIT_TOP_LEFT, .kernel = KERNEL_LINEAR, .width = 640, .height = 640,
	.mean = { 127.5, 127.5, 127.5 }, .std = { 128, 128, 128 }, .scale = 1 };
const struct preprocess preprocess_arcface = { .fit = FIT_SQUASH, .kernel = KERNEL_LINEAR, .width = 112, .height = 112,
	.mean = { 127.5, 127.5, 127.5 }, .std = { 127.5, 127.5, 127.5 }, .scale = 1 };
const struct preprocess preprocess_segment = { .fit = FIT_SQUASH, .kernel = KERNEL_LINEAR, .width = 256, .height = 256,
	.mean = { 0.485, 0.456, 0.406 }, .std = { 0.229, 0.224, 0.225 }, .scale = 255 };
const struct preprocess preprocess_unit = { .fit = FIT_SQUASH, .kernel = KERNEL_LINEAR, .width = 512, .height = 512,
	.std = { 1, 1, 1 }, .scale = 255 };
const struct preprocess preprocess_classify = { .fit = FIT_CROP, .kernel = KERNEL_LINEAR, .width = 224, .height = 224, .edge = 256,
	.mean = { 0.485, 0.456, 0.406 }, .std = { 0.229, 0.224, 0.225 }, .scale = 255 };

/* ---- the card ---- */

static int wrong(struct err *err, const char *member, const char *allowed)
{
	return err_set(err, ERR_REJECT, "its model.json: /preprocess/%s: allowed is %s", member, allowed);
}

/* The position of the member's text in `words`; -1 when it is none of them, `otherwise` when there is none. */
static int one_of(const json_t *given, const char *const *words, int n, int otherwise)
{
	const char *text = json_string_value(given);

	if (!given || json_is_null(given))
		return otherwise;
	for (int i = 0; text && i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	return -1;
}

static int read_words(const json_t *card, struct preprocess *to, struct err *err)
{
	static const char *const fits[] = { [FIT_CROP] = "crop", [FIT_SQUASH] = "squash", [FIT_LETTERBOX] = "letterbox",
		[FIT_TOP_LEFT] = "top_left" };
	static const char *const kernels[] = { [KERNEL_CUBIC] = "cubic", [KERNEL_LINEAR] = "linear" };
	static const char *const orders[] = { "rgb", "bgr" };
	int fit = one_of(json_object_get(card, "resize"), fits, countof(fits), (int)to->fit);
	int kernel = one_of(json_object_get(card, "kernel"), kernels, countof(kernels), (int)to->kernel);
	int order = one_of(json_object_get(card, "order"), orders, countof(orders), to->is_bgr);
	const json_t *antialias = json_object_get(card, "antialias");

	if (fit < 0)
		return wrong(err, "resize", "\"crop\", \"squash\", \"letterbox\" or \"top_left\"");
	if (kernel < 0)
		return wrong(err, "kernel", "\"cubic\" or \"linear\"");
	if (order < 0)
		return wrong(err, "order", "\"rgb\" or \"bgr\"");
	if (antialias && !json_is_boolean(antialias))
		return wrong(err, "antialias", "true or false");
	to->fit = (enum fit)fit;
	to->kernel = (enum kernel)kernel;
	to->is_bgr = order == 1;
	to->is_sparse = antialias ? json_is_false(antialias) : to->is_sparse;
	return 0;
}

/* Three numbers, or one for all three. */
static int read_three(const json_t *card, const char *member, bool may_be_zero, double to[3], struct err *err)
{
	const json_t *given = json_object_get(card, member);

	if (!given || json_is_null(given))
		return 0;
	for (size_t i = 0; i < 3; i++) {
		const json_t *v = json_is_array(given) && json_array_size(given) == 3 ? json_array_get(given, i) : given;

		if (!json_is_number(v) || fabs(json_number_value(v)) > 1e6 || (!may_be_zero && fabs(json_number_value(v)) < 1e-6))
			return wrong(err, member, may_be_zero ? "a number or three" : "a number or three, and none of them 0");
		to[i] = json_number_value(v);
	}
	return 0;
}

static int read_card(const json_t *card, struct preprocess *to, struct err *err)
{
	const json_t *pad = json_object_get(card, "pad");
	double scale[3] = { to->scale, to->scale, to->scale };

	if (card && !json_is_object(card) && !json_is_null(card))
		return err_set(err, ERR_REJECT, "its model.json: /preprocess: allowed is an object");
	if (read_words(card, to, err) < 0 || read_three(card, "mean", true, to->mean, err) < 0 ||
	    read_three(card, "std", false, to->std, err) < 0 || read_three(card, "scale", false, scale, err) < 0)
		return -1;
	to->scale = scale[0];
	if (pad && (!json_is_integer(pad) || json_integer_value(pad) < 0 || json_integer_value(pad) > 255))
		return wrong(err, "pad", "a whole number from 0 to 255");
	to->pad = pad ? (int)json_integer_value(pad) : to->pad;
	return 0;
}

static bool is_side(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) >= LEAST_SIDE && json_integer_value(v) <= MOST_SIDE;
}

static int read_size(const json_t *card, struct preprocess *to, struct err *err)
{
	const json_t *size = json_object_get(card, "size"), *w = json_array_get(size, 0), *h = json_array_get(size, 1);

	if (!size || json_is_null(size))
		return 0;
	if (json_array_size(size) != 2 || !is_side(w) || !is_side(h))
		return err_set(err, ERR_REJECT, "its model.json: /size: allowed is [width,height], each from %d to %d", LEAST_SIDE, MOST_SIDE);
	to->width = (int)json_integer_value(w);
	to->height = (int)json_integer_value(h);
	return 0;
}

/* ---- the model ---- */

static bool is_picture(const struct tensor_type *in)
{
	if (!tensor_converts("FP32", in->datatype) || in->rank != 4 || (in->shape[0] != 1 && in->shape[0] != -1) ||
	    (in->shape[1] != 3 && in->shape[1] != -1))
		return false;
	for (size_t i = 2; i < 4; i++)
		if (in->shape[i] != -1 && (in->shape[i] < LEAST_SIDE || in->shape[i] > MOST_SIDE))
			return false;
	return true;
}

/* What the kind says is for an input of its own size. */
static int read_edge(const json_t *card, const struct preprocess *kind, struct preprocess *to, struct err *err)
{
	const json_t *edge = json_object_get(card, "edge");
	int shorter = min_of(to->width, to->height);

	if (edge && (!json_is_integer(edge) || json_integer_value(edge) < shorter || json_integer_value(edge) > 2 * MOST_SIDE))
		return err_set(err, ERR_REJECT, "its model.json: /preprocess/edge: allowed is a whole number from %d, the input's shorter edge, to %d",
			shorter, 2 * MOST_SIDE);
	to->edge = edge ? (int)json_integer_value(edge) : kind->edge ? (int)lround((double)kind->edge * shorter / kind->width) : shorter;
	return 0;
}

/* Bytes are what it counts in. */
static void take_bytes(struct preprocess *how)
{
	for (size_t i = 0; i < 3; i++) {
		how->mean[i] = 0;
		how->std[i] = 1;
	}
	how->scale = 1;
}

static int plan(const struct model *model, const struct tensor_type *in, const char *tool, struct preprocess *how, struct err *err)
{
	bool is_said = json_object_get(model->card, "size") != NULL;
	const struct preprocess kind = *how;
	int width, height;
	char is[400];

	if (!is_picture(in))
		return err_set(err, ERR_REJECT, "it takes %s, %s gives FP32 [1,3,height,width] of %d to %d pixels a side",
			tensor_text(in, is, sizeof is), tool, LEAST_SIDE, MOST_SIDE);
	if (strcmp(in->datatype, "UINT8") == 0)
		take_bytes(how);
	if (read_card(json_object_get(model->card, "preprocess"), how, err) < 0 || read_size(model->card, how, err) < 0)
		return -1;
	height = in->shape[2] < 0 ? how->height : (int)in->shape[2];
	width = in->shape[3] < 0 ? how->width : (int)in->shape[3];
	if (is_said && (width != how->width || height != how->height))
		return err_set(err, ERR_REJECT, "it takes %s, its model.json says \"size\": [%d,%d], that is width and height",
			tensor_text(in, is, sizeof is), how->width, how->height);
	how->width = width;
	how->height = height;
	memcpy(how->name, in->name, sizeof how->name);
	return read_edge(json_object_get(model->card, "preprocess"), &kind, how, err);
}

int preprocess_plan_input(const struct model *model, const struct tensor_type *in, const char *tool, const struct preprocess *kind,
	struct preprocess *ret, struct err *err)
{
	struct preprocess how = *kind;

	if (plan(model, in, tool, &how, err) < 0)
		return -1;
	*ret = how;
	return 0;
}

int preprocess_plan(const struct model *model, const char *tool, const struct preprocess *kind, struct preprocess *ret,
	struct err *err)
{
	if (model->nin != 1)
		return err_set(err, ERR_REJECT, "it takes %zu inputs, %s gives one", model->nin, tool);
	return preprocess_plan_input(model, &model->in[0], tool, kind, ret, err);
}

/* ---- geometry ---- */

static int floor_of(double v)
{
	return max_of((int)floor(v), 1);
}

/* Half to even, as Python's round(). */
static int round_of(double v)
{
	return max_of((int)rint(v), 1);
}

static void place_crop(const struct preprocess *how, struct placed *at)
{
	int w = at->picture_width, h = at->picture_height, shorter = min_of(how->width, how->height);
	int edge = how->edge ? how->edge : shorter;
	int width = (int)((int64_t)how->width * edge / shorter), height = (int)((int64_t)how->height * edge / shorter);

	/* For an input that is no square: the picture covers it. */
	if ((int64_t)w * height <= (int64_t)h * width) {
		at->inner_width = width;
		at->inner_height = max_of((int)((int64_t)width * h / w), height);
	} else {
		at->inner_height = height;
		at->inner_width = max_of((int)((int64_t)height * w / h), width);
	}
	at->left = -((at->inner_width - how->width) / 2);
	at->top = -((at->inner_height - how->height) / 2);
}

static void place_letterbox(const struct preprocess *how, struct placed *at)
{
	double scale = min_of((double)how->width / at->picture_width, (double)how->height / at->picture_height);

	at->inner_width = min_of(round_of(at->picture_width * scale), how->width);
	at->inner_height = min_of(round_of(at->picture_height * scale), how->height);
	at->left = (int)lround((how->width - at->inner_width) / 2.0 - 0.1);
	at->top = (int)lround((how->height - at->inner_height) / 2.0 - 0.1);
}

static void place_top_left(const struct preprocess *how, struct placed *at)
{
	double ratio = (double)at->picture_height / at->picture_width;

	if (ratio > (double)how->height / how->width) {
		at->inner_height = how->height;
		at->inner_width = floor_of(how->height / ratio);
	} else {
		at->inner_width = how->width;
		at->inner_height = min_of(floor_of(how->width * ratio), how->height);
	}
}

static struct placed place(const struct picture *p, const struct preprocess *how)
{
	struct placed at = { .width = how->width, .height = how->height, .inner_width = how->width, .inner_height = how->height,
		.picture_width = p->width, .picture_height = p->height };

	switch (how->fit) {
	case FIT_CROP:      place_crop(how, &at); break;
	case FIT_SQUASH:    break;
	case FIT_LETTERBOX: place_letterbox(how, &at); break;
	case FIT_TOP_LEFT:  place_top_left(how, &at); break;
	}
	return at;
}

/* ---- turning ---- */

/* What is at (x, y) upright is in the file at (x, y), or at (y, x), counted from the far edges or not: EXIF's orientation. */
struct turn {
	bool is_swapped, from_right, from_bottom;
};

static struct turn turn_of(int orientation)
{
	int o = orientation;

	return (struct turn){ o >= 5, o == 2 || o == 3 || o == 7 || o == 8, o == 3 || o == 4 || o == 6 || o == 7 };
}

static void turn_pixels(const struct turn *t, const struct pixels *from, struct pixels *to)
{
	*to = (struct pixels){ NULL, t->is_swapped ? from->height : from->width, t->is_swapped ? from->width : from->height, from->bands };
	to->bytes = xcalloc((size_t)to->width * (size_t)to->height, (size_t)to->bands);
	for (int y = 0; y < to->height; y++)
		for (int x = 0; x < to->width; x++) {
			int fx = t->is_swapped ? y : x, fy = t->is_swapped ? x : y;

			fx = t->from_right ? from->width - 1 - fx : fx;
			fy = t->from_bottom ? from->height - 1 - fy : fy;
			memcpy(to->bytes + ((size_t)y * (size_t)to->width + (size_t)x) * (size_t)to->bands,
				from->bytes + ((size_t)fy * (size_t)from->width + (size_t)fx) * (size_t)from->bands, (size_t)to->bands);
		}
}

/* ---- fitting ---- */

/* What of the resized picture is inside of the input, in the file's directions. */
static void show_window(const struct placed *at, const struct turn *t, struct resample *to, struct pixels *size)
{
	int left = max_of(-at->left, 0), top = max_of(-at->top, 0);
	int w = min_of(at->inner_width, at->width), h = min_of(at->inner_height, at->height);

	size->width = t->is_swapped ? h : w;
	size->height = t->is_swapped ? w : h;
	to->whole_width = t->is_swapped ? at->inner_height : at->inner_width;
	to->whole_height = t->is_swapped ? at->inner_width : at->inner_height;
	to->left = t->is_swapped ? top : left;
	to->top = t->is_swapped ? left : top;
	if (t->from_right)
		to->left = to->whole_width - to->left - size->width;
	if (t->from_bottom)
		to->top = to->whole_height - to->top - size->height;
}

/* The picture's part that shows, upright. */
static int make_inner(const struct picture *p, const struct preprocess *how, const struct placed *at, struct pixels *ret,
	struct err *err)
{
	double spare = how->is_sparse ? 1e9 : SPARE;
	struct picture_reduction by = { .by_width = (double)p->width / at->inner_width / spare,
		.by_height = (double)p->height / at->inner_height / spare, .result_bytes = (size_t)how->width * (size_t)how->height * 32 };
	struct turn turn = turn_of(p->orientation);
	struct resample to = { .kernel = how->kernel, .is_sparse = how->is_sparse };
	scoped(image_unref_p) VipsImage *image = NULL;
	scoped(pixels_done) struct pixels small = { 0 };
	struct pixels from;

	if (picture_reduce(p, &by, &image, err) < 0)
		return -1;
	from = (struct pixels){ VIPS_IMAGE_ADDR(image, 0, 0), image->Xsize, image->Ysize, image->Bands };
	to.width = by.width;
	to.height = by.height;
	show_window(at, &turn, &to, &small);
	resample(&from, &to, &small);
	if (p->orientation > 1) {
		turn_pixels(&turn, &small, ret);
	} else {
		*ret = small;
		small.bytes = NULL;
	}
	return 0;
}

int preprocess_fit(const struct picture *p, const struct preprocess *how, struct pixels *ret, struct placed *ret_placed,
	struct err *err)
{
	struct placed at = place(p, how);
	scoped(pixels_done) struct pixels inner = { 0 };
	struct pixels all = { .width = how->width, .height = how->height, .bands = 3 };

	if (make_inner(p, how, &at, &inner, err) < 0)
		return -1;
	all.bytes = xcalloc((size_t)all.width * (size_t)all.height, 3);
	memset(all.bytes, how->pad, (size_t)all.width * (size_t)all.height * 3);
	for (int y = 0; y < inner.height; y++) {
		const uint8_t *from = inner.bytes + (size_t)y * (size_t)inner.width * (size_t)inner.bands;
		uint8_t *to = all.bytes + ((size_t)(max_of(at.top, 0) + y) * (size_t)all.width + (size_t)max_of(at.left, 0)) * 3;

		for (int x = 0; x < inner.width; x++, from += inner.bands, to += 3)
			for (int c = 0; c < 3; c++)
				to[c] = from[inner.bands == 3 ? c : 0];
	}
	*ret = all;
	if (ret_placed)
		*ret_placed = at;
	return 0;
}

/* ---- normalising ---- */

void preprocess_normalise(const struct preprocess *how, const struct pixels *from, float *planes)
{
	size_t plane = (size_t)from->width * (size_t)from->height;

	must(from->width == how->width && from->height == how->height);
	for (size_t c = 0; c < 3; c++) {
		size_t band = from->bands < 3 ? 0 : how->is_bgr ? 2 - c : c;
		float value[256], *to = planes + c * plane;
		const uint8_t *p = from->bytes + band;

		/* mean and std are in the order that the model takes */
		for (int i = 0; i < 256; i++)
			value[i] = (float)((i / how->scale - how->mean[c]) / how->std[c]);
		for (size_t i = 0; i < plane; i++, p += from->bands)
			to[i] = value[*p];
	}
}

void preprocess_pixels(const struct preprocess *how, const struct pixels *from, struct tensor *ret)
{
	struct tensor t = { .is = { .datatype = "FP32", .rank = 4, .shape = { 1, 3, how->height, how->width } } };

	memcpy(t.is.name, how->name, sizeof t.is.name);
	t.size = (size_t)how->width * (size_t)how->height * 3 * sizeof(float);
	t.bytes = xcalloc(t.size, 1);
	preprocess_normalise(how, from, t.bytes);
	*ret = t;
}

int preprocess_picture(const struct picture *p, const struct preprocess *how, struct tensor *ret, struct placed *ret_placed,
	struct err *err)
{
	scoped(pixels_done) struct pixels all = { 0 };

	if (preprocess_fit(p, how, &all, ret_placed, err) < 0)
		return -1;
	preprocess_pixels(how, &all, ret);
	return 0;
}

/* ---- back ---- */

static float back(float v, int pad, int inner, int whole)
{
	return (float)(((double)v - pad) * whole / inner);
}

void placed_point_back(const struct placed *at, float *x, float *y)
{
	*x = back(*x, at->left, at->inner_width, at->picture_width);
	*y = back(*y, at->top, at->inner_height, at->picture_height);
}

static void keep_within(float *v, int most)
{
	*v = !(*v > 0) ? 0 : *v > (float)most ? (float)most : *v;
}

void placed_back(const struct placed *at, struct box *b)
{
	placed_point_back(at, &b->left, &b->top);
	placed_point_back(at, &b->right, &b->bottom);
	keep_within(&b->left, at->picture_width);
	keep_within(&b->right, at->picture_width);
	keep_within(&b->top, at->picture_height);
	keep_within(&b->bottom, at->picture_height);
}
