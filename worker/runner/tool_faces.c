/*
 * tool_faces.c - the faces of a picture: where they are, and to each an embedding by which it is known again.
 *
 *	{"items":[{"label":"face","score":0.93,"box":[left,top,width,height],"landmarks":[[x,y] x 5],"embedding":[512 numbers]}],
 *	 "width":640,"height":480,"backend":"onnx","model":"buffalo_l","version":"1"?,"device":"cpu"}
 *
 * Items come best first; boxes and landmarks (left and right eye, nose, left and right corner of the mouth) are in
 * pixels of the upright picture. No faces are an empty list. The model has two parts: "detect" is an SCRFD (scrfd.h), "embed" an
 * ArcFace, which gets each face aligned (align.h) from the picture at its full size, all of a picture at once where its
 * batch is free. The picture is decoded again for that, so that nothing of it is kept while the detector is waited for.
 */
#include "align.h"
#include "infer.h"
#include "params.h"
#include "preprocess.h"
#include "scrfd.h"
#include "vector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUPPRESS 0.4            /* what the detectors' makers use */
enum { BATCH = 32, CROP = ALIGN_SIDE * ALIGN_SIDE * 3, MOST_DIM = 1024 };

struct part {
	struct infer_target at;
	struct model model;
	struct preprocess how;
};

struct recogniser {
	struct part detect, embed;
	const char *outs[SCRFD_OUTPUTS];
	size_t batch;                   /* faces at once */
};

static void recogniser_done(struct recogniser *r)
{
	model_done(&r->detect.model);
	model_done(&r->embed.model);
}

/* ---- the model ---- */

static int find_part(const struct runner_job *job, const char *name, struct part *p, struct err *err)
{
	if (infer_target(job->params, &p->at, err) < 0)
		return -1;
	p->at.part = name;
	return infer_describe(job->ctx, &p->at, &p->model, err);
}

static int find_detector(const struct runner_job *job, struct recogniser *r, struct err *err)
{
	struct part *p = &r->detect;

	if (find_part(job, "detect", p, err) < 0)
		return -1;
	if (p->model.nout != SCRFD_OUTPUTS)
		return err_set(err, ERR_REJECT, "model '%.128s/detect' gives %zu outputs, an SCRFD with landmarks %d", p->at.model,
			p->model.nout, SCRFD_OUTPUTS);
	for (size_t i = 0; i < SCRFD_OUTPUTS; i++)
		r->outs[i] = p->model.out[i].name;
	if (preprocess_plan(&p->model, "faces", &preprocess_scrfd, &p->how, err) < 0)
		return err_wrap(err, "model '%.128s/detect'", p->at.model);
	if (p->how.width % 32 || p->how.height % 32)
		return err_set(err, ERR_REJECT, "model '%.128s/detect' takes pictures of %d x %d, whose sides are no multiples of 32",
			p->at.model, p->how.width, p->how.height);
	return 0;
}

/* How many may run together: the card's say, for the part or for all of the model. */
static size_t batch_of(const struct model *m)
{
	const json_t *part = json_object_get(json_object_get(m->card, "parts"), "embed");
	int most = param_int(part, "max_batch", param_int(m->card, "max_batch", BATCH));

	return m->in[0].shape[0] == 1 ? 1 : (size_t)VIPS_CLIP(1, most, (int)(TENSOR_BYTES_MAX / (CROP * sizeof(float))));
}

static int find_embedder(const struct runner_job *job, struct recogniser *r, struct err *err)
{
	struct part *p = &r->embed;
	const struct tensor_type *in = p->model.in;
	char is[400];

	if (find_part(job, "embed", p, err) < 0)
		return -1;
	if (p->model.nin != 1 || p->model.nout == 0)
		return err_set(err, ERR_REJECT, "model '%.128s/embed' has %zu inputs and %zu outputs, faces needs one, and one or more",
			p->at.model, p->model.nin, p->model.nout);
	p->how = preprocess_arcface;
	memcpy(p->how.name, in->name, sizeof p->how.name);
	r->batch = batch_of(&p->model);
	if (tensor_converts("FP32", in->datatype) && in->rank == 4 && (in->shape[0] == -1 || in->shape[0] == 1) &&
	    (in->shape[1] == 3 || in->shape[1] == -1) && (in->shape[2] == ALIGN_SIDE || in->shape[2] == -1) &&
	    (in->shape[3] == ALIGN_SIDE || in->shape[3] == -1))
		return 0;
	return err_set(err, ERR_REJECT, "model '%.128s/embed' takes %s, faces gives FP32 [N,3,%d,%d]", p->at.model,
		tensor_text(in, is, sizeof is), ALIGN_SIDE, ALIGN_SIDE);
}

