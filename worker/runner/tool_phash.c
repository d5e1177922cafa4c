/*
 * tool_phash.c - a 64-bit hash that near pictures share most bits of.
 *
 * `vips thumbnail IN OUT 32 --height 32 --size force`, alpha over white, `vips colourspace OUT GREY b-w`; of the
 * 32 x 32 grey values the two-dimensional DCT-II; of its 8 x 8 lowest frequencies one bit each, row by
 * row, highest bit first: 1 when it is over their median. (The construction of the Python package
 * imagehash's phash.)
 *
 *	{"phash":"c3d2a1f05e6b7889"}
 */
#include "picture.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, LOW = 8 };

static int to_grey(VipsImage **image)
{
	VipsImage *next;

	if (vips_image_hasalpha(*image)) {
		double white = 255;
		VipsArrayDouble *background = vips_array_double_new(&white, 1);
		int r = vips_flatten(*image, &next, "background", background, NULL);

		vips_area_unref(VIPS_AREA(background));
		if (r < 0)
			return -1;
		picture_step(image, next);
	}
	if (vips_colourspace(*image, &next, VIPS_INTERPRETATION_B_W, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

struct waves {
	double at[LOW][SIDE];   /* cos(pi k (2n+1) / (2 SIDE)) */
};

static void waves_init(struct waves *w)
{
	for (int k = 0; k < LOW; k++)
		for (int n = 0; n < SIDE; n++)
			w->at[k][n] = cos(G_PI * k * (2 * n + 1) / (2.0 * SIDE));
}

/* The LOW lowest of the DCT-II of SIDE values, `step` apart: 2 sum x[n] cos(pi k (2n+1) / (2 SIDE)). */
static void dct(const struct waves *w, const double *from, size_t step, double to[LOW])
{
	for (int k = 0; k < LOW; k++) {
		to[k] = 0;
		for (int n = 0; n < SIDE; n++)
			to[k] += 2 * from[(size_t)n * step] * w->at[k][n];
	}
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static uint64_t hash(VipsImage *grey)
{
	double rows[SIDE][LOW], low[LOW][LOW], line[SIDE], column[LOW], sorted[LOW * LOW], median;
	struct waves w;
	uint64_t bits = 0;

	waves_init(&w);
	for (int y = 0; y < SIDE; y++) {
		for (int x = 0; x < SIDE; x++)
			line[x] = *VIPS_IMAGE_ADDR(grey, x, y);
		dct(&w, line, 1, rows[y]);
	}
	for (int x = 0; x < LOW; x++) {
		dct(&w, &rows[0][x], LOW, column);
		for (int y = 0; y < LOW; y++)
			low[y][x] = column[y];
	}
	memcpy(sorted, low, sizeof sorted);
	qsort(sorted, LOW * LOW, sizeof *sorted, ascending);
	median = (sorted[LOW * LOW / 2 - 1] + sorted[LOW * LOW / 2]) / 2;
	for (int i = 0; i < LOW * LOW; i++)
		bits = bits << 1 | (low[i / LOW][i % LOW] > median);
	return bits;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	const struct picture_box box = { .width = SIDE, .height = SIDE, .size = VIPS_SIZE_FORCE, .crop = VIPS_INTERESTING_NONE };
	scoped(picture_close) struct picture p = { 0 };
	scoped(image_unref_p) VipsImage *image = NULL;
	char text[17];

	if (picture_open(job, &p, err) < 0 || picture_shrink(&p, &box, 1, &image, err) < 0)
		return -1;
	if (to_grey(&image) < 0)
		return picture_fail(err, "cannot decode");
	if (picture_decode(&image, err) < 0)
		return -1;
	must(image->Xsize == SIDE && image->Ysize == SIDE && image->BandFmt == VIPS_FORMAT_UCHAR);
	snprintf(text, sizeof text, "%016" PRIx64, hash(image));
	*ret_data = json_pack("{s:s}", "phash", text);
	return 0;
}

const struct runner_tool tool_phash = { "phash", run };
