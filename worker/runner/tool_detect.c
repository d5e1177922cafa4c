/*
 * tool_detect.c - objects in a picture, found by a YOLO model on a backend.
 *
 *	{"items":[{"label":"cat","score":0.91,"box":[left,top,width,height]}],"width":640,"height":480,
 *	 "backend":"triton","model":"yolov8n","version":"1"?}
 *
 * Items come best first; boxes are in pixels of the upright picture, whose size is width x height. Labels are those of
 * the model's card, else the class numbers. With `simulate`: detect_simulated.h.
 */
#include "detect_simulated.h"
#include "infer.h"
#include "letterbox.h"
#include "params.h"
#include "yolo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 640, LEAST_SIDE = 32, MOST_SIDE = 2048 };

struct detection {
	struct infer_target at;
	struct model model;
	const struct tensor_type *out;
	int width, height;              /* of the model's input */
};

static void detection_done(struct detection *d)
{
	model_done(&d->model);
}

/* ---- the model ---- */

/* Free in the model: the card says, else 640. */
static int side(const struct detection *d, size_t axis)
{
	const json_t *size = json_array_get(json_object_get(d->model.card, "size"), axis == 3 ? 0 : 1);
	int64_t fixed = d->model.in[0].shape[axis];

	if (fixed < 0)
		fixed = json_is_integer(size) ? json_integer_value(size) : SIDE;
	return fixed >= LEAST_SIDE && fixed <= MOST_SIDE ? (int)fixed : 0;
}

static int check_input(struct detection *d, struct err *err)
{
	const struct tensor_type *in = d->model.in;
	char is[400];

	if (d->model.nin != 1)
		return err_set(err, ERR_REJECT, "model '%s' takes %zu inputs, detect gives one", d->at.model, d->model.nin);
	if (strcmp(in->datatype, "FP32") == 0 && in->rank == 4 && (in->shape[0] == 1 || in->shape[0] == -1) &&
	    (in->shape[1] == 3 || in->shape[1] == -1)) {
		d->width = side(d, 3);
		d->height = side(d, 2);
	}
	if (d->width && d->height)
		return 0;
	return err_set(err, ERR_REJECT, "model '%s' takes %s, detect gives FP32 [1,3,height,width] of %d to %d pixels a side",
		d->at.model, tensor_text(in, is, sizeof is), LEAST_SIDE, MOST_SIDE);
}

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
	if (check_input(d, err) < 0)
		return -1;
	return find_output(d, err);
}

/* ---- labels ---- */

static const char *label_of(const json_t *labels, size_t class, char number[24])
{
	const char *label = json_string_value(json_array_get(labels, class));

	snprintf(number, 24, "%zu", class);
	return label ? label : number;
}

static bool is_among(const json_t *list, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_array_get(list, i)), text) == 0)
			return true;
	return false;
}

/* *ret: which classes are wanted; NULL: all. */
static int choose_classes(const struct detection *d, const struct tensor *out, const json_t *params, bool **ret, size_t *ret_n,
	struct err *err)
{
	const json_t *only = json_object_get(params, "label_in"), *labels = json_object_get(d->model.card, "labels");
	size_t n, nlabels = json_array_size(labels);
	char number[24];

	if (yolo_classes(&out->is, &n, err) < 0)
		return -1;
	if (nlabels && n && n != nlabels)
		return err_set(err, ERR_REJECT, "model '%s' gives %zu classes, its model.json has %zu labels", d->at.model, n, nlabels);
	*ret = NULL;
	*ret_n = n ? n : max_of(nlabels, (size_t)1000);
	if (json_array_size(only) == 0)
		return 0;
	*ret = xcalloc(*ret_n, sizeof **ret);
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = is_among(only, label_of(labels, i, number));
	return 0;
}

/* ---- running ---- */

static double rounded(double v, double unit)
{
	return round(v * unit) / unit;
}

static json_t *make_items(const struct detection *d, const struct letterbox *l, struct box *boxes, size_t n)
{
	const json_t *labels = json_object_get(d->model.card, "labels");
	json_t *items = json_array();

	for (size_t i = 0; i < n; i++) {
		struct box *b = &boxes[i];
		char number[24];

		letterbox_back(l, b);
		json_array_append_new(items, json_pack("{s:s,s:f,s:[f,f,f,f]}",
			"label", label_of(labels, (size_t)max_of(b->class, 0), number), "score", rounded((double)min_of(b->score, 1.0f), 1e4),
			"box", rounded((double)b->left, 100), rounded((double)b->top, 100),
			rounded((double)b->right - (double)b->left, 100), rounded((double)b->bottom - (double)b->top, 100)));
	}
	return items;
}

static int find_boxes(const struct runner_job *job, const struct detection *d, const struct tensor *out, struct box **ret,
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

static int run_model(const struct runner_job *job, const struct detection *d, const struct picture *p, json_t **ret_items,
	struct err *err)
{
	struct tensor in = { .is = d->model.in[0] };
	scoped(tensor_done) struct tensor out = { 0 };
	scoped(free_p) float *planes = NULL;
	scoped(free_p) struct box *boxes = NULL;
	struct letterbox l;
	size_t n;

	if (letterbox_make(p, d->width, d->height, &l, &planes, err) < 0)
		return -1;
	in.is.shape[0] = 1;
	in.is.shape[1] = 3;
	in.is.shape[2] = d->height;
	in.is.shape[3] = d->width;
	in.bytes = planes;
	in.size = (size_t)d->width * (size_t)d->height * 3 * sizeof *planes;
	if (infer_run(job->ctx, &d->at, &d->model, &in, 1, (const char *[]){ d->out->name }, &out, 1, err) < 0)
		return -1;
	if (find_boxes(job, d, &out, &boxes, &n, err) < 0)
		return err_wrap(err, "model '%.128s'", d->at.model);
	*ret_items = make_items(d, &l, boxes, n);
	return 0;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(detection_done) struct detection d = { 0 };
	scoped(picture_close) struct picture p = { 0 };
	bool simulate = param_bool(job->params, "simulate");
	json_t *items = NULL;

	/* The model first: a picture is not worth opening for one that is not there. */
	if (!simulate && find_model(job, &d, err) < 0)
		return -1;
	if (picture_open(job, &p, err) < 0)
		return -1;
	if (simulate)
		return detect_simulated(&p, job->params, ret_data, err);
	if (run_model(job, &d, &p, &items, err) < 0)
		return -1;
	*ret_data = json_pack("{s:o,s:i,s:i,s:s,s:s,s:s*}", "items", items, "width", p.width, "height", p.height,
		"backend", d.at.backend, "model", d.at.model, "version", *d.at.version ? d.at.version : NULL);
	return 0;
}

const struct runner_tool tool_detect = { "detect", run };