/* ---- finding ---- */

/* From pixels of the input to those of the picture, not cut off at its edges yet. */
static void put_back(const struct placed *at, struct face *f)
{
	placed_point_back(at, &f->box.left, &f->box.top);
	placed_point_back(at, &f->box.right, &f->box.bottom);
	for (int i = 0; i < FACE_POINTS; i++)
		placed_point_back(at, &f->points[i][0], &f->points[i][1]);
}

static size_t choose(const struct placed *at, const json_t *params, struct face *faces, size_t n)
{
	float least = (float)param_num(params, "min_size", 0);
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		put_back(at, &faces[i]);
		if (min_of(faces[i].box.right - faces[i].box.left, faces[i].box.bottom - faces[i].box.top) >= least)
			faces[left++] = faces[i];
	}
	return faces_suppress(faces, left, SUPPRESS, (size_t)param_int(params, "max_faces", 100));
}

static int find_faces(const struct runner_job *job, const struct recogniser *r, const struct picture *p, struct face **ret,
	size_t *ret_n, struct err *err)
{
	scoped(tensor_done) struct tensor in = { 0 };
	struct tensor outs[SCRFD_OUTPUTS] = { 0 };
	struct placed at;
	size_t n = 0;
	int rc;

	if (preprocess_picture(p, &r->detect.how, &in, &at, err) < 0)
		return -1;
	if (infer_run(job->ctx, &r->detect.at, &r->detect.model, &in, 1, r->outs, outs, SCRFD_OUTPUTS, err) < 0)
		return -1;
	rc = scrfd_faces(outs, at.width, at.height, param_num(job->params, "score_threshold", 0.5), ret, &n, err);
	for (size_t i = 0; i < SCRFD_OUTPUTS; i++)
		tensor_done(&outs[i]);
	if (rc < 0)
		return err_wrap(err, "model '%.128s/detect'", r->detect.at.model);
	*ret_n = choose(&at, job->params, *ret, n);
	return 0;
}

/* ---- embedding ---- */

/* The upright picture at full size, of bytes. */
static int load(const struct picture *p, VipsImage **ret, struct err *err)
{
	bool is_turned = p->orientation > 1;
	struct picture_reduction how = { 1, 1, .result_bytes = is_turned ? (size_t)p->width * (size_t)p->height * 3 : 0 };
	scoped(image_unref_p) VipsImage *image = NULL;
	VipsImage *next;

	if (picture_reduce(p, &how, &image, err) < 0)
		return -1;
	if (is_turned) {
		if (vips_autorot(image, &next, NULL))
			return picture_fail(err, "cannot turn the picture upright");
		picture_step(&image, next);
		if (picture_decode(&image, err) < 0)
			return -1;
	}
	*ret = steal(&image);
	return 0;
}

/* The crops, one after the other. */
static int cut(const struct recogniser *r, const struct picture *p, const struct face *faces, size_t n, uint8_t *crops,
	struct err *err)
{
	scoped(image_unref_p) VipsImage *image = NULL;
	struct pixels from;

	if (load(p, &image, err) < 0)
		return -1;
	from = (struct pixels){ VIPS_IMAGE_ADDR(image, 0, 0), image->Xsize, image->Ysize, image->Bands };
	for (size_t i = 0; i < n; i++) {
		struct pixels to = { crops + i * CROP, ALIGN_SIDE, ALIGN_SIDE, 3 };
		struct similarity s;

		if (similarity_fit(faces[i].points, align_arcface, FACE_POINTS, &s) < 0)
			return err_set(err, ERR_REJECT, "model '%.128s/detect': the five landmarks of a face are one point", r->detect.at.model);
		align_warp(&from, &s, &to);
	}
	return 0;
}

