/*
 * tool_classify.c - what a picture is of, as a whole: the likeliest classes of a model that knows some, as ImageNet's 1000.
 *
 *	{"items":[{"label":"tabby","score":0.81},...],"width":640,"height":480,"backend":"onnx","model":"mobilenet_v2",
 *	 "version":"1"?,"device":"cpu"}
 *
 * Best first; scores are shares of 1, made from logits where the model gives those. Labels are those of the model's card,
 * else those that Triton has (it is asked for all classes as text then), else the classes' numbers.
 */
#include "classes.h"
#include "labels.h"
#include "params.h"
#include "preprocess.h"
#include "model_tensors.h"

#include <math.h>
#include <string.h>

enum { CLASSES_MOST = 100000, LABEL_MOST = 1000 };

struct question {
	struct infer_target at;
	struct model model;
	struct preprocess how;
	const struct tensor_type *out;
	struct labels labels;
	struct tensor said;             /* the classes' labels are in it */
	struct class_score *list;
	size_t n;
};

static void question_done(struct question *q)
{
	model_done(&q->model);
	tensor_done(&q->said);
	free_p(&q->list);
}

static int find_model(const struct runner_job *job, struct question *q, struct err *err)
{
	if (infer_target(job->params, &q->at, err) < 0 || infer_describe(job->ctx, &q->at, &q->model, err) < 0)
		return -1;
	if (preprocess_plan(&q->model, "classify", &preprocess_classify, &q->how, err) < 0 ||
	    model_output(&q->model, "logits", 2, "classify", &q->out, err) < 0)
		return err_wrap(err, "model '%.128s'", q->at.model);
	return 0;
}

/* Labels that are not here may be there. */
static int ask(const struct runner_job *job, struct question *q, const struct tensor *in, struct err *err)
{
	int64_t classes = q->out->rank ? q->out->shape[q->out->rank - 1] : -1;

	if (strcmp(q->at.backend, "triton") != 0 || json_array_size(json_object_get(q->model.card, "labels")) > 0)
		return infer_run(job->ctx, &q->at, &q->model, in, 1, (const char *[]){ q->out->name }, &q->said, 1, err);
	return infer_classify(job->ctx, &q->at, &q->model, in, 1, q->out->name,
		classes >= 1 && classes <= CLASSES_MOST ? (size_t)classes : CLASSES_MOST, &q->said, err);
}

/* [1,classes], or that with more axes of 1. */
static int read_scores(struct question *q, struct err *err)
{
	char is[400];

	if (tensor_as_floats(&q->said, err) < 0)
		return -1;
	q->n = q->said.size / sizeof(float);
	for (size_t i = 0; i < q->said.is.rank; i++)
		if (q->said.is.shape[i] != 1 && q->said.is.shape[i] != (int64_t)q->n)
			q->n = 0;
	if (strcmp(q->said.is.datatype, "FP32") != 0 || q->n == 0 || q->n > CLASSES_MOST)
		return err_set(err, ERR_REJECT, "it gives %s, classify wants a number for each class, [1,classes]",
			tensor_text(&q->said.is, is, sizeof is));
	return classes_of_scores(q->said.bytes, q->n, &q->list, err);
}

/* A server that knows nothing of classes as text gives the numbers. */
static int read_classes(struct question *q, struct err *err)
{
	bool is_text = strcmp(q->said.is.datatype, "BYTES") == 0;

	if ((is_text ? classes_of_texts(&q->said, &q->list, &q->n, err) : read_scores(q, err)) < 0)
		return -1;
	if (labels_of(&q->model, q->at.model, q->n, &q->labels, err) < 0)
		return -1;
	classes_as_shares(q->list, q->n);
	classes_sort(q->list, q->n);
	return 0;
}

static json_t *label_of(const struct question *q, const struct class_score *c)
{
	bool is_theirs = c->label_len > 0 && c->label_len <= LABEL_MOST;
	json_t *label = is_theirs ? json_stringn(c->label, c->label_len) : NULL;
	char number[24];

	return label ? label : json_string(labels_name(&q->labels, c->index, number));
}

static json_t *make_items(const struct question *q, const json_t *params)
{
	size_t most = min_of(q->n, (size_t)param_int(params, "top_k", 5));
	double least = param_num(params, "min_score", 0);
	json_t *items = json_array();

	for (size_t i = 0; i < most && q->list[i].score >= least; i++)
		json_array_append_new(items, json_pack("{s:o, s:f}", "label", label_of(q, &q->list[i]),
			"score", round(q->list[i].score * 1e6) / 1e6));
	return items;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(question_done) struct question q = { 0 };
	scoped(picture_close) struct picture p = { 0 };
	scoped(tensor_done) struct tensor in = { 0 };
	int width, height;

	if (find_model(job, &q, err) < 0 || picture_open(job, &p, err) < 0 || preprocess_picture(&p, &q.how, &in, NULL, err) < 0)
		return -1;
	width = p.width;
	height = p.height;
	picture_close(&p);
	if (ask(job, &q, &in, err) < 0)
		return -1;
	if (read_classes(&q, err) < 0)
		return err_wrap(err, "model '%.128s'", q.at.model);
	*ret_data = json_pack("{s:o, s:i, s:i, s:s, s:s, s:s*, s:s}", "items", make_items(&q, job->params), "width", width, "height", height,
		"backend", q.at.backend, "model", q.at.model, "version", *q.at.version ? q.at.version : NULL, "device", q.model.device);
	must(*ret_data != NULL);
	return 0;
}

const struct runner_tool tool_classify = { "classify", run };
