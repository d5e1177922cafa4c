/*
 * tool_smartcrop.c - fill a box with the part that matters:
 * `vips thumbnail IN OUT WIDTH --height HEIGHT --crop attention` (`--export-profile srgb` when the picture
 * has a profile). The result has exactly the size asked for.
 */
#include "params.h"
#include "picture_write.h"

#include <string.h>

static const struct {
	const char *name;
	VipsInteresting value;
} interests[] = {
	{ "attention", VIPS_INTERESTING_ATTENTION },
	{ "entropy", VIPS_INTERESTING_ENTROPY },
	{ "centre", VIPS_INTERESTING_CENTRE },
	{ "low", VIPS_INTERESTING_LOW },
	{ "high", VIPS_INTERESTING_HIGH },
};

static VipsInteresting interest(const char *name)
{
	for (size_t i = 0; i < countof(interests); i++)
		if (strcmp(interests[i].name, name) == 0)
			return interests[i].value;
	return VIPS_INTERESTING_ATTENTION;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	const struct picture_box box = {
		.width = param_int(job->params, "width", 1), .height = param_int(job->params, "height", 1), .size = VIPS_SIZE_BOTH,
		.crop = interest(param_str(job->params, "interesting", "attention")),
	};
	scoped(picture_close) struct picture p = { 0 };
	scoped(image_unref_p) VipsImage *image = NULL;

	(void)ret_data;
	if (picture_open(job, &p, err) < 0 || picture_shrink(&p, &box, 1, &image, err) < 0)
		return -1;
	return picture_write(job, &p, image, "picture", NULL, err);
}

const struct runner_tool tool_smartcrop = { "smartcrop", run };
