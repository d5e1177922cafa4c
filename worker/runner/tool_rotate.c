/*
 * tool_rotate.c - turn clockwise, then mirror: `vips rot IN OUT d90|d180|d270`, for other angles
 * `vips rotate IN OUT ANGLE --background "R G B"` (the corners of a picture with alpha are
 * transparent), then `vips flip IN OUT horizontal|vertical`.
 */
#include "params.h"
#include "picture_write.h"

#include <math.h>
#include <string.h>

static int turn_right_angles(VipsImage **image, int quarters)
{
	static const VipsAngle angles[] = { VIPS_ANGLE_D0, VIPS_ANGLE_D90, VIPS_ANGLE_D180, VIPS_ANGLE_D270 };
	VipsImage *next;

	if (quarters == 0)
		return 0;
	if (vips_rot(*image, &next, angles[quarters], NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

static int turn_freely(VipsImage **image, double angle, const char *color)
{
	VipsImage *next;
	VipsArrayDouble *background;
	VipsBandFormat depth = (*image)->BandFmt;
	double ink[4];
	int r, n = picture_ink(*image, color, ink);

	if (vips_image_hasalpha(*image))
		ink[n - 1] = 0;
	background = vips_array_double_new(ink, n);
	r = vips_rotate(*image, &next, angle, "background", background, NULL);
	vips_area_unref(VIPS_AREA(background));
	if (r < 0)
		return -1;
	picture_step(image, next);
	if (vips_cast(*image, &next, depth, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

static int turn(VipsImage **image, const json_t *params)
{
	double angle = fmod(param_num(params, "angle", 0) + 360, 360);
	double quarters = angle / 90;

	if (quarters == floor(quarters))
		return turn_right_angles(image, (int)quarters % 4);
	return turn_freely(image, angle, param_str(params, "background", "#ffffff"));
}

static int flip(VipsImage **image, const char *how)
{
	VipsImage *next;

	if (strcmp(how, "none") == 0)
		return 0;
	if (vips_flip(*image, &next, strcmp(how, "horizontal") == 0 ? VIPS_DIRECTION_HORIZONTAL : VIPS_DIRECTION_VERTICAL, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

/* Turned freely, it needs a larger rectangle. */
static double turned_pixels(const struct picture *p, double degrees)
{
	double c = fabs(cos(degrees * G_PI / 180)), s = fabs(sin(degrees * G_PI / 180));

	return (p->width * c + p->height * s) * (p->width * s + p->height * c);
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(picture_close) struct picture p = { 0 };
	scoped(image_unref_p) VipsImage *image = NULL;

	(void)ret_data;
	if (picture_open(job, &p, err) < 0)
		return -1;
	p.use.result_pixels = turned_pixels(&p, param_num(job->params, "angle", 0));
	if (picture_load(&p, true, &image, err) < 0)
		return -1;
	if (turn(&image, job->params) < 0 || flip(&image, param_str(job->params, "flip", "none")) < 0)
		return picture_fail(err, "cannot rotate");
	return picture_write(job, &p, image, "picture", NULL, err);
}

const struct runner_tool tool_rotate = { "rotate", run };
