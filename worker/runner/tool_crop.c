/*
 * tool_crop.c - a rectangle of the upright picture: `vips autorot`, to sRGB as convert does it,
 * `vips crop IN OUT LEFT TOP WIDTH HEIGHT`.
 */
#include "params.h"
#include "picture_write.h"

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	int left = param_int(job->params, "left", 0), top = param_int(job->params, "top", 0);
	int width = param_int(job->params, "width", 0), height = param_int(job->params, "height", 0);
	scoped(picture_close) struct picture p = { 0 };
	scoped(image_unref_p) VipsImage *image = NULL;
	VipsImage *next;

	(void)ret_data;
	if (picture_open(job, &p, err) < 0)
		return -1;
	if ((long)left + width > p.width || (long)top + height > p.height)
		return err_set(err, ERR_REJECT, "the rectangle of %d x %d pixels at %d,%d is not inside of the picture of %d x %d",
			width, height, left, top, p.width, p.height);
	if (picture_load(&p, false, &image, err) < 0)
		return -1;
	if (vips_crop(image, &next, left, top, width, height, NULL))
		return picture_fail(err, "cannot crop");
	picture_step(&image, next);
	return picture_write(job, &p, image, "picture", NULL, err);
}

const struct runner_tool tool_crop = { "crop", run };
