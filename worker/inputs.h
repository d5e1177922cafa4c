/*
 * inputs.h - what the needs of a step gave.
 *
 * An input is {"step","item","data":...} or {"step","item","artifact":{...}} (shared/task.h). Data
 * that was too large for an envelope is the artifact "data" of type application/json, and is
 * data again for whoever reads it.
 */
#ifndef INPUTS_H
#define INPUTS_H

#include "err.h"
#include "store.h"
#include "upstream.h"

#include <jansson.h>

/* The data of one input: a new reference, or NULL when it is a file. */
int input_data(struct store *store, const json_t *input, json_t **ret, struct err *err) must_use;
bool input_is_data(const json_t *input);

/* GETs the list that an envelope only names, from a dispatcher. *ret is a new reference. On -1 *ret_nobody says that no
 * dispatcher was there, or none that could ask PostgreSQL: nothing that the step could be charged with. */
int inputs_fetch(struct upstream *u, const char *path, unsigned timeout_s, const bool *stop, json_t **ret, bool *ret_nobody,
	struct err *err) must_use;

#endif
