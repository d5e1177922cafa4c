/*
 * tool_text_embed.c - what a text is about, as a point: the part "text" of a CLIP model, or of a Chinese-CLIP.
 *
 *	{"embedding":[0.0123,...],"dim":512,"tokens":7,"cut":true?,"model":"clip-vit-b32","backend":"onnx","device":"cpu","version":"1"?}
 *
 * The embedding has length 1; pictures of the same model that fit (clip_embed) are near. The text is the parameter's, or what a
 * need gave as "caption" or "text". `tokens` counts its pieces with the start and the end; what is over the model's length is
 * cut off, which "cut" tells. Of a need's empty text there is nothing to tell, so that a picture without a caption is no
 * failure: {"text":""}.
 */
#include "params.h"
#include "model_tensors.h"
#include "tokenizer.h"
#include "vector.h"

#include <stdio.h>
#include <string.h>

enum { INPUTS = 3, LENGTH_LEAST = 3, LENGTH_MOST = 8192 };

struct embedding {
	struct infer_target at;
	struct model model;
	const struct tensor_type *out;
	const struct tokenizer *tokenizer;
	size_t length;                  /* of the model's input, in pieces */
};

static void embedding_done(struct embedding *e)
{
	model_done(&e->model);
}

/* ---- the text ---- */

/* *ret is NULL when a need gave an empty one. */
static int find_text(const struct runner_job *job, const char **ret, struct err *err)
{
	const char *text = param_str(job->params, "text", NULL);
	bool is_own = text != NULL, is_blank;

	for (size_t i = 0; !text && i < job->ninputs; i++) {
		text = json_string_value(json_object_get(job->inputs[i].data, "caption"));
		if (!text)
			text = json_string_value(json_object_get(job->inputs[i].data, "text"));
	}
	if (!text)
		return err_set(err, ERR_REJECT, "there is no text: neither the parameter \"text\", nor a need that gave a \"caption\" or a "
			"\"text\"");
	is_blank = text[strspn(text, " \t\r\n")] == '\0';
	if (is_blank && is_own)
		return err_set(err, ERR_REJECT, "the text is empty");
	*ret = is_blank ? NULL : text;
	return 0;
}

/* ---- the model ---- */

static bool is_ids(const struct model *m, const struct tensor_type *in)
{
	return strcmp(in->name, "input_ids") == 0 || m->nin == 1;
}

static bool is_known(const struct model *m, const struct tensor_type *in)
{
	return is_ids(m, in) || strcmp(in->name, "attention_mask") == 0 || strcmp(in->name, "token_type_ids") == 0;
}

static bool is_length(int64_t n)
{
	return n == -1 || (n >= LENGTH_LEAST && n <= LENGTH_MOST);
}

static int check_input(struct embedding *e, const struct tensor_type *in, struct err *err)
{
	char is[400];

	if (strcmp(in->name, "pixel_values") == 0)
		return err_set(err, ERR_REJECT, "this is picture and text in one file: it wants '%.60s' too. Take the export of two files, "
			"vision_model.onnx and text_model.onnx, and name them in its model.json: /parts/image/file and /parts/text/file",
			in->name);
	if (!is_known(&e->model, in) || !tensor_converts("INT64", in->datatype) || in->rank != 2 ||
	    (in->shape[0] != 1 && in->shape[0] != -1) || !is_length(in->shape[1]))
		return err_set(err, ERR_REJECT, "it takes %s; text_embed gives numbers [1,length] of %d to %d pieces, as 'input_ids', "
			"'attention_mask' and 'token_type_ids'", tensor_text(in, is, sizeof is), LENGTH_LEAST, LENGTH_MOST);
	if (in->shape[1] != -1 && e->length && (size_t)in->shape[1] != e->length)
		return err_set(err, ERR_REJECT, "its inputs have different lengths: %s",
			model_tensors_text(e->model.in, e->model.nin, is, sizeof is));
	if (in->shape[1] != -1)
		e->length = (size_t)in->shape[1];
	return 0;
}

static int check_inputs(struct embedding *e, struct err *err)
{
	size_t nids = 0;
	char is[600];

	for (size_t i = 0; i < e->model.nin; i++) {
		if (check_input(e, &e->model.in[i], err) < 0)
			return -1;
		nids += is_ids(&e->model, &e->model.in[i]);
	}
	if (nids != 1 || e->model.nin > INPUTS)
		return err_set(err, ERR_REJECT, "it takes %s; text_embed gives one 'input_ids'",
			e->model.nin ? model_tensors_text(e->model.in, e->model.nin, is, sizeof is) : "nothing");
	return 0;
}

static int find_model(const struct runner_job *job, struct embedding *e, struct err *err)
{
	if (infer_target(job->params, &e->at, err) < 0)
		return -1;
	e->at.part = "text";
	if (infer_describe(job->ctx, &e->at, &e->model, err) < 0)
		return -1;
	if (check_inputs(e, err) < 0 || model_output(&e->model, "text_embeds", 2, "text_embed", &e->out, err) < 0 ||
	    tokenizer_open(e->model.dir, e->model.card, &e->tokenizer, err) < 0)
		return err_wrap(err, "model '%.128s'", e->at.model);
	if (!e->length)
		e->length = tokenizer_length(e->tokenizer);
	return 0;
}

/* ---- running ---- */

static struct tensor make_input(const struct embedding *e, const struct tensor_type *in, const struct tokens *text)
{
	struct tensor t = model_integers(in->name, 1, (int64_t)text->size);
	int64_t *to = t.bytes;

	for (size_t i = 0; i < text->size; i++)
		if (is_ids(&e->model, in))
			to[i] = text->id[i];
		else if (strcmp(in->name, "attention_mask") == 0)
			to[i] = i < text->n;
	return t;
}

static int run_model(const struct runner_job *job, const struct embedding *e, const struct tokens *text, struct tensor *ret,
	struct err *err)
{
	struct tensor in[INPUTS] = { 0 };
	int rc;

	for (size_t i = 0; i < e->model.nin; i++)
		in[i] = make_input(e, &e->model.in[i], text);
	rc = infer_run(job->ctx, &e->at, &e->model, in, e->model.nin, (const char *[]){ e->out->name }, ret, 1, err);
	for (size_t i = 0; i < e->model.nin; i++)
		tensor_done(&in[i]);
	return rc;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(embedding_done) struct embedding e = { 0 };
	scoped(tokens_done) struct tokens text = { 0 };
	scoped(tensor_done) struct tensor out = { 0 };
	scoped(json_decref_p) json_t *list = NULL;
	const char *given = NULL;

	if (find_text(job, &given, err) < 0)
		return -1;
	if (!given) {
		*ret_data = json_pack("{s:s}", "text", "");
		return 0;
	}
	if (find_model(job, &e, err) < 0 ||
	    tokenizer_encode(e.tokenizer, given, e.length, &text, err) < 0 || run_model(job, &e, &text, &out, err) < 0)
		return -1;
	if (vector_of_output(&e.model, &out, "text_embed", &list, err) < 0)
		return err_wrap(err, "model '%.128s'", e.at.model);
	*ret_data = json_pack("{s:O, s:I, s:I, s:o*, s:s, s:s, s:s, s:s*}", "embedding", list, "dim", (json_int_t)json_array_size(list),
		"tokens", (json_int_t)text.n, "cut", text.is_cut ? json_true() : NULL, "model", e.at.model, "backend", e.at.backend,
		"device", e.model.device, "version", *e.at.version ? e.at.version : NULL);
	must(*ret_data != NULL);
	return 0;
}

const struct runner_tool tool_text_embed = { "text_embed", run };
