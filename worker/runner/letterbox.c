#include "letterbox.h"

#include <math.h>
#include <stdlib.h>

#define GREY (114.0f / 255)

static int to_bytes(VipsImage **image, struct err *err)
{
	VipsImage *next;

	if (vips_image_hasalpha(*image)) {
		double white[] = { 255, 255, 255 };
		VipsArrayDouble *background = vips_array_double_new(white, (*image)->Bands - 1);
		int r = vips_flatten(*image, &next, "background", background, NULL);

		vips_area_unref(VIPS_AREA(background));
		if (r < 0)
			return picture_fail(err, "cannot decode");
		picture_step(image, next);
	}
	if (vips_cast(*image, &next, VIPS_FORMAT_UCHAR, NULL))
		return picture_fail(err, "cannot decode");
	picture_step(image, next);
	return picture_decode(image, err);
}

static void fill(const struct letterbox *l, VipsImage *image, float *planes)
{
	size_t plane = (size_t)l->width * (size_t)l->height;

	for (size_t i = 0; i < 3 * plane; i++)
		planes[i] = GREY;
	for (int y = 0; y < l->inner_height; y++) {
		const VipsPel *from = VIPS_IMAGE_ADDR(image, 0, y);
		float *to = planes + (size_t)(l->top + y) * (size_t)l->width + (size_t)l->left;

		for (int x = 0; x < l->inner_width; x++, from += image->Bands)
			for (int c = 0; c < 3; c++)
				to[(size_t)c * plane + (size_t)x] = (float)from[image->Bands == 3 ? c : 0] / 255;
	}
}

int letterbox_make(const struct picture *p, int width, int height, struct letterbox *ret, float **ret_planes, struct err *err)
{
	const struct picture_box box = { width, height, VIPS_SIZE_BOTH, VIPS_INTERESTING_NONE };
	scoped(image_unref_p) VipsImage *image = NULL;
	struct letterbox l = { .width = width, .height = height, .picture_width = p->width, .picture_height = p->height };

	if (picture_shrink(p, &box, 1, &image, err) < 0 || to_bytes(&image, err) < 0)
		return -1;
	if (image->Bands != 3 && image->Bands != 1)
		return err_set(err, ERR_REJECT, "the picture has %d bands, a model takes grey or RGB", image->Bands);
	must(image->Xsize <= width && image->Ysize <= height);
	l.inner_width = image->Xsize;
	l.inner_height = image->Ysize;
	l.left = (int)lround((width - l.inner_width) / 2.0 - 0.1);
	l.top = (int)lround((height - l.inner_height) / 2.0 - 0.1);
	*ret_planes = xcalloc((size_t)width * (size_t)height, 3 * sizeof **ret_planes);
	fill(&l, image, *ret_planes);
	*ret = l;
	return 0;
}

static float back(float v, int pad, int inner, int whole)
{
	double at = ((double)v - pad) * whole / inner;

	return (float)(at < 0 ? 0 : at > whole ? whole : at);
}

void letterbox_back(const struct letterbox *l, struct box *b)
{
	b->left = back(b->left, l->left, l->inner_width, l->picture_width);
	b->right = back(b->right, l->left, l->inner_width, l->picture_width);
	b->top = back(b->top, l->top, l->inner_height, l->picture_height);
	b->bottom = back(b->bottom, l->top, l->inner_height, l->picture_height);
}