/* Adds to the items from the one numbered `first` on. */
static int add_embeddings(const struct tensor *out, size_t n, json_t *items, size_t first, struct err *err)
{
	size_t dim = out->size / sizeof(float) / n;
	char is[400];

	if (strcmp(out->is.datatype, "FP32") != 0 || out->is.rank < 2 || out->is.shape[0] != (int64_t)n || dim == 0 ||
	    dim > MOST_DIM || out->size != n * dim * sizeof(float))
		return err_set(err, ERR_REJECT, "its output is %s; of %zu faces, FP32 [%zu,numbers] is needed",
			tensor_text(&out->is, is, sizeof is), n, n);
	for (size_t i = 0; i < n; i++) {
		json_t *list = NULL;

		if (vector_json((const float *)out->bytes + i * dim, dim, "the embedding of a face", &list, err) < 0)
			return -1;
		json_object_set_new(json_array_get(items, first + i), "embedding", list);
	}
	return 0;
}

static int embed_some(const struct runner_job *job, const struct part *p, uint8_t *crops, size_t n, json_t *items, size_t first,
	struct err *err)
{
	scoped(free_p) float *planes = xcalloc(n, CROP * sizeof *planes);
	scoped(tensor_done) struct tensor out = { 0 };
	struct tensor in = { .is = p->model.in[0], .bytes = planes, .size = n * CROP * sizeof *planes };

	for (size_t i = 0; i < n; i++)
		preprocess_normalise(&p->how, &(struct pixels){ crops + i * CROP, ALIGN_SIDE, ALIGN_SIDE, 3 }, planes + i * CROP);
	snprintf(in.is.datatype, sizeof in.is.datatype, "FP32");
	in.is.shape[0] = (int64_t)n;
	in.is.shape[1] = 3;
	in.is.shape[2] = in.is.shape[3] = ALIGN_SIDE;
	if (infer_run(job->ctx, &p->at, &p->model, &in, 1, (const char *[]){ p->model.out[0].name }, &out, 1, err) < 0)
		return -1;
	if (add_embeddings(&out, n, items, first, err) < 0)
		return err_wrap(err, "model '%.128s/embed'", p->at.model);
	return 0;
}

static int embed(const struct runner_job *job, const struct recogniser *r, uint8_t *crops, json_t *items, struct err *err)
{
	size_t all = json_array_size(items);

	for (size_t at = 0; at < all; at += r->batch)
		if (embed_some(job, &r->embed, crops + at * CROP, min_of(all - at, r->batch), items, at, err) < 0)
			return -1;
	return 0;
}

/* ---- the result ---- */

static json_t *number(double v)
{
	return json_real(round(v * 100) / 100);
}

static float within(float v, int most)
{
	return v < 0 ? 0 : v > (float)most ? (float)most : v;
}

static json_t *make_item(const struct picture *p, const struct face *f)
{
	double left = (double)within(f->box.left, p->width), top = (double)within(f->box.top, p->height);
	double right = (double)within(f->box.right, p->width), bottom = (double)within(f->box.bottom, p->height);
	json_t *landmarks = json_array();

	for (int i = 0; i < FACE_POINTS; i++)
		json_array_append_new(landmarks, json_pack("[o,o]", number((double)f->points[i][0]), number((double)f->points[i][1])));
	return json_pack("{s:s, s:f, s:[o,o,o,o], s:o}", "label", "face", "score", round(min_of((double)f->box.score, 1.0) * 1e4) / 1e4,
		"box", number(left), number(top), number(right - left), number(bottom - top), "landmarks", landmarks);
}

static int recognise(const struct runner_job *job, const struct recogniser *r, const struct picture *p, json_t *items, struct err *err)
{
	scoped(free_p) struct face *faces = NULL;
	scoped(free_p) uint8_t *crops = NULL;
	size_t n = 0;

	if (find_faces(job, r, p, &faces, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, make_item(p, &faces[i]));
	if (n == 0)
		return 0;
	crops = xcalloc(n, CROP);
	if (cut(r, p, faces, n, crops, err) < 0)
		return -1;
	return embed(job, r, crops, items, err);
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(recogniser_done) struct recogniser r = { 0 };
	scoped(picture_close) struct picture p = { 0 };
	scoped(json_decref_p) json_t *items = json_array();
	const struct infer_target *at = &r.detect.at;

	if (find_detector(job, &r, err) < 0 || find_embedder(job, &r, err) < 0 || picture_open(job, &p, err) < 0)
		return -1;
	if (recognise(job, &r, &p, items, err) < 0)
		return -1;
	*ret_data = json_pack("{s:o, s:i, s:i, s:s, s:s, s:s*, s:s}", "items", steal(&items), "width", p.width, "height", p.height,
		"backend", at->backend, "model", at->model, "version", *at->version ? at->version : NULL, "device", r.detect.model.device);
	return 0;
}

const struct runner_tool tool_faces = { "faces", run };
