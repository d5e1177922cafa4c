/*
 * tool_clip_embed.c - what a picture is about, as a point: the part "image" of a CLIP model.
 *
 *	{"embedding":[0.0123,...],"dim":512,"model":"clip-vit-b32","backend":"onnx","device":"cpu","version":"1"?}
 *
 * The embedding has length 1; pictures that are alike, and texts of the same model that fit (text_embed), are near.
 */
#include "params.h"
#include "preprocess.h"
#include "model_tensors.h"
#include "vector.h"

#include <string.h>

struct embedding {
	struct infer_target at;
	struct model model;
	struct preprocess how;
	const struct tensor_type *out;
};

static void embedding_done(struct embedding *e)
{
	model_done(&e->model);
}

/* One file of both parts wants a text in order to tell of a picture. */
static int check_parts(const struct model *m, struct err *err)
{
	for (size_t i = 0; i < m->nin; i++)
		if (strstr(m->in[i].name, "input_ids"))
			return err_set(err, ERR_REJECT, "this is picture and text in one file: it wants '%.60s' too. Take the export of two files, "
				"vision_model.onnx and text_model.onnx, and name them in its model.json: /parts/image/file and /parts/text/file",
				m->in[i].name);
	return 0;
}

static int find_model(const struct runner_job *job, struct embedding *e, struct err *err)
{
	if (infer_target(job->params, &e->at, err) < 0)
		return -1;
	e->at.part = "image";
	if (infer_describe(job->ctx, &e->at, &e->model, err) < 0)
		return -1;
	if (check_parts(&e->model, err) < 0 || preprocess_plan(&e->model, "clip_embed", &preprocess_clip, &e->how, err) < 0 ||
	    model_output(&e->model, "image_embeds", 2, "clip_embed", &e->out, err) < 0)
		return err_wrap(err, "model '%.128s'", e->at.model);
	return 0;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(embedding_done) struct embedding e = { 0 };
	scoped(picture_close) struct picture p = { 0 };
	scoped(tensor_done) struct tensor in = { 0 }, out = { 0 };
	scoped(json_decref_p) json_t *list = NULL;

	if (find_model(job, &e, err) < 0 || picture_open(job, &p, err) < 0 || preprocess_picture(&p, &e.how, &in, NULL, err) < 0)
		return -1;
	picture_close(&p);
	if (infer_run(job->ctx, &e.at, &e.model, &in, 1, (const char *[]){ e.out->name }, &out, 1, err) < 0)
		return -1;
	if (vector_of_output(&e.model, &out, "clip_embed", &list, err) < 0)
		return err_wrap(err, "model '%.128s'", e.at.model);
	*ret_data = json_pack("{s:O, s:I, s:s, s:s, s:s, s:s*}", "embedding", list, "dim", (json_int_t)json_array_size(list),
		"model", e.at.model, "backend", e.at.backend, "device", e.model.device, "version", *e.at.version ? e.at.version : NULL);
	must(*ret_data != NULL);
	return 0;
}

const struct runner_tool tool_clip_embed = { "clip_embed", run };
