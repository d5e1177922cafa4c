/*
 * registry.h - the tools that this runner has, and running one.
 */
#ifndef RUNNER_REGISTRY_H
#define RUNNER_REGISTRY_H

#include "tool.h"

const struct runner_tool *runner_tool_find(const char *name);  /* NULL: not in this runner */

/* Runs job->tool with job->params, which come without defaults: checks them, fills them in. An unknown
 * tool or a bad parameter is ERR_REJECT. *ret_data is a new reference or stays as it was. */
int runner_run(const struct runner_job *job, json_t **ret_data, struct err *err) must_use;

/* Once, before any picture: libvips for one small task at a time, untrusted decoders blocked. */
int runner_init(const char *program, struct err *err) must_use;

#endif
