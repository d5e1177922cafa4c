/*
 * tool_detect.c - objects in a picture, found by a YOLO model on a backend.
 *
 *	{"items":[{"label":"cat","score":0.91,"box":[left,top,width,height]}],"width":640,"height":480,
 *	 "backend":"onnx","model":"yolov8n","version":"1"?,"device":"cpu"}
 *
 * Items come best first; boxes are in pixels of the upright picture, whose size is width x height. Labels: labels.h. With
 * `draw`, the artifact "drawn" is the picture with the items on it. With `simulate`: detect_simulated.h.
 */
#include "detect_simulated.h"
#include "drawing.h"
#include "infer.h"
#include "labels.h"
#include "params.h"
#include "picture_write.h"
#include "preprocess.h"
#include "yolo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct detection {
	struct infer_target at;
	struct model model;
	struct preprocess how;
	const struct tensor_type *out;
	struct labels labels;
};

static void detection_done(struct detection *d)
{
	model_done(&d->model);
}

/* ---- the model ---- */

/* Segmentation models have more outputs; the boxes are the first of all, or by name. */
static int find_output(struct detection *d, struct err *err)
{
	if (d->model.nout == 0)
		return err_set(err, ERR_REJECT, "model '%s' has no output", d->at.model);
	d->out = d->model.out;
	for (size_t i = 0; i < d->model.nout; i++)
		if (strcmp(d->model.out[i].name, "output0") == 0)
			d->out = &d->model.out[i];
	return 0;
}

static int find_model(const struct runner_job *job, struct detection *d, struct err *err)
{
	if (infer_target(job->params, &d->at, err) < 0 || infer_describe(job->ctx, &d->at, &d->model, err) < 0)
		return -1;
	if (preprocess_plan(&d->model, "detect", &preprocess_yolo, &d->how, err) < 0)
		return err_wrap(err, "model '%.128s'", d->at.model);
	return find_output(d, err);
}

/* ---- labels ---- */

static bool is_among(const json_t *list, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_array_get(list, i)), text) == 0)
			return true;
	return false;
}

/* *ret: which classes are wanted; NULL: all. */
static int choose_classes(struct detection *d, const struct tensor *out, const json_t *params, bool **ret, size_t *ret_n,
	struct err *err)
{
	const json_t *only = json_object_get(params, "label_in");
	char number[24];
	size_t n;

	if (yolo_classes(&out->is, &n, err) < 0 || labels_of(&d->model, d->at.model, n, &d->labels, err) < 0)
		return -1;
	*ret = NULL;
	*ret_n = n ? n : max_of(json_array_size(d->labels.list), (size_t)1000);
	if (json_array_size(only) == 0)
		return 0;
	*ret = xcalloc(*ret_n, sizeof **ret);
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = is_among(only, labels_name(&d->labels, i, number));
	return 0;
}

/* ---- running ---- */

static double rounded(double v, double unit)
{
	return round(v * unit) / unit;
}

static json_t *make_items(const struct detection *d, const struct placed *at, struct box *boxes, size_t n)
{
	json_t *items = json_array();

	for (size_t i = 0; i < n; i++) {
		struct box *b = &boxes[i];
		char number[24];

		placed_back(at, b);
		json_array_append_new(items, json_pack("{s:s,s:f,s:[f,f,f,f]}",
			"label", labels_name(&d->labels, (size_t)max_of(b->class, 0), number), "score", rounded((double)min_of(b->score, 1.0f), 1e4),
			"box", rounded((double)b->left, 100), rounded((double)b->top, 100),
			rounded((double)b->right - (double)b->left, 100), rounded((double)b->bottom - (double)b->top, 100)));
	}
	return items;
}

static int find_boxes(const struct runner_job *job, struct detection *d, const struct tensor *out, struct box **ret,
	size_t *ret_n, struct err *err)
{
	scoped(free_p) bool *classes = NULL;
	struct yolo_want want = { .score = param_num(job->params, "score_threshold", 0.25),
		.iou = param_num(job->params, "iou_threshold", 0.45), .most = (size_t)param_int(job->params, "max_items", 100) };

	if (choose_classes(d, out, job->params, &classes, &want.nclasses, err) < 0)
		return -1;
	want.classes = classes;
	return yolo_boxes(out, &want, ret, ret_n, err);
}

static int run_model(const struct runner_job *job, struct detection *d, const struct picture *p, json_t **ret_items,
	struct err *err)
{
	scoped(tensor_done) struct tensor in = { 0 }, out = { 0 };
	scoped(free_p) struct box *boxes = NULL;
	struct placed at;
	size_t n;

	if (preprocess_picture(p, &d->how, &in, &at, err) < 0)
		return -1;
	memcpy(in.is.name, d->model.in[0].name, sizeof in.is.name);
	if (infer_run(job->ctx, &d->at, &d->model, &in, 1, (const char *[]){ d->out->name }, &out, 1, err) < 0)
		return -1;
	if (find_boxes(job, d, &out, &boxes, &n, err) < 0)
		return err_wrap(err, "model '%.128s'", d->at.model);
	*ret_items = make_items(d, &at, boxes, n);
	return 0;
}

static int find(const struct runner_job *job, struct detection *d, const struct picture *p, json_t **ret_data, struct err *err)
{
	json_t *items = NULL;

	if (run_model(job, d, p, &items, err) < 0)
		return -1;
	*ret_data = json_pack("{s:o,s:i,s:i,s:s,s:s,s:s*,s:s}", "items", items, "width", p->width, "height", p->height,
		"backend", d->at.backend, "model", d->at.model, "version", *d->at.version ? d->at.version : NULL,
		"device", d->model.device);
	return 0;
}

static int draw(const struct runner_job *job, struct picture *p, const json_t *items, struct err *err)
{
	scoped(image_unref_p) VipsImage *image = NULL;
	size_t left = DRAWING_MOST;
	struct pen pen;

	p->use.is_saved = true;
	if (drawing_open(p, &image, err) < 0)
		return -1;
	pen = pen_make(NULL, image);
	if (pen_draw(&pen, items, 1, 1, &left) < 0)
		return picture_fail(err, "cannot draw");
	return picture_write(job, p, image, "drawn", NULL, err);
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(detection_done) struct detection d = { 0 };
	scoped(picture_close) struct picture p = { 0 };
	scoped(json_decref_p) json_t *data = NULL;
	bool simulate = param_bool(job->params, "simulate");

	/* The model first: a picture is not worth opening for one that is not there. */
	if (!simulate && find_model(job, &d, err) < 0)
		return -1;
	if (picture_open(job, &p, err) < 0)
		return -1;
	if ((simulate ? detect_simulated(&p, job->params, &data, err) : find(job, &d, &p, &data, err)) < 0)
		return -1;
	if (param_bool(job->params, "draw") && draw(job, &p, json_object_get(data, "items"), err) < 0)
		return -1;
	*ret_data = steal(&data);
	return 0;
}

const struct runner_tool tool_detect = { "detect", run };
