#include "output.h"

int output_open(struct runner_ctx *ctx, int *ret_fd, struct err *err)
{
	return ctx->open(ctx, ret_fd, err);
}

int output_done(struct runner_ctx *ctx, int take_fd, const char *name, const char *media_type, const char *origin,
	int width, int height, struct err *err)
{
	const struct output out = { name, media_type, origin, width, height };

	return ctx->done(ctx, take_fd, &out, err);
}
