/*
 * infer.h - running a model, whichever backend has it.
 *
 *	struct infer_target at;
 *	if (infer_target(job->params, &at, err) < 0)
 *		return -1;
 *	at.part = "image";              // of a model with several; "" is its only one
 *	if (infer_describe(job->ctx, &at, &model, err) < 0)
 *		return -1;
 *	... fill `in` as model.in[0] says ...
 *	if (infer_run(job->ctx, &at, &model, &in, 1, (const char *[]){ model.out[0].name }, &out, 1, err) < 0)
 *		return -1;
 *	tensor_done(&out);
 *
 * Backends: "onnx", the worker's inference process, and "triton", a server; the parent talks to both for us
 * (shared/wire.h). Nothing is ever invented in the place of an answer that does not come.
 */
#ifndef INFER_H
#define INFER_H

#include "tensor.h"
#include "tool.h"

enum { MODEL_TENSORS = 32 };

struct model {
	struct tensor_type in[MODEL_TENSORS], out[MODEL_TENSORS];
	size_t nin, nout;
	json_t *card;                           /* what people say of it: shared/card.h; never NULL */
	char dir[512];                          /* where its files are; "": it has no directory */
	char device[16];                        /* "cpu", "cuda", or the backend's name */
};

struct infer_target {
	const char *backend, *model, *part;     /* part: "" for a model's only one */
	const char *version;                    /* "" for the server's choice; Triton's models have some */
	size_t keeps;                           /* bytes of the picture that the tool holds on to meanwhile; 0: it was let go of */
};

/* From the parameters `backend`, `model` and `version`. ERR_REJECT: they do not name a model that can be run. */
int infer_target(const json_t *params, struct infer_target *ret, struct err *err) must_use;

int infer_describe(struct runner_ctx *ctx, const struct infer_target *at, struct model *ret, struct err *err) must_use;

/* ret[i] is the output want[i], of nwant; all of them or none, freed with tensor_done. Sizes fit the shapes and types;
 * whether these are those of the model's kind is the caller's to check.
 * With `model`, what infer_describe gave, `in` may be of other types than the model takes, and what comes is FP32
 * (tensor.h tells which); NULL: tensors are what they are. */
int infer_run(struct runner_ctx *ctx, const struct infer_target *at, const struct model *model, const struct tensor *in,
	size_t nin, const char *const *want, struct tensor *ret, size_t nwant, struct err *err) must_use;

/* The best `most` classes of one output, as Triton writes them with the labels that it has: a tensor of BYTES, to be read
 * with classes.h. Only at the backend "triton": the protocol's classification extension. */
int infer_classify(struct runner_ctx *ctx, const struct infer_target *at, const struct model *model, const struct tensor *in,
	size_t nin, const char *output, size_t most, struct tensor *ret, struct err *err) must_use;

void model_done(struct model *m);

#endif
