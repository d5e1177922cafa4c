/*
 * vector.h - an embedding: a model's numbers at length 1, as JSON.
 */
#ifndef VECTOR_H
#define VECTOR_H

#include "infer.h"

#include <jansson.h>

/* A new list of n numbers, L2-normalised, of at most 9 significant digits, which is all that a 32-bit float has. ERR_REJECT:
 * one is no number, or all are 0; `what` says of what. */
int vector_json(const float *v, size_t n, const char *what, json_t **ret, struct err *err) must_use;

/* The same of a model's output FP32 [1,dim]; dim is the card's, when it says one. */
int vector_of_output(const struct model *model, const struct tensor *out, const char *tool, json_t **ret, struct err *err) must_use;

#endif
