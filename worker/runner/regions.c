#include "regions.h"

#include "params.h"
#include "picture.h"
#include "strokes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_REGIONS = 10000, MOST_CORNERS = 1000, MOST_DILATE = 500, BY_MODEL = 5, MIDDLE = 128 };
#define MOST_COVER 40.0         /* areas, added up, of so many times the picture: they are looked at one after the other */

struct gathering {
	const struct runner_job *job;
	const struct canvas *colours;
	struct hole *h;
	struct regions found;
	double covered;         /* pixels */
	int dilate;             /* -1: as suits */
};

struct region {
	struct corner corners[MOST_CORNERS];
	size_t n;
};

bool regions_is_aside(const struct job_input *in)
{
	static const char *const names[] = { "mask", "overlay", "drawn" };

	for (size_t i = 0; in->name && i < countof(names); i++)
		if (strcmp(in->name, names[i]) == 0)
			return true;
	return false;
}

/* ---- a mask ---- */

static int highest(const uint8_t *bytes, size_t n)
{
	int most = 0;

	for (size_t i = 0; i < n; i++)
		most = max_of(most, (int)bytes[i]);
	return most;
}

static void stretch_mask(const VipsImage *mask, struct hole *to)
{
	const uint8_t *bytes = (const uint8_t *)mask->data;
	size_t w = (size_t)mask->Xsize, h = (size_t)mask->Ysize;
	int least = highest(bytes, w * h) >= MIDDLE ? MIDDLE : 1;

	for (int y = 0; y < to->height; y++) {
		const uint8_t *row = bytes + (size_t)y * h / (size_t)to->height * w;

		for (int x = 0; x < to->width; x++)
			to->at[(size_t)y * (size_t)to->width + (size_t)x] = row[(size_t)x * w / (size_t)to->width] >= least;
	}
}

/* One band of 8 bits, in memory. */
static int load_mask(const struct job_input *in, size_t max_pixels, VipsImage **ret, struct err *err)
{
	scoped(picture_close) struct picture p = { 0 };
	scoped(image_unref_p) VipsImage *image = NULL;
	VipsImage *next;

	if (picture_open_fd(in->fd, max_pixels, &p, err) < 0 || picture_load(&p, true, &image, err) < 0)
		return -1;
	if (image->BandFmt == VIPS_FORMAT_USHORT) {
		if (vips_cast(image, &next, VIPS_FORMAT_UCHAR, "shift", TRUE, NULL))
			return picture_fail(err, "cannot convert");
		picture_step(&image, next);
	}
	if (image->Bands > 1) {
		if (vips_extract_band(image, &next, 0, NULL))
			return picture_fail(err, "cannot convert");
		picture_step(&image, next);
	}
	if (picture_decode(&image, err) < 0)
		return -1;
	*ret = steal(&image);
	return 0;
}

static int add_mask(struct gathering *g, const struct job_input *in, struct err *err)
{
	scoped(image_unref_p) VipsImage *mask = NULL;
	struct hole part;

	if (load_mask(in, g->job->max_pixels, &mask, err) < 0)
		return err_wrap(err, "the mask of step '%.100s'", in->step ? in->step : "");
	hole_make(&part, g->h->width, g->h->height);
	stretch_mask(mask, &part);
	hole_widen(&part, g->dilate >= 0 ? g->dilate : BY_MODEL);
	hole_add(g->h, &part, 0, 0);
	hole_done(&part);
	g->found.masks++;
	return 0;
}

/* ---- regions ---- */

static bool read_numbers(const json_t *list, size_t n, double *ret)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);

		if (!json_is_number(v))
			return false;
		ret[i] = json_number_value(v);
	}
	return true;
}

static bool read_box(const json_t *box, struct region *ret)
{
	double v[4];

	if (json_array_size(box) != 4 || !read_numbers(box, 4, v))
		return false;
	ret->corners[0] = (struct corner){ v[0], v[1] };
	ret->corners[1] = (struct corner){ v[0] + v[2], v[1] };
	ret->corners[2] = (struct corner){ v[0] + v[2], v[1] + v[3] };
	ret->corners[3] = (struct corner){ v[0], v[1] + v[3] };
	ret->n = 4;
	return true;
}

/* Pairs, or numbers one after the other. */
static bool read_points(const json_t *points, struct region *ret)
{
	bool is_flat = json_is_number(json_array_get(points, 0));
	size_t n = json_array_size(points) / (is_flat ? 2 : 1);
	double v[2];

	if (n < 3 || n > MOST_CORNERS)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (is_flat) {
			const json_t *x = json_array_get(points, 2 * i), *y = json_array_get(points, 2 * i + 1);

			v[0] = json_number_value(x);
			v[1] = json_number_value(y);
			if (!json_is_number(x) || !json_is_number(y))
				return false;
		} else if (json_array_size(json_array_get(points, i)) != 2 || !read_numbers(json_array_get(points, i), 2, v)) {
			return false;
		}
		ret->corners[i] = (struct corner){ v[0], v[1] };
	}
	ret->n = n;
	return true;
}

