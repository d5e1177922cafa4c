/* picture_fit.c - picture_shrink: fitted into boxes, from pixels that the decoder made small. */
#include "picture.h"

#include "admission.h"
#include "decoded.h"

#include <math.h>
#include <string.h>

/* By how much a w x h picture may at least be shrunk for the box: as vips_thumbnail computes it. */
static double shrink_for(const struct picture *p, const struct picture_box *box)
{
	double h = (double)p->width / box->width, v = (double)p->height / box->height;
	double shrink = box->crop == VIPS_INTERESTING_NONE ? max_of(h, v) : min_of(h, v);

	if (box->size == VIPS_SIZE_FORCE)
		shrink = min_of(h, v);
	return max_of(shrink, 1.0);
}

/* libjpeg can give the picture at a half, a quarter or an eighth. A factor of two is left to the
 * better filter, as vips_thumbnail does it. */
static int jpeg_shrink_for(const struct picture *p, const struct picture_box *box)
{
	double shrink = shrink_for(p, box) / (box->is_fast ? 1 : 2);

	return shrink >= 8 ? 8 : shrink >= 4 ? 4 : shrink >= 2 ? 2 : 1;
}

static int fit(const struct picture *p, VipsImage *from, const struct picture_box *box, VipsImage **ret)
{
	return vips_thumbnail_image(from, ret, box->width, "height", box->height, "size", box->size, "crop", box->crop,
		p->has_profile ? "export_profile" : NULL, "srgb", NULL);
}

/* Pixels of the picture when it was fitted, before what is over the box is cut off. */
static double fitted_pixels(const struct picture *p, const struct picture_box *box)
{
	double h = (double)p->width / box->width, v = (double)p->height / box->height;
	double shrink = box->crop == VIPS_INTERESTING_NONE ? max_of(h, v) : min_of(h, v);

	if (box->size == VIPS_SIZE_FORCE)
		return (double)box->width * box->height;
	if (box->size == VIPS_SIZE_DOWN)
		shrink = max_of(shrink, 1.0);
	return (double)p->width / shrink * ((double)p->height / shrink);
}

/* The sizes of a list may be saved in other formats than the tool's. */
static double worst_saver(const struct picture *p)
{
	const json_t *sizes = p->job ? json_object_get(p->job->params, "sizes") : NULL;
	double worst = p->job ? admission_saver(p->job, p, NULL) : 0;

	for (size_t i = 0; i < json_array_size(sizes); i++)
		worst = max_of(worst, admission_saver(p->job, p, json_array_get(sizes, i)));
	return worst;
}

/* ---- the decoder's scale ---- */

struct scale {
	int jpeg;               /* 1, 2, 4, 8 */
	double webp;            /* at most 1 */
};

/* By how much the decoder may shrink it, at most. */
struct need {
	int jpeg;
	double webp;
};

static struct scale scale_for(const struct picture *p, struct need n)
{
	return (struct scale){ strcmp(p->format, "jpeg") == 0 ? n.jpeg : 1, strcmp(p->format, "webp") == 0 ? 1 / n.webp : 1 };
}

static double bytes_at(const struct picture *p, struct scale s)
{
	double width = ceil(p->header->Xsize / (double)s.jpeg * s.webp), height = ceil(p->header->Ysize / (double)s.jpeg * s.webp);

	return width * height * (double)VIPS_IMAGE_SIZEOF_PEL(p->header);
}

static void need_add(struct need *n, const struct picture *p, const struct picture_box *box)
{
	n->webp = min_of(n->webp, shrink_for(p, box));
	n->jpeg = min_of(n->jpeg, jpeg_shrink_for(p, box));
}

static struct need need_of_all(const struct picture *p, const struct picture_box *boxes, size_t n)
{
	struct need need = { 8, INFINITY };

	for (size_t i = 0; i < n; i++)
		need_add(&need, p, &boxes[i]);
	return need;
}

int picture_sharers(const struct picture *p)
{
	json_int_t steps = p->job && p->digest ? json_integer_value(json_object_get(p->job->shared, "steps")) : 0;

	return steps > 1 && steps < 100000 ? (int)steps : 0;
}

/* With what the other steps want of the same picture. */
static struct need need_of_sharers(const struct picture *p, struct need need)
{
	const json_t *list = json_object_get(p->job->shared, "fit"), *box;
	size_t i;

