/*
 * output.h - where a task's outputs go: to the parent's store, a file, or a test; and who is
 * asked for what the runner cannot do.
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
	/* The descriptor is closed, on -1 too. */
	int (*done)(struct runner_ctx *ctx, int fd, const struct output *out, struct err *err);
	/* A question about a model, as in wire.h, with a file or -1. *ret is new, *ret_fd the file that came with it
	 * or -1. NULL: nobody is there to ask. */
	int (*ask)(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err);
	/* So many bytes are about to be taken, by what `what` says. Returns when there is room. NULL: nobody counts. */
	int (*memory)(struct runner_ctx *ctx, size_t bytes, const char *what, struct err *err);
};

#endif
