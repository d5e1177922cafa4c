/*
 * params.h - reading a tool's parameters, which are complete and checked before it runs.
 *
 * What is not there, or null, gives `otherwise`.
 */
#ifndef PARAMS_H
#define PARAMS_H

#include "base.h"

#include <jansson.h>

static inline bool param_has(const json_t *params, const char *name)
{
	const json_t *v = json_object_get(params, name);

	return v && !json_is_null(v);
}

static inline double param_num(const json_t *params, const char *name, double otherwise)
{
	const json_t *v = json_object_get(params, name);

	return json_is_number(v) ? json_number_value(v) : otherwise;
}

/* Every INT of tools.def has bounds inside of int. */
static inline int param_int(const json_t *params, const char *name, int otherwise)
{
	double v = param_num(params, name, otherwise);

	return v >= -2147483648.0 && v <= 2147483647.0 ? (int)v : otherwise;
}

static inline bool param_bool(const json_t *params, const char *name)
{
	return json_is_true(json_object_get(params, name));
}

static inline const char *param_str(const json_t *params, const char *name, const char *otherwise)
{
	const char *v = json_string_value(json_object_get(params, name));

	return v ? v : otherwise;
}

#endif
