/*
 * detect_simulated.h - `detect` without a model, for trying pipelines out: invents objects, from a hash of the
 * picture's pixels, so that the same picture always has the same ones. What it gives says "simulated":true.
 */
#ifndef DETECT_SIMULATED_H
#define DETECT_SIMULATED_H

#include "picture.h"

int detect_simulated(const struct picture *p, const json_t *params, json_t **ret_data, struct err *err) must_use;

#endif
