/*
 * child_infer.h - a runner's question for a model, answered: it has no network, and no models. The words are those of
 * shared/wire.h; the backend "onnx" is the worker's inference process, "triton" a server.
 */
#ifndef CHILD_INFER_H
#define CHILD_INFER_H

#include "inference.h"
#include "triton.h"

struct child_infer {
	const struct conf *conf;
	struct triton *triton;
	struct triton_call *triton_call;        /* model and version are filled in */
	struct inference_seat *seat;
	struct inference_call *call;            /* card is filled in, for as long as the question is answered */
	bool is_triton;                         /* out: that backend was asked */
};

/* `said` is {"ask":"model"|"infer",...}, which came with the descriptors. *ret is the answer, *ret_fd what goes with it, or
 * -1. What goes wrong with the model is the error. */
int child_infer(struct child_infer *x, const json_t *said, const int *fds, size_t nfds, json_t **ret, int *ret_fd,
	struct err *err) must_use;

#endif
