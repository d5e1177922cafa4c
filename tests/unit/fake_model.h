/*
 * fake_model.h - a backend inside a test: what it says of its models, and what they answer.
 *
 *	static int backend(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
 *	{
 *		if (fake_describes(question, "{\"model\":{...},\"card\":{}}", ret, ret_fd))
 *			return 0;
 *		fake_input(question, fd, seen, sizeof seen);
 *		fake_answer((struct fake_tensor[]){ { "out", "[1,2]", values, 2 } }, 1, ret, ret_fd);
 *		return 0;
 *	}
 */
#ifndef FAKE_MODEL_H
#define FAKE_MODEL_H

#include "base.h"

#include <jansson.h>

struct fake_tensor {            /* FP32 */
	const char *name, *shape;       /* "[1,2]" */
	const float *values;
	size_t n;
};

/* True when the question is what the model is like: `says` is the answer to that. */
bool fake_describes(const json_t *question, const char *says, json_t **ret, int *ret_fd);
const char *fake_part(const json_t *question);
/* The first input; fails unless it has so many bytes. */
void fake_input(const json_t *question, int fd, void *to, size_t size);
int fake_rows(const json_t *question);          /* the first input's first axis */
void fake_answer(const struct fake_tensor *tensors, size_t n, json_t **ret, int *ret_fd);

#endif
