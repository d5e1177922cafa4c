/* studio.c - the fake worker that catches what tools put out, and the painter of test pictures. */
#include "studio.h"

#include "decoded.h"

#include "picture.h"
#include "registry.h"
#include "test.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void studio_start(void)
{
	struct err err;
	static bool started;

	if (!started)
		assert_int_equal(runner_init("unit", &err), 0);
	started = true;
}

static VipsImage *in_memory(VipsImage *take_lazy)
{
	VipsImage *image = vips_image_copy_memory(take_lazy);

	assert_non_null(image);
	image_unref(take_lazy);
	return image;
}

VipsImage *studio_photo(int width, int height)
{
	unsigned char *pixels;
	VipsImage *image;
	uint32_t noise = 1;

	studio_start();
	pixels = xcalloc((size_t)width * (size_t)height, 3);
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++) {
			unsigned char *p = pixels + 3 * ((size_t)y * (size_t)width + (size_t)x);
			bool inside = hypot(x - width * 0.6, y - height * 0.4) < height * 0.25;

			noise = noise * 1664525 + 1013904223;
			p[0] = (unsigned char)(inside ? 220 : 20 + 180 * x / width + (int)(noise >> 28));
			p[1] = (unsigned char)(inside ? 60 : 30 + 150 * y / height + (int)(noise >> 27 & 15));
			p[2] = (unsigned char)(inside ? 40 : 120 + 60 * sin(x * 0.05) * cos(y * 0.07));
		}
	image = in_memory(vips_image_new_from_memory_copy(pixels, (size_t)width * (size_t)height * 3, width, height, 3,
		VIPS_FORMAT_UCHAR));
	free(pixels);
	image->Type = VIPS_INTERPRETATION_sRGB;
	return image;
}

VipsImage *studio_with_alpha(int width, int height)
{
	VipsImage *photo = studio_photo(width, height), *alpha, *out;
	unsigned char *a = xcalloc((size_t)width, (size_t)height);

	for (int y = 0; y < height; y++)
		memset(a + (size_t)y * (size_t)width + width / 2, 255, (size_t)(width - width / 2));
	alpha = vips_image_new_from_memory_copy(a, (size_t)width * (size_t)height, width, height, 1, VIPS_FORMAT_UCHAR);
	free(a);
	assert_int_equal(vips_bandjoin2(photo, alpha, &out, NULL), 0);
	image_unref(photo);
	image_unref(alpha);
	return in_memory(out);
}

static VipsImage *in_space(int width, int height, VipsInterpretation space)
{
	VipsImage *photo = studio_photo(width, height), *out;

	assert_int_equal(vips_colourspace(photo, &out, space, NULL), 0);
	image_unref(photo);
	return in_memory(out);
}

VipsImage *studio_wide(int width, int height)
{
	return in_space(width, height, VIPS_INTERPRETATION_RGB16);
}

VipsImage *studio_grey(int width, int height)
{
	return in_space(width, height, VIPS_INTERPRETATION_B_W);
}

VipsImage *studio_cmyk(int width, int height)
{
	return in_space(width, height, VIPS_INTERPRETATION_CMYK);
}

VipsImage *studio_plain(int width, int height, double r, double g, double b)
{
	VipsImage *black, *out;

	studio_start();
	assert_int_equal(vips_black(&black, width, height, "bands", 3, NULL), 0);
	assert_int_equal(vips_linear(black, &out, (double[]){ 1, 1, 1 }, (double[]){ r, g, b }, 3, "uchar", TRUE, NULL), 0);
	image_unref(black);
	out = in_memory(out);
	out->Type = VIPS_INTERPRETATION_sRGB;
	return out;
}

VipsImage *studio_turned(VipsImage *take_image, int orientation)
{
	VipsImage *out;

	assert_int_equal(vips_copy(take_image, &out, NULL), 0);
	image_unref(take_image);
	vips_image_set_int(out, VIPS_META_ORIENTATION, orientation);
	return out;
}

