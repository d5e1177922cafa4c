/*
 * model_tensors.h - which of a model's tensors is which: exports of the same model have other names for them.
 *
 *	if (model_output(&model, "image_embeds", 2, "clip_embed", &out, err) < 0)
 *		return -1;
 */
#ifndef MODEL_TENSORS_H
#define MODEL_TENSORS_H

#include "infer.h"

/* The output of that name; else the only one there is; else the only one of that rank. ERR_REJECT lists them. */
int model_output(const struct model *m, const char *usual, size_t rank, const char *tool, const struct tensor_type **ret,
	struct err *err) must_use;

/* NULL: there is none of that name. */
const struct tensor_type *model_input(const struct model *m, const char *name);

/* "'a' FP32 [1,3], 'b' ..." of n tensors, cut off where the room ends. */
char *model_tensors_text(const struct tensor_type *types, size_t n, char *to, size_t size);

/* A tensor of 64-bit integers, all 0, of that shape; for an input of that name. */
struct tensor model_integers(const char *name, int64_t rows, int64_t columns);

#endif
