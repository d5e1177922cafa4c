/*
 * tool_convert.c - another format, the same picture: `vips autorot`, then `vips icc_transform IN OUT srgb
 * --embedded` when there is a profile (else `vips colourspace IN OUT srgb`), then the saver.
 */
#include "picture_write.h"

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(picture_close) struct picture p = { 0 };
	scoped(image_unref_p) VipsImage *image = NULL;

	(void)ret_data;
	if (picture_open(job, &p, err) < 0 || picture_load(&p, false, &image, err) < 0)
		return -1;
	return picture_write(job, &p, image, "picture", NULL, err);
}

const struct runner_tool tool_convert = { "convert", run };
