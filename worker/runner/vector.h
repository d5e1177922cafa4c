/*
 * vector.h - an embedding: a model's numbers at length 1, as JSON.
 */
#ifndef VECTOR_H
#define VECTOR_H

#include "err.h"

#include <jansson.h>

/* A new list of n numbers, L2-normalised, of at most 9 significant digits, which is all that a 32-bit float has. ERR_REJECT:
 * one is no number, or all are 0; `what` says of what. */
int vector_json(const float *v, size_t n, const char *what, json_t **ret, struct err *err) must_use;

#endif
