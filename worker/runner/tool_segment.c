/*
 * tool_segment.c - what each pixel of a picture is of.
 *
 *	{"width":640,"height":480,"classes":[{"label":"cat","value":8,"area":51200,"share":0.166667}],
 *	 "backend":"onnx","model":"u2net","version":"1"?,"device":"cpu"}
 *
 * The model's first output is [1,1,H,W] or [1,H,W], how certain each pixel is of the one thing (as probabilities, or what
 * becomes them by the logistic function), or [1,C,H,W], a score for each class; see mask.h for how that becomes a mask of the
 * upright picture's size. `classes` are those of the mask, `value` is what their pixels have in it, `area` how many these are.
 *
 * Artifacts: "mask", PNG of 8 bits; with `overlay` also "overlay", the picture with the mask on it, in its own format. Of
 * several classes each has the colour that it has in PASCAL VOC, and class 0 is left as it is, unless the card's labels
 * give it another name than "background".
 */
#include "drawing.h"
#include "infer.h"
#include "labels.h"
#include "mask.h"
#include "output.h"
#include "params.h"
#include "picture_write.h"
#include "preprocess.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXED ((double)(12 << 20))      /* what writing takes, as in admission.h */

struct segmentation {
	struct infer_target at;
	struct model model;
	struct preprocess how;
	struct placed placed;
	struct tensor out;
	struct grid grid;
	size_t areas[MASK_CLASSES];
};

static void segmentation_done(struct segmentation *s)
{
	model_done(&s->model);
	tensor_done(&s->out);
}

/* ---- the model ---- */

static int find_model(const struct runner_job *job, struct segmentation *s, struct err *err)
{
	if (infer_target(job->params, &s->at, err) < 0 || infer_describe(job->ctx, &s->at, &s->model, err) < 0)
		return -1;
	if (preprocess_plan(&s->model, "segment", &preprocess_segment, &s->how, err) < 0)
		return err_wrap(err, "model '%.128s'", s->at.model);
	if (s->how.fit == FIT_CROP)
		return err_set(err, ERR_REJECT, "model '%.128s': its model.json has \"resize\": \"crop\", and segment needs all of the picture: "
			"allowed are \"squash\", \"letterbox\" and \"top_left\"", s->at.model);
	if (s->model.nout == 0)
		return err_set(err, ERR_REJECT, "model '%.128s' has no output", s->at.model);
	return 0;
}

/* Which part of the grid is the picture follows from its place in the input. */
static int read_grid(struct segmentation *s, struct err *err)
{
	const struct tensor_type *t = &s->out.is;
	const int64_t *side = t->shape + t->rank - 2;
	int64_t classes = t->rank == 4 ? t->shape[1] : 1;
	double scale_x, scale_y;
	char is[400];

	if (strcmp(t->datatype, "FP32") != 0 || t->rank < 3 || t->rank > 4 || t->shape[0] != 1 || classes < 1 || classes > MASK_CLASSES ||
	    side[0] < 1 || side[1] < 1 || s->out.size != (size_t)classes * (size_t)side[0] * (size_t)side[1] * sizeof(float))
		return err_set(err, ERR_REJECT, "its output is %s of %zu bytes; segment needs FP32 [1,classes,height,width] of 1 to %d classes",
			tensor_text(t, is, sizeof is), s->out.size, MASK_CLASSES);
	scale_x = (double)side[1] / s->placed.width;
	scale_y = (double)side[0] / s->placed.height;
	s->grid = (struct grid){ .scores = s->out.bytes, .classes = (size_t)classes, .width = (int)side[1], .height = (int)side[0],
		.left = s->placed.left * scale_x, .top = s->placed.top * scale_y,
		.inner_width = s->placed.inner_width * scale_x, .inner_height = s->placed.inner_height * scale_y };
	return 0;
}

