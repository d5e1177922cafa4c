/*
 * tool_resize.c - another size.
 *
 * 8-bit pictures with the default kernel: `vips thumbnail IN OUT WIDTH --height HEIGHT` with `--size both`,
 * `down` (enlarge false) or `force` (keep_aspect false), and `--export-profile srgb` when the picture has
 * a profile: the decoder's own shrinking is used. Another kernel, or 16 bits, which stay: the upright sRGB
 * picture through `vips resize IN OUT HSCALE --vscale VSCALE --kernel KERNEL`.
 */
#include "params.h"
#include "picture_write.h"

/* The box, with what was not asked for as large as can be; exact sizes need both sides. */
static int target(const struct runner_job *job, const struct picture *p, struct picture_box *ret, struct err *err)
{
	bool has_width = param_has(job->params, "width"), has_height = param_has(job->params, "height");
	bool enlarge = param_bool(job->params, "enlarge");

	if (!has_width && !has_height)
		return err_set(err, ERR_REJECT, "resize needs 'width' or 'height'");
	ret->width = has_width ? param_int(job->params, "width", 1) : VIPS_MAX_COORD;
	ret->height = has_height ? param_int(job->params, "height", 1) : VIPS_MAX_COORD;
	ret->size = enlarge ? VIPS_SIZE_BOTH : VIPS_SIZE_DOWN;
	ret->crop = VIPS_INTERESTING_NONE;
	ret->is_fast = param_bool(job->params, "fast_shrink");
	if (has_width && has_height && !param_bool(job->params, "keep_aspect")) {
		ret->size = VIPS_SIZE_FORCE;
		if (!enlarge) {
			ret->width = min_of(ret->width, p->width);
			ret->height = min_of(ret->height, p->height);
		}
	}
	return 0;
}

static void scales(const struct picture_box *box, const struct picture *p, double *h, double *v)
{
	*h = (double)box->width / p->width;
	*v = (double)box->height / p->height;
	if (box->size == VIPS_SIZE_FORCE)
		return;
	*h = *v = min_of(*h, *v);
	if (box->size == VIPS_SIZE_DOWN)
		*h = *v = min_of(*h, 1.0);
	/* No side may vanish. */
	*h = max_of(*h, 1.0 / p->width);
	*v = max_of(*v, 1.0 / p->height);
}

static VipsKernel kernel_of(const struct runner_job *job)
{
	int k = vips_enum_from_nick("resize", VIPS_TYPE_KERNEL, param_str(job->params, "kernel", "lanczos3"));

	return k < 0 ? VIPS_KERNEL_LANCZOS3 : (VipsKernel)k;
}

/* Colours count by how opaque they are, else what is invisible bleeds into what is not. */
static int resize(VipsImage **image, double h, double v, VipsKernel kernel)
{
	bool alpha = vips_image_hasalpha(*image);
	VipsBandFormat depth = (*image)->BandFmt;
	VipsImage *next;

	if (alpha) {
		if (vips_premultiply(*image, &next, NULL))
			return -1;
		picture_step(image, next);
	}
	if (vips_resize(*image, &next, h, "vscale", v, "kernel", kernel, NULL))
		return -1;
	picture_step(image, next);
	if (alpha) {
		if (vips_unpremultiply(*image, &next, NULL))
			return -1;
		picture_step(image, next);
	}
	if (vips_cast(*image, &next, depth, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(picture_close) struct picture p = { 0 };
	scoped(image_unref_p) VipsImage *image = NULL;
	VipsKernel kernel = kernel_of(job);
	struct picture_box box;
	double h, v;

	(void)ret_data;
	if (picture_open(job, &p, err) < 0 || target(job, &p, &box, err) < 0)
		return -1;
	if (kernel == VIPS_KERNEL_LANCZOS3 && p.header->BandFmt == VIPS_FORMAT_UCHAR) {
		if (picture_shrink(&p, &box, 1, &image, err) < 0)
			return -1;
	} else {
		scales(&box, &p, &h, &v);
		p.use = (struct picture_use){ .is_resized = true, .result_pixels = h * p.width * v * p.height };
		if (picture_load(&p, false, &image, err) < 0)
			return -1;
		if (resize(&image, h, v, kernel) < 0)
			return picture_fail(err, "cannot resize");
	}
	return picture_write(job, &p, image, "picture", NULL, err);
}

const struct runner_tool tool_resize = { "resize", run };
