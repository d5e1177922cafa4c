/*
 * tool.h - one kind of work on a picture, inside the runner.
 *
 * To add a tool: its rows in shared/tools.def (runs RUNNER), RUNNER_TOOL(NAME) in
 * tools_list.def, its file tool_NAME.c defining `const struct runner_tool tool_NAME`, and
 * tests/unit/test_tool_NAME.c. The defaults of the table are filled in before run() is called.
 */
#ifndef RUNNER_TOOL_H
#define RUNNER_TOOL_H

#include "buf.h"
#include "err.h"

struct job_input {              /* one of the task's inputs */
	const char *step, *name, *media_type, *origin;  /* origin: format of the picture it came from, "jpeg" */
	int item;
	int fd;                 /* of an artifact, positioned anywhere; -1 for data */
	const json_t *data;     /* NULL for an artifact */
	const char *digest;     /* of an artifact; "" or NULL: not known */
};

struct runner_ctx;              /* of one task: how outputs reach the parent */

struct runner_job {
	const char *tool, *job, *step;
	int item, attempt;
	bool final;             /* see task.h */
	const json_t *params;   /* with defaults */
	const struct job_input *inputs;
	size_t ninputs;
	const json_t *shared;   /* whom it shares its picture with, as in shared/sharing.h; NULL: nobody */
	size_t max_pixels;      /* width x height x pages that may be decoded */
	struct runner_ctx *ctx;
};

struct runner_tool {
	const char *name;
	/* *ret_data may stay NULL; outputs are given through output_open/output_done. */
	int (*run)(const struct runner_job *job, json_t **ret_data, struct err *err) must_use;
};

/* A descriptor of the parent's store to write one output into. */
int output_open(struct runner_ctx *ctx, int *ret_fd, struct err *err) must_use;
/* Tell the parent that the output is complete. `name` is unique in the task; width and height 0: no picture. The
 * descriptor is closed, on -1 too. */
int output_done(struct runner_ctx *ctx, int take_fd, const char *name, const char *media_type, const char *origin,
	int width, int height, struct err *err) must_use;

#endif
