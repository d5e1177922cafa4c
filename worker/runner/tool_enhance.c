/*
 * tool_enhance.c - effects, on the upright sRGB picture; alpha stays as it is (blur blurs it too).
 *
 *	blur            vips gaussblur IN OUT SIGMA
 *	sharpen         vips sharpen IN OUT --sigma SIGMA
 *	edge            vips sobel IN OUT
 *	emboss          vips conv IN OUT emboss.mat          the 3 x 3 matrix below
 *	grayscale       vips colourspace IN OUT b-w          (grey16 for 16 bits)
 */
#include "params.h"
#include "picture_write.h"

#include <string.h>

static int blur(VipsImage *in, VipsImage **out, double sigma)
{
	return vips_gaussblur(in, out, sigma, NULL);
}

static int sharpen(VipsImage *in, VipsImage **out, double sigma)
{
	return vips_sharpen(in, out, "sigma", sigma, NULL);
}

static int edge(VipsImage *in, VipsImage **out, double sigma)
{
	(void)sigma;
	return vips_sobel(in, out, NULL);
}

static int emboss(VipsImage *in, VipsImage **out, double sigma)
{
	scoped(image_unref_p) VipsImage *matrix = vips_image_new_matrixv(3, 3,
		-2.0, -1.0, 0.0,
		-1.0,  1.0, 1.0,
		 0.0,  1.0, 2.0);

	(void)sigma;
	return vips_conv(in, out, matrix, NULL);
}

static int grayscale(VipsImage *in, VipsImage **out, double sigma)
{
	(void)sigma;
	return vips_colourspace(in, out, picture_is_wide(in) ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W, NULL);
}

static const struct effect {
	const char *name;
	bool with_alpha;        /* works on all bands, colours weighted by alpha */
	int (*apply)(VipsImage *in, VipsImage **out, double sigma);
} effects[] = {
	{ "blur", true, blur },
	{ "sharpen", false, sharpen },
	{ "edge", false, edge },
	{ "emboss", false, emboss },
	{ "grayscale", false, grayscale },
};

/* Each step of a chain that keeps the depth of the picture at the end. */
static int apply_with_alpha(const struct effect *e, VipsImage **image, double sigma)
{
	VipsImage *next;

	if (vips_premultiply(*image, &next, NULL))
		return -1;
	picture_step(image, next);
	if (e->apply(*image, &next, sigma))
		return -1;
	picture_step(image, next);
	if (vips_unpremultiply(*image, &next, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

static int apply_beside_alpha(const struct effect *e, VipsImage **image, double sigma)
{
	scoped(image_unref_p) VipsImage *alpha = NULL;
	VipsImage *next;

	if (vips_extract_band(*image, &alpha, (*image)->Bands - 1, NULL))
		return -1;
	if (vips_extract_band(*image, &next, 0, "n", (*image)->Bands - 1, NULL))
		return -1;
	picture_step(image, next);
	if (e->apply(*image, &next, sigma))
		return -1;
	picture_step(image, next);
	if (vips_bandjoin2(*image, alpha, &next, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

static int apply(const struct effect *e, VipsImage **image, double sigma)
{
	VipsBandFormat depth = (*image)->BandFmt;
	VipsImage *next;
	int r;

	if (!vips_image_hasalpha(*image)) {
		r = e->apply(*image, &next, sigma);
		if (r == 0)
			picture_step(image, next);
	} else {
		r = (e->with_alpha ? apply_with_alpha : apply_beside_alpha)(e, image, sigma);
	}
	if (r < 0 || vips_cast(*image, &next, depth, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	const char *name = param_str(job->params, "effect", "");
	const struct effect *e = NULL;
	scoped(picture_close) struct picture p = { 0 };
	scoped(image_unref_p) VipsImage *image = NULL;

	(void)ret_data;
	for (size_t i = 0; i < countof(effects); i++)
		if (strcmp(effects[i].name, name) == 0)
			e = &effects[i];
	if (!e)
		return err_set(err, ERR_REJECT, "there is no effect '%s'", name);
	if (picture_open(job, &p, err) < 0)
		return -1;
	/* Each effect goes down the picture once, a few lines wide; beside alpha there are two readers. */
	if (picture_load(&p, vips_image_hasalpha(p.header), &image, err) < 0)
		return -1;
	if (apply(e, &image, param_num(job->params, "sigma", 1.5)) < 0)
		return picture_fail(err, "cannot enhance");
	return picture_write(job, &p, image, "picture", NULL, err);
}

const struct runner_tool tool_enhance = { "enhance", run };