	json_array_foreach(list, i, box) {
		json_int_t width = json_integer_value(json_object_get(box, "width")), height = json_integer_value(json_object_get(box, "height"));
		struct picture_box other = { .width = (int)width, .height = (int)height, .size = VIPS_SIZE_BOTH,
			.crop = json_is_true(json_object_get(box, "cover")) ? VIPS_INTERESTING_CENTRE : VIPS_INTERESTING_NONE,
			.is_fast = json_is_true(json_object_get(box, "fast")) };

		if (width > 0 && width <= VIPS_MAX_COORD && height > 0 && height <= VIPS_MAX_COORD)
			need_add(&need, p, &other);
	}
	return need;
}

/* ---- decoding and fitting ---- */

struct fitting {
	const struct picture *p;
	const struct picture_box *boxes;
	size_t n;
	struct scale scale;
};

static int admit_shrink(const struct fitting *f, bool is_whole, struct err *err)
{
	const struct picture *p = f->p;
	struct admission how = { .shrink = strcmp(p->format, "webp") == 0 ? 1 / f->scale.webp : f->scale.jpeg, .is_whole = is_whole,
		.is_resized = true, .saver = worst_saver(p), .more_bytes = p->use.more_bytes };

	if (is_whole && strcmp(p->format, "jpeg") == 0)
		how.more_bytes += bytes_at(p, f->scale) / 3;    /* halves of halves */
	for (size_t i = 0; i < f->n; i++)
		how.result_pixels = max_of(how.result_pixels, fitted_pixels(p, &f->boxes[i]));
	return picture_admit(p, how, err);
}

/* As often as the decoder would have halved it further for this box alone. */
static int halvings(const struct fitting *f, const struct picture_box *box)
{
	int n = 0;

	if (strcmp(f->p->format, "jpeg") == 0)
		while (f->scale.jpeg << n < jpeg_shrink_for(f->p, box))
			n++;
	return n;
}

static int fit_all(const struct fitting *f, struct decoded *from, VipsImage **ret, struct err *err)
{
	for (size_t i = 0; i < f->n; i++) {
		scoped(image_unref_p) VipsImage *level = NULL;

		if (decoded_level(from, halvings(f, &f->boxes[i]), &level, err) == 0) {
			if (fit(f->p, level, &f->boxes[i], &ret[i]) == 0)
				continue;
			picture_fail(err, "cannot decode");
		}
		while (i-- > 0)
			image_unref(ret[i]);
		return -1;
	}
	return 0;
}

static int decode(const struct fitting *f, VipsImage **ret, struct err *err)
{
	return picture_stream(f->p, f->scale.jpeg, f->scale.webp, ret, err) < 0 ? -1 : picture_decode(ret, err);
}

static int shrink_shared(const struct fitting *f, int steps, VipsImage **ret, struct err *err)
{
	const struct decoded_key key = { f->p->digest, f->scale.jpeg, f->scale.webp };
	scoped(image_unref_p) VipsImage *image = NULL;
	struct decoded *at = decoded_find(&key);

	if (!at)
		decoded_make_room(bytes_at(f->p, f->scale));
	if (admit_shrink(f, true, err) < 0)
		return -1;
	if (!at) {
		if (decode(f, &image, err) < 0)
			return -1;
		at = decoded_keep(&key, steal(&image), steps);
	}
	return fit_all(f, at, ret, err);
}

/* Read once it may stream; for more than that it has to be in memory. */
static int shrink_alone(const struct fitting *f, VipsImage **ret, struct err *err)
{
	scoped(image_unref_p) VipsImage *image = NULL;
	scoped(decoded_done) struct decoded all = { 0 };

	if (admit_shrink(f, f->n > 1, err) < 0)
		return -1;
	if (f->n > 1)
		return decode(f, &all.levels[0], err) < 0 ? -1 : fit_all(f, &all, ret, err);
	if (picture_stream(f->p, f->scale.jpeg, f->scale.webp, &image, err) < 0)
		return -1;
	return fit(f->p, image, f->boxes, ret) < 0 ? picture_fail(err, "cannot decode") : 0;
}

int picture_shrink(const struct picture *p, const struct picture_box *boxes, size_t n, VipsImage **ret, struct err *err)
{
	struct need need = need_of_all(p, boxes, n);
	struct fitting f = { p, boxes, n, scale_for(p, need) };
	int steps = picture_sharers(p);

	if (steps) {
		struct scale all = scale_for(p, need_of_sharers(p, need));

		if (decoded_fit(bytes_at(p, all))) {
			f.scale = all;
			return shrink_shared(&f, steps, ret, err);
		}
	}
	return shrink_alone(&f, ret, err);
}