/* All of one class are probabilities afterwards. */
static int check_scores(struct segmentation *s, struct err *err)
{
	float *v = s->out.bytes, least = 0, most = 1;
	size_t n = s->out.size / sizeof *v;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(v[i]))
			return err_set(err, ERR_REJECT, "its output has a value that is no number (%f, at %zu)", (double)v[i], i);
		least = min_of(least, v[i]);
		most = max_of(most, v[i]);
	}
	if (s->grid.classes == 1 && (least < 0 || most > 1))
		for (size_t i = 0; i < n; i++)
			v[i] = 1 / (1 + expf(-v[i]));
	return 0;
}

static int run_model(const struct runner_job *job, struct segmentation *s, const struct picture *p, struct err *err)
{
	scoped(tensor_done) struct tensor in = { 0 };

	if (preprocess_picture(p, &s->how, &in, &s->placed, err) < 0)
		return -1;
	if (infer_run(job->ctx, &s->at, &s->model, &in, 1, (const char *[]){ s->model.out[0].name }, &s->out, 1, err) < 0)
		return -1;
	if (read_grid(s, err) < 0 || check_scores(s, err) < 0)
		return err_wrap(err, "model '%.128s'", s->at.model);
	return 0;
}

/* ---- classes ---- */

/* Of one class, cards have its name alone, or after the background's. */
static const char *name_of_one(const json_t *labels)
{
	const char *name = json_string_value(json_array_get(labels, json_array_size(labels) - 1));

	return name ? name : "foreground";
}

static void add_class(json_t *classes, const char *label, int value, size_t area, double pixels)
{
	json_array_append_new(classes, json_pack("{s:s, s:i, s:I, s:f}", "label", label, "value", value, "area", (json_int_t)area,
		"share", round((double)area / pixels * 1e6) / 1e6));
}

static json_t *list_classes(const struct segmentation *s, const struct labels *labels, const struct picture *p)
{
	double pixels = (double)p->width * p->height;
	json_t *classes = json_array();
	char number[24];

	if (s->grid.classes == 1)
		add_class(classes, name_of_one(labels->list), 255, s->areas[255], pixels);
	for (size_t i = 0; i < s->grid.classes && s->grid.classes > 1; i++)
		if (s->areas[i])
			add_class(classes, labels_name(labels, i, number), (int)i, s->areas[i], pixels);
	return classes;
}

static int find_labels(const struct segmentation *s, struct labels *ret, struct err *err)
{
	size_t n = s->grid.classes, has = json_array_size(json_object_get(s->model.card, "labels"));

	return labels_of(&s->model, s->at.model, n == 1 && has == 2 ? 2 : n, ret, err);
}

/* ---- pictures ---- */

static const char *color_of(int value, char text[8])
{
	int rgb[3] = { 0 };

	for (int bit = 7; bit >= 0; bit--, value >>= 3)
		for (int c = 0; c < 3; c++)
			rgb[c] |= (value >> c & 1) << bit;
	snprintf(text, 8, "#%02x%02x%02x", rgb[0] & 255, rgb[1] & 255, rgb[2] & 255);
	return text;
}

struct paint {
	bool is_used[MASK_CLASSES];
	double ink[MASK_CLASSES][4], alpha;
};

static struct paint paint_make(const struct runner_job *job, const struct segmentation *s, const struct labels *l, const VipsImage *image)
{
	struct paint paint = { .alpha = param_num(job->params, "alpha", 0.5) };
	const char *first = json_string_value(json_array_get(l->list, 0));
	bool has_background = !first || strstr(first, "background");
	char color[8];

	if (s->grid.classes == 1) {
		paint.is_used[255] = true;
		picture_ink(image, param_str(job->params, "color", "#ff3b30"), paint.ink[255]);
		return paint;
	}
	for (int i = 0; i < (int)s->grid.classes; i++) {
		paint.is_used[i] = i > 0 || !has_background;
		picture_ink(image, color_of(i, color), paint.ink[i]);
	}
	return paint;
}

