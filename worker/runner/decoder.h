/*
 * decoder.h - the model that writes a text about what an encoder saw: which of its tensors is which, and asking it.
 *
 *	in   ids          [N,T] integers: the tokens so far
 *	     mask         [N,T] of 1; not every model takes one
 *	     states       [N,S,D] numbers: what the encoder gave
 *	     states_mask  [N,S] of 1; not every model takes one
 *	out  logits       [N,T,V] numbers
 *
 * A card may name them: {"decoder":{"names":{"ids":"tokens","states":"memory",...},"start":30522,"end":102,"pad":0,"max_length":64}}.
 * Without that they are found by the usual names ("input_ids", "attention_mask", "encoder_hidden_states",
 * "encoder_attention_mask", the first two also with "decoder_" before), then by rank and type. Nothing is kept from one step to
 * the next: a model that wants past keys and values is refused. T may be fixed: then it is filled up with `pad`.
 */
#ifndef DECODER_H
#define DECODER_H

#include "beam.h"
#include "infer.h"

struct decoder {
	struct beam_model beam;         /* first: what beam_search asks */
	struct runner_ctx *ctx;
	const struct infer_target *at;  /* its part is the decoder's */
	struct model model;
	const struct tensor_type *ids, *mask, *states, *states_mask, *logits;  /* of the model; masks may be NULL */
	int64_t start, end, pad;
	size_t max_length;              /* of a sequence, with its start and its end */
	struct tensor seen;             /* [1,S,D], taken */
};

/* Describes the model at `at`, which has to stay, and reads the card. seen->is.shape[0] has to be 1. ERR_REJECT says what the
 * model takes. take_seen is taken, on -1 too. */
int decoder_open(struct runner_ctx *ctx, const struct infer_target *at, struct tensor *take_seen, struct decoder *ret,
	struct err *err) must_use;
void decoder_done(struct decoder *d);

#endif
