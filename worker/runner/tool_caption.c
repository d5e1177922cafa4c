/*
 * tool_caption.c - a sentence on what a picture shows, by a model of two parts: BLIP, or one that works like it.
 *
 *	{"caption":"a dog on a beach","tokens":5,"model":"blip","backend":"onnx","device":"cpu","version":"1"?}
 *
 * The part "encoder" looks at the picture once; the part "decoder" (decoder.h) is asked for one token after the other, and
 * gets what the encoder gave each time. Which words the tokens are says the tokenizer in the model's directory.
 */
#include "decoder.h"
#include "params.h"
#include "preprocess.h"
#include "model_tensors.h"
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

struct captioning {
	struct infer_target encoder, decoder;
	struct model model;             /* the encoder */
	struct preprocess how;
	const struct tensor_type *states;
};

static void captioning_done(struct captioning *c)
{
	model_done(&c->model);
}

static int find_encoder(const struct runner_job *job, struct captioning *c, struct err *err)
{
	if (infer_target(job->params, &c->encoder, err) < 0)
		return -1;
	c->decoder = c->encoder;
	c->encoder.part = "encoder";
	c->decoder.part = "decoder";
	if (infer_describe(job->ctx, &c->encoder, &c->model, err) < 0)
		return -1;
	if (preprocess_plan(&c->model, "caption", &preprocess_blip, &c->how, err) < 0 ||
	    model_output(&c->model, "last_hidden_state", 3, "caption", &c->states, err) < 0)
		return err_wrap(err, "model '%.128s', encoder", c->encoder.model);
	return 0;
}

static int encode(const struct runner_job *job, const struct captioning *c, struct tensor *ret, struct err *err)
{
	scoped(picture_close) struct picture p = { 0 };
	scoped(tensor_done) struct tensor in = { 0 }, out = { 0 };
	char is[400];

	if (picture_open(job, &p, err) < 0 || preprocess_picture(&p, &c->how, &in, NULL, err) < 0)
		return -1;
	picture_close(&p);
	if (infer_run(job->ctx, &c->encoder, &c->model, &in, 1, (const char *[]){ c->states->name }, &out, 1, err) < 0)
		return -1;
	if (out.is.rank != 3 || out.is.shape[0] != 1 || out.is.shape[1] < 1 || out.is.shape[2] < 1 || strcmp(out.is.datatype, "FP32") != 0)
		return err_set(err, ERR_REJECT, "model '%.128s', encoder: it gives %s, caption wants numbers [1,S,D]", c->encoder.model,
			tensor_text(&out.is, is, sizeof is));
	*ret = out;
	out = (struct tensor){ 0 };
	return 0;
}

/* The vocabulary before the first token: a caption that nobody can read is not worth the time. */
static int open_words(const struct captioning *c, const struct tokenizer **ret, struct err *err)
{
	if (!*c->model.dir)
		return err_set(err, ERR_REJECT, "model '%.128s' has no directory in PIXELFLEET_MODELS_DIR; its vocabulary has to be there, on "
			"either backend", c->encoder.model);
	return tokenizer_open(c->model.dir, c->model.card, ret, err);
}

static int write_text(struct decoder *d, const json_t *params, const struct tokenizer *words, struct buf *to, size_t *ret_tokens,
	struct err *err)
{
	struct beam_want want = { .start = d->start, .end = d->end, .beams = (size_t)param_int(params, "beams", 1),
		.max_length = min_of((size_t)param_int(params, "max_length", 64), d->max_length) };
	scoped(free_p) int64_t *ids = NULL;

	if (beam_search(&d->beam, &want, &ids, ret_tokens, err) < 0)
		return -1;
	tokenizer_decode(words, ids, *ret_tokens, to);
	return 0;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(captioning_done) struct captioning c = { 0 };
	scoped(decoder_done) struct decoder d = { 0 };
	scoped(tensor_done) struct tensor seen = { 0 };
	scoped(buf_free) struct buf text = { 0 };
	const struct tokenizer *words;
	size_t tokens;

	if (find_encoder(job, &c, err) < 0 || open_words(&c, &words, err) < 0 || encode(job, &c, &seen, err) < 0)
		return -1;
	if (decoder_open(job->ctx, &c.decoder, &seen, &d, err) < 0 || write_text(&d, job->params, words, &text, &tokens, err) < 0)
		return err_wrap(err, "model '%.128s'", c.encoder.model);
	*ret_data = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s*}", "caption", text.text ? text.text : "", "tokens", (json_int_t)tokens,
		"model", c.encoder.model, "backend", c.encoder.backend, "device", d.model.device, "version",
		*c.encoder.version ? c.encoder.version : NULL);
	must(*ret_data != NULL);
	return 0;
}

const struct runner_tool tool_caption = { "caption", run };