/* The image is in memory, of 8 or 16 bits. */
static void paint_over(const struct paint *paint, VipsImage *image, const uint8_t *mask)
{
	bool is_wide = picture_is_wide(image);

	for (int y = 0; y < image->Ysize; y++) {
		VipsPel *line = VIPS_IMAGE_ADDR(image, 0, y);

		for (int x = 0; x < image->Xsize; x++, mask++) {
			size_t at = (size_t)x * (size_t)image->Bands;

			for (size_t c = 0; c < 3 && paint->is_used[*mask]; c++) {
				double old = is_wide ? ((uint16_t *)(void *)line)[at + c] : line[at + c];
				double v = rint(old + (paint->ink[*mask][c] - old) * paint->alpha);

				if (is_wide)
					((uint16_t *)(void *)line)[at + c] = (uint16_t)v;
				else
					line[at + c] = (VipsPel)v;
			}
		}
	}
}

static int write_mask(const struct runner_job *job, const struct picture *p, uint8_t *mask, struct err *err)
{
	scoped(image_unref_p) VipsImage *image = vips_image_new_from_memory(mask, (size_t)p->width * (size_t)p->height, p->width,
		p->height, 1, VIPS_FORMAT_UCHAR);
	scoped(json_decref_p) json_t *png = json_pack("{s:s}", "format", "png");
	struct picture from = *p;

	if (!image)
		return picture_fail(err, "cannot make the mask");
	image->Type = VIPS_INTERPRETATION_B_W;
	from.origin = "png";            /* nor may what is made of it become a JPEG */
	return picture_write(job, &from, image, "mask", png, err);
}

/* The picture too, when it is wanted. */
static int open_pictures(const struct runner_job *job, struct picture *p, VipsImage **ret, struct err *err)
{
	double bytes = (double)p->width * p->height;
	char what[120];

	p->use.is_saved = true;
	p->use.more_bytes = bytes;
	if (param_bool(job->params, "overlay"))
		return drawing_open(p, ret, err);
	if (!job->ctx->memory)
		return 0;
	snprintf(what, sizeof what, "a mask of %d x %d = %.0f bytes, and its picture", p->width, p->height, bytes);
	return job->ctx->memory(job->ctx, (size_t)(bytes + FIXED), what, err);
}

static int write_pictures(const struct runner_job *job, struct segmentation *s, struct picture *p, const struct labels *l, struct err *err)
{
	scoped(image_unref_p) VipsImage *image = NULL;
	scoped(free_p) uint8_t *mask = NULL;

	if (open_pictures(job, p, &image, err) < 0)
		return -1;
	mask = xcalloc((size_t)p->width, (size_t)p->height);
	mask_make(&s->grid, param_num(job->params, "threshold", 0.5), p->width, p->height, mask, s->areas);
	if (image) {
		struct paint paint = paint_make(job, s, l, image);

		must(image->Xsize == p->width && image->Ysize == p->height && image->Bands >= 3);
		paint_over(&paint, image, mask);
	}
	if (write_mask(job, p, mask, err) < 0)
		return -1;
	return image ? picture_write(job, p, image, "overlay", NULL, err) : 0;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(segmentation_done) struct segmentation s = { 0 };
	scoped(picture_close) struct picture p = { 0 };
	struct labels labels;

	if (find_model(job, &s, err) < 0 || picture_open(job, &p, err) < 0 || run_model(job, &s, &p, err) < 0)
		return -1;
	if (find_labels(&s, &labels, err) < 0 || write_pictures(job, &s, &p, &labels, err) < 0)
		return -1;
	*ret_data = json_pack("{s:i, s:i, s:o, s:s, s:s, s:s*, s:s}", "width", p.width, "height", p.height,
		"classes", list_classes(&s, &labels, &p), "backend", s.at.backend, "model", s.at.model,
		"version", *s.at.version ? s.at.version : NULL, "device", s.model.device);
	return 0;
}

const struct runner_tool tool_segment = { "segment", run };
