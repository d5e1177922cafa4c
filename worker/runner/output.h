/*
 * output.h - where a task's outputs go: to the parent's store, a file, or a test.
 *
 * The tools call output_open and output_done of tool.h; whoever runs the tool fills this in,
 * as the first member of a struct of its own.
 */
#ifndef RUNNER_OUTPUT_H
#define RUNNER_OUTPUT_H

#include "tool.h"

struct output {
	const char *name, *media_type, *origin; /* origin may be NULL */
	int width, height;                      /* 0: no picture */
};

struct runner_ctx {
	int (*open)(struct runner_ctx *ctx, int *ret_fd, struct err *err);
	int (*done)(struct runner_ctx *ctx, int fd, const struct output *out, struct err *err);
};

#endif
