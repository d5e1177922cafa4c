/*
 * tool_stats.c - least, greatest, mean and deviation of each band, of the pixels as the file has them:
 * the columns of `vips stats IN OUT`. With `size`, of `vips thumbnail IN OUT SIZE` (sRGB, upright).
 *
 *	{"width":640,"height":480,"bands":3,"min":[...],"max":[...],"mean":[...],"deviation":[...]}
 */
#include "params.h"
#include "picture.h"

#include <math.h>

enum { COLUMN_MIN = 0, COLUMN_MAX = 1, COLUMN_MEAN = 4, COLUMN_DEVIATION = 5 };

/* Row 0 is of all bands together, then one for each. */
static json_t *column(VipsImage *stats, int x)
{
	json_t *list = json_array();

	for (int y = 1; y < stats->Ysize; y++) {
		double v = *(double *)VIPS_IMAGE_ADDR(stats, x, y);

		json_array_append_new(list, isfinite(v) ? json_real(v) : json_null());
	}
	return list;
}

static json_t *as_json(VipsImage *image, VipsImage *stats)
{
	return json_pack("{s:i,s:i,s:i,s:o,s:o,s:o,s:o}", "width", image->Xsize, "height", image->Ysize,
		"bands", image->Bands,
		"min", column(stats, COLUMN_MIN), "max", column(stats, COLUMN_MAX),
		"mean", column(stats, COLUMN_MEAN), "deviation", column(stats, COLUMN_DEVIATION));
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	int size = param_int(job->params, "size", 0);
	const struct picture_box box = { .width = size, .height = size, .size = VIPS_SIZE_BOTH, .crop = VIPS_INTERESTING_NONE };
	scoped(picture_close) struct picture p = { 0 };
	scoped(image_unref_p) VipsImage *image = NULL;
	scoped(image_unref_p) VipsImage *stats = NULL;

	if (picture_open(job, &p, err) < 0)
		return -1;
	if ((size > 0 ? picture_shrink(&p, &box, 1, &image, err) : picture_load_raw(&p, &image, err)) < 0)
		return -1;
	if (vips_stats(image, &stats, NULL))
		return picture_fail(err, "cannot decode");
	if (picture_decode(&stats, err) < 0)
		return -1;
	*ret_data = as_json(image, stats);
	return 0;
}

const struct runner_tool tool_stats = { "stats", run };