static int cover(struct gathering *g, const struct area *a, struct err *err)
{
	double all = (double)g->h->width * g->h->height;

	if (g->found.areas + g->found.texts >= MOST_REGIONS)
		return err_set(err, ERR_REJECT, "more than %d regions to fill", MOST_REGIONS);
	g->covered += (double)area_pixels(a);
	if (g->covered > MOST_COVER * all + 1e6)
		return err_set(err, ERR_REJECT, "the regions to fill lie over each other: together they are over %.0f times as large as the "
			"picture", MOST_COVER);
	return 0;
}

static int add_shape(struct gathering *g, const struct region *r, int dilate, struct err *err)
{
	struct area around = area_around(r->corners, r->n), grown = area_grown(&around, dilate);
	struct area a = area_within(&grown, g->h->width, g->h->height);
	struct hole part;

	if (cover(g, &a, err) < 0)
		return -1;
	g->found.areas++;
	if (area_pixels(&a) == 0)
		return 0;
	hole_make(&part, a.right - a.left, a.bottom - a.top);
	hole_polygon(&part, a.left, a.top, r->corners, r->n);
	hole_widen(&part, dilate);
	hole_add(g->h, &part, a.left, a.top);
	hole_done(&part);
	return 0;
}

static int add_text(struct gathering *g, const struct region *r, struct err *err)
{
	struct area around = area_around(r->corners, r->n), a = area_within(&around, g->h->width, g->h->height);
	struct colours c = { g->colours->pixels, g->colours->width, g->colours->height, g->colours->bands };

	if (cover(g, &a, err) < 0)
		return -1;
	g->found.texts++;
	if (area_pixels(&a) > 0)
		strokes_add(g->h, &c, r->corners, g->dilate);
	return 0;
}

/* `is_item`: of a need, which may lack a place, and not a person's own region. */
static int add_region(struct gathering *g, const json_t *from, bool is_item, double scale_x, double scale_y, struct err *err)
{
	const char *as = param_str(g->job->params, "mask_from", "auto");
	bool is_text = is_item && json_object_get(from, "line") && json_object_get(from, "points");
	scoped(free_p) struct region *r = xcalloc(1, sizeof *r);

	if (!read_points(json_object_get(from, "points"), r) && !read_box(json_object_get(from, "box"), r)) {
		if (is_item)
			return 0;
		return err_set(err, ERR_REJECT, "a region to fill has no \"box\" of four numbers and no \"points\" of 3 to %d corners", MOST_CORNERS);
	}
	for (size_t i = 0; i < r->n; i++) {
		r->corners[i].x *= scale_x;
		r->corners[i].y *= scale_y;
	}
	if (r->n == 4 && (strcmp(as, "text") == 0 || (strcmp(as, "auto") == 0 && is_text)))
		return add_text(g, r, err);
	return add_shape(g, r, g->dilate >= 0 ? g->dilate : is_item ? BY_MODEL : 0, err);
}

static double scale_of(const json_t *data, const char *side, int pixels)
{
	double seen = param_num(data, side, 0);

	return seen >= 1 ? pixels / seen : 1;
}

static int add_items(struct gathering *g, const json_t *data, struct err *err)
{
	const json_t *items = json_object_get(data, "items");

	for (size_t i = 0; i < json_array_size(items); i++)
		if (add_region(g, json_array_get(items, i), true, scale_of(data, "width", g->h->width),
				scale_of(data, "height", g->h->height), err) < 0)
			return -1;
	return 0;
}

int regions_read(const struct runner_job *job, const struct canvas *colours, struct hole *h, struct regions *ret,
	struct err *err)
{
	struct gathering g = { .job = job, .colours = colours, .h = h,
		.dilate = min_of(param_int(job->params, "dilate", -1), (int)MOST_DILATE) };
	const json_t *regions = json_object_get(job->params, "regions");

	for (size_t i = 0; i < json_array_size(regions); i++)
		if (add_region(&g, json_array_get(regions, i), false, 1, 1, err) < 0)
			return -1;
	for (size_t i = 0; i < job->ninputs; i++) {
		const struct job_input *in = &job->inputs[i];

		if (in->fd >= 0 && in->name && strcmp(in->name, "mask") == 0) {
			if (add_mask(&g, in, err) < 0)
				return -1;
		} else if (in->data && add_items(&g, in->data, err) < 0) {
			return -1;
		}
	}
	*ret = g.found;
	return 0;
}