int studio_file(VipsImage *take_image, const char *name)
{
	const char *path = test_path(name);
	char bare[4096];
	int fd;

	if (vips_image_write_to_file(take_image, path, NULL))
		fail_msg("%s: %s", path, vips_error_buffer());
	image_unref(take_image);
	snprintf(bare, sizeof bare, "%.*s", (int)strcspn(path, "["), path);
	fd = open(bare, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	lseek(fd, 0, SEEK_END);
	return fd;
}

int studio_bytes(const void *bytes, size_t n)
{
	int fd = memfd_create("bytes", MFD_CLOEXEC);

	studio_start();
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	return fd;
}

static int catch_open(struct runner_ctx *ctx, int *ret_fd, struct err *err)
{
	struct shot *s = (struct shot *)ctx;

	if (s->fail_open)
		return err_set(err, ERR_RETRY, "no room for results");
	*ret_fd = s->full_disk ? open("/dev/full", O_RDWR | O_CLOEXEC) : memfd_create("output", MFD_CLOEXEC);
	return 0;
}

static int catch_done(struct runner_ctx *ctx, int fd, const struct output *out, struct err *err)
{
	struct shot *s = (struct shot *)ctx;

	(void)err;
	assert_true(s->n < SHOT_MOST);
	s->outs[s->n].fd = fd;
	s->outs[s->n].width = out->width;
	s->outs[s->n].height = out->height;
	snprintf(s->outs[s->n].name, sizeof s->outs[0].name, "%s", out->name);
	snprintf(s->outs[s->n].media_type, sizeof s->outs[0].media_type, "%s", out->media_type);
	snprintf(s->outs[s->n].origin, sizeof s->outs[0].origin, "%s", out->origin ? out->origin : "");
	s->n++;
	return 0;
}

static int catch_memory(struct runner_ctx *ctx, size_t bytes, const char *what, struct err *err)
{
	struct shot *s = (struct shot *)ctx;

	(void)what, (void)err;
	s->asked_memory = max_of(s->asked_memory, bytes);
	return 0;
}

void studio_run(struct shot *s, const char *tool, const char *params, int fd, const char *origin)
{
	json_t *given = json_loads(params, 0, NULL);
	int mask_fd = s->mask ? studio_file(g_object_ref(s->mask), "mask.png") : -1;
	struct job_input inputs[3] = {
		{ .step = "what", .name = "mask", .media_type = "image/png", .fd = mask_fd },
		{ .step = "boxes", .fd = -1, .data = s->items },
		{ .step = "src", .name = "picture", .media_type = "image/x", .origin = origin, .fd = fd, .digest = s->digest },
	};
	json_t *shared = s->shared ? json_loads(s->shared, 0, NULL) : NULL;
	struct runner_job job = { .tool = tool, .job = "j", .step = "s", .attempt = 1, .final = !s->not_final,
		.params = given, .inputs = inputs + !s->mask, .ninputs = s->mask ? 3 : 2, .max_pixels = s->max_pixels ? s->max_pixels : 100000000,
		.shared = shared, .ctx = &s->ctx };

	studio_start();
	assert_non_null(given);
	s->ctx = (struct runner_ctx){ .open = catch_open, .done = catch_done, .ask = s->ask, .memory = catch_memory };
	s->result = runner_run(&job, &s->data, &s->err);
	decoded_rest();
	json_decref(shared);
	json_decref(given);
	if (fd >= 0)
		close(fd);
	if (mask_fd >= 0)
		close(mask_fd);
}

void studio_done(struct shot *s)
{
	for (int i = 0; i < s->n; i++)
		close(s->outs[i].fd);
	json_decref(s->data);
	vips_error_clear();
}

static VipsSource *source_of(const struct shot *s, int i)
{
	VipsSource *source;

	if (s->result < 0)
		fail_msg("the tool failed: %s", s->err.msg);
	assert_true(i < s->n);
	lseek(s->outs[i].fd, 0, SEEK_SET);
	source = vips_source_new_from_descriptor(s->outs[i].fd);
	assert_non_null(source);
	return source;
}

VipsImage *studio_output(const struct shot *s, int i)
{
	VipsSource *source = source_of(s, i);
	VipsImage *image = vips_image_new_from_source(source, "", NULL);

	assert_non_null(image);
	g_object_unref(source);
	return in_memory(image);
}

const char *studio_loader(const struct shot *s, int i)
{
	VipsSource *source = source_of(s, i);
	const char *loader = vips_foreign_find_load_source(source);

	g_object_unref(source);
	return vips_nickname_find(g_type_from_name(loader));
}

static VipsImage *difference(VipsImage *a, VipsImage *b)
{
	VipsImage *diff;

	if (a->Xsize != b->Xsize || a->Ysize != b->Ysize || a->Bands != b->Bands)
		return NULL;
	assert_int_equal(vips_subtract(a, b, &diff, NULL), 0);
	return diff;
}

double studio_difference(VipsImage *a, VipsImage *b)
{
	VipsImage *diff = difference(a, b), *abs;
	double most;

	if (!diff)
		return -1;
	assert_int_equal(vips_abs(diff, &abs, NULL), 0);
	assert_int_equal(vips_max(abs, &most, NULL), 0);
	image_unref(diff);
	image_unref(abs);
	return most;
}

double studio_psnr(VipsImage *a, VipsImage *b)
{
	VipsImage *diff = difference(a, b), *square;
	double mean;

	if (!diff)
		return -1;
	assert_int_equal(vips_multiply(diff, diff, &square, NULL), 0);
	assert_int_equal(vips_avg(square, &mean, NULL), 0);
	image_unref(diff);
	image_unref(square);
	return mean > 0 ? 10 * log10(255 * 255 / mean) : INFINITY;
}
