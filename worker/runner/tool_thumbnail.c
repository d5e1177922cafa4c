/*
 * tool_thumbnail.c - small versions of a picture, all from one decode.
 *
 * One size: `vips thumbnail IN OUT WIDTH --height HEIGHT` (`--crop centre` for cover, `--size down` with enlarge
 * false, `--export-profile srgb` when the picture has a profile). Many: the file is decoded once, shrunk by its
 * decoder as far as the largest size allows (`vips jpegload IN TMP --shrink 1|2|4|8`, `vips webpload --scale`), a JPEG's
 * pixels are halved in memory as often as the decoder would have done it for the smaller sizes, then `vips
 * thumbnail_image TMP OUT ...` makes each. The same holds where other steps share the picture (shared/sharing.h).
 */
#include "params.h"
#include "picture_write.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 32, NAME = 80 };

struct size {
	struct picture_box box;
	char name[NAME];
	const json_t *over;     /* the size's own format and quality */
};

static struct size size_of(const json_t *from, const json_t *params)
{
	struct size s = { .over = from };
	const char *fit = param_str(from, "fit", param_str(params, "fit", "inside"));

	s.box.width = param_int(from, "width", 250);
	s.box.height = param_int(from, "height", s.box.width);
	s.box.size = param_bool(params, "enlarge") ? VIPS_SIZE_BOTH : VIPS_SIZE_DOWN;
	s.box.crop = strcmp(fit, "cover") == 0 ? VIPS_INTERESTING_CENTRE : VIPS_INTERESTING_NONE;
	s.box.is_fast = param_bool(params, "fast_shrink");
	if (param_has(from, "name"))
		snprintf(s.name, sizeof s.name, "%s", param_str(from, "name", ""));
	else
		snprintf(s.name, sizeof s.name, "%dx%d", s.box.width, s.box.height);
	return s;
}

static int read_sizes(const json_t *params, struct size sizes[MOST], size_t *ret_n, struct err *err)
{
	const json_t *list = json_object_get(params, "sizes");
	size_t n = json_array_size(list);

	if (n == 0) {
		sizes[0] = size_of(params, params);
		*ret_n = 1;
		return 0;
	}
	if (n > MOST)
		return err_set(err, ERR_REJECT, "%zu sizes, at most %d are allowed", n, MOST);
	for (size_t i = 0; i < n; i++) {
		sizes[i] = size_of(json_array_get(list, i), params);
		for (size_t k = 0; k < i; k++)
			if (strcmp(sizes[i].name, sizes[k].name) == 0)
				return err_set(err, ERR_REJECT, "two sizes are named '%s'; give each its own `name`", sizes[i].name);
	}
	*ret_n = n;
	return 0;
}

static int write_all(const struct runner_job *job, const struct picture *p, const struct size *sizes, size_t n,
	struct err *err)
{
	struct picture_box boxes[MOST];
	VipsImage *images[MOST];
	int r = 0;

	for (size_t i = 0; i < n; i++)
		boxes[i] = sizes[i].box;
	if (picture_shrink(p, boxes, n, images, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (r == 0 && picture_write(job, p, images[i], sizes[i].name, sizes[i].over, err) < 0)
			r = err_wrap(err, "thumbnail '%s'", sizes[i].name);
		image_unref(images[i]);
	}
	return r;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(picture_close) struct picture p = { 0 };
	struct size sizes[MOST];
	size_t n = 0;

	(void)ret_data;
	if (read_sizes(job->params, sizes, &n, err) < 0 || picture_open(job, &p, err) < 0)
		return -1;
	return write_all(job, &p, sizes, n, err);
}

const struct runner_tool tool_thumbnail = { "thumbnail", run };
