/*
 * tool_draw.c - boxes and labels on the upright sRGB picture: see drawing.h.
 *
 * Boxes are the parameter's, then the `items` of the needs' data (detect, faces, filter), which are scaled when
 * their data says that it saw a picture of another width and height.
 */
#include "drawing.h"
#include "params.h"
#include "picture_write.h"

static double scale_of(const json_t *data, const char *side, int pixels)
{
	double seen = param_num(data, side, 0);

	return seen >= 1 ? pixels / seen : 1;
}

static int draw_all(struct pen *pen, const struct runner_job *job)
{
	size_t left = DRAWING_MOST;

	if (pen_draw(pen, json_object_get(job->params, "boxes"), 1, 1, &left) < 0)
		return -1;
	for (size_t i = 0; i < job->ninputs; i++) {
		const json_t *data = job->inputs[i].data;

		if (pen_draw(pen, json_object_get(data, "items"), scale_of(data, "width", pen->image->Xsize),
				scale_of(data, "height", pen->image->Ysize), &left) < 0)
			return -1;
	}
	return 0;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(picture_close) struct picture p = { 0 };
	scoped(image_unref_p) VipsImage *image = NULL;
	struct pen pen;

	(void)ret_data;
	if (picture_open(job, &p, err) < 0 || drawing_open(&p, &image, err) < 0)
		return -1;
	pen = pen_make(job->params, image);
	if (draw_all(&pen, job) < 0)
		return picture_fail(err, "cannot draw");
	return picture_write(job, &p, image, "picture", NULL, err);
}

const struct runner_tool tool_draw = { "draw", run };
