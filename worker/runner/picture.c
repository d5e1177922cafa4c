#include "picture.h"

#include "admission.h"
#include "decoded.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The decoders that may run, by the beginning of the loader's name. libvips has more that it
 * trusts (a text file of numbers is a picture to it); these are the formats for photographs. */
static const struct format {
	const char *loader, *name;
	const char *load;       /* what libvips finds at once: by the loader's name it would look through all its operations */
} formats[] = {
	{ "VipsForeignLoadJpeg", "jpeg", "jpegload_source" },
	{ "VipsForeignLoadPng", "png", "pngload_source" },
	{ "VipsForeignLoadWebp", "webp", "webpload_source" },
	{ "VipsForeignLoadNsgif", "gif", "gifload_source" },
	{ "VipsForeignLoadTiff", "tiff", "tiffload_source" },
	{ "VipsForeignLoadHeif", "heif", "heifload_source" },
};

void image_unref(VipsImage *image)
{
	g_object_unref(image);
}

void picture_step(VipsImage **image, VipsImage *next)
{
	image_unref(*image);
	*image = next;
}

/* Some loaders only warn of what makes them fail: what the last one said, of the task that runs. */
static char warning[240];

void picture_note(const char *text)
{
	snprintf(warning, sizeof warning, "%s", text);
}

int picture_fail(struct err *err, const char *what)
{
	scoped(free_p) char *text = xstrdup(*vips_error_buffer() ? vips_error_buffer() : warning);
	size_t n = strlen(text);

	vips_error_clear();
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
	for (char *s = text; *s; s++)
		if ((unsigned char)*s < 0x20)
			*s = *s == '\n' ? ';' : ' ';
	if (strstr(text, "out of memory"))
		return err_set(err, ERR_REJECT, "%s: it needs more memory than a runner may have: %s", what, text);
	return err_set(err, ERR_REJECT, "%s: %s", what, n ? text : "libvips gave no reason");
}

static VipsSource *source_of(int fd, struct err *err)
{
	VipsSource *source;

	/* libvips reads a duplicate, which shares the position. */
	if (lseek(fd, 0, SEEK_SET) < 0) {
		err_set(err, ERR_RETRY, "cannot read the picture file: %s", strerror(errno));
		return NULL;
	}
	source = vips_source_new_from_descriptor(fd);
	if (!source)
		picture_fail(err, "cannot read the picture file");
	return source;
}

/* libvips asks all its loaders; most pictures are of the first. */
static const struct format *format_of(int fd, VipsSource *source)
{
	static const unsigned char jpeg[] = { 0xff, 0xd8, 0xff };
	unsigned char head[sizeof jpeg];
	const char *loader;

	if (pread(fd, head, sizeof head, 0) == sizeof head && memcmp(head, jpeg, sizeof head) == 0)
		return formats;
	loader = vips_foreign_find_load_source(source);
	for (size_t i = 0; loader && i < countof(formats); i++)
		if (strncmp(loader, formats[i].loader, strlen(formats[i].loader)) == 0)
			return &formats[i];
	return NULL;
}

static int load(const char *how, VipsSource *source, VipsImage **ret)
{
	return vips_call(how, source, ret, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
}

int picture_stream(const struct picture *p, int jpeg_shrink, double webp_scale, VipsImage **ret, struct err *err)
{
	VipsSource *source = source_of(p->fd, err);
	VipsImage *image = NULL;
	int r;

	if (!source)
		return -1;
	if (jpeg_shrink > 1)
		r = vips_jpegload_source(source, &image, "shrink", jpeg_shrink,
			"access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
	else if (webp_scale < 1)
		r = vips_webpload_source(source, &image, "scale", webp_scale,
			"access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
	else
		r = load(p->load, source, &image);
	g_object_unref(source);
	if (r < 0)
		return picture_fail(err, "cannot decode");
	*ret = image;
	return 0;
}

/* Not vips_image_get_n_pages(), which takes 10,000 pages and more for one. */
static int pages_of(VipsImage *header)
{
	int n = 1;

	if (vips_image_get_typeof(header, VIPS_META_N_PAGES) && vips_image_get_int(header, VIPS_META_N_PAGES, &n))
		vips_error_clear();
	return max_of(n, 1);
}

static int check_pixels(const struct picture *p, size_t max_pixels, struct err *err)
{
	double pixels = (double)p->width * p->height * p->pages;

	if (pixels <= (double)max_pixels)
		return 0;
	return err_set(err, ERR_REJECT, "the picture has %d x %d x %d page%s = %.0f pixels, at most %zu are allowed",
		p->width, p->height, p->pages, p->pages == 1 ? "" : "s", pixels, max_pixels);
}

static bool profile_fits(VipsImage *image)
{
	const void *data;
	size_t n;

	if (!vips_image_get_typeof(image, VIPS_META_ICC_NAME))
		return false;
	return vips_image_get_blob(image, VIPS_META_ICC_NAME, &data, &n) == 0 &&
		vips_icc_is_compatible_profile(image, data, n);
}

static int open_header(struct picture *p, struct err *err)
{
	VipsSource *source = source_of(p->fd, err);
	const struct format *f;
	int r = 0;

	if (!source)
		return -1;
	f = format_of(p->fd, source);
	vips_error_clear();
	if (!f)
		r = err_set(err, ERR_REJECT, "cannot decode: not a picture of a known format (JPEG, PNG, WebP, GIF, TIFF, HEIF)");
	else if (load(f->load, source, &p->header) < 0)
		r = picture_fail(err, "cannot decode");
	g_object_unref(source);
	if (r < 0)
		return -1;
	p->format = f->name;
	p->load = f->load;
	return 0;
}

int picture_open_fd(int fd, size_t max_pixels, struct picture *ret, struct err *err)
{
	struct picture p = { .fd = fd };
	bool turned;

	vips_error_clear();
	if (open_header(&p, err) < 0)
		return -1;
	p.orientation = vips_image_get_orientation(p.header);
	turned = p.orientation >= 5;
	p.width = turned ? p.header->Ysize : p.header->Xsize;
	p.height = turned ? p.header->Xsize : p.header->Ysize;
	p.pages = pages_of(p.header);
	p.has_profile = profile_fits(p.header);
	p.origin = p.format;
	if (check_pixels(&p, max_pixels, err) < 0) {
		picture_close(&p);
		return -1;
	}
	p.header_at = lseek(fd, 0, SEEK_CUR);
	*ret = p;
	return 0;
}

int picture_open(const struct runner_job *job, struct picture *ret, struct err *err)
{
	for (size_t i = 0; i < job->ninputs; i++) {
		const struct job_input *in = &job->inputs[i];

		if (in->fd < 0 || !in->media_type || strncmp(in->media_type, "image/", 6) != 0)
			continue;
		if (picture_open_fd(in->fd, job->max_pixels, ret, err) < 0)
			return -1;
		if (in->origin && *in->origin)
			ret->origin = in->origin;
		ret->job = job;
		ret->digest = in->digest && *in->digest ? in->digest : NULL;
		return 0;
	}
	return err_set(err, ERR_REJECT, "there is no picture among the %zu inputs", job->ninputs);
}

void picture_close(struct picture *p)
{
	image_unref_p(&p->header);
	*p = (struct picture){ 0 };
}

int picture_decode(VipsImage **image, struct err *err)
{
	VipsImage *memory = vips_image_copy_memory(*image);

	if (!memory)
		return picture_fail(err, "cannot decode");
	picture_step(image, memory);
	return 0;
}

/* As `vips icc_transform IN OUT srgb --embedded`, or without a profile `vips colourspace`:
 * 16 bits stay 16, grey stays grey, anything else becomes 8-bit sRGB. */
static int to_srgb(const struct picture *p, VipsImage **image)
{
	bool wide = (*image)->BandFmt == VIPS_FORMAT_USHORT;
	VipsBandFormat depth = wide ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR;
	VipsInterpretation space = (*image)->Bands < 3 ?
		(wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W) :
		(wide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
	VipsImage *next;

	if (p->has_profile) {
		if (vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "depth", wide ? 16 : 8, NULL))
			return -1;
		picture_step(image, next);
	} else {
		if (vips_colourspace(*image, &next, space, NULL))
			return -1;
		picture_step(image, next);
		if (vips_copy(*image, &next, NULL))
			return -1;
		picture_step(image, next);
		vips_image_remove(*image, VIPS_META_ICC_NAME);  /* it did not fit before, it does not now */
	}
	if ((*image)->BandFmt == depth)
		return 0;
	if (vips_cast(*image, &next, depth, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

/* All pixels, in the order of the file. The header is a stream of them already, once; what stays in its place tells the same
 * and keeps no decoder. */
static int stream_whole(struct picture *p, VipsImage **ret, struct err *err)
{
	scoped(image_unref_p) VipsImage *words = NULL;

	if (p->header_at < 0 || lseek(p->fd, 0, SEEK_CUR) != p->header_at)      /* somebody has read on */
		return picture_stream(p, 1, 1, ret, err);
	words = vips_image_new();
	if (vips_image_pipelinev(words, VIPS_DEMAND_STYLE_ANY, p->header, NULL))
		return picture_fail(err, "cannot decode");
	*ret = steal(&p->header);
	p->header = steal(&words);
	p->header_at = -1;
	return 0;
}

/* All pixels: those that are kept, or kept from now on, where others will want them; else as a stream. */
static int open_whole(struct picture *p, struct admission how, VipsImage **ret, struct err *err)
{
	const struct decoded_key key = { p->digest, 1, 1 };
	double bytes = (double)VIPS_IMAGE_SIZEOF_IMAGE(p->header);
	scoped(image_unref_p) VipsImage *image = NULL;
	int steps = picture_sharers(p);
	struct decoded *at;

	if (!steps || !decoded_fit(bytes)) {
		if (picture_admit(p, how, err) < 0)
			return -1;
		return stream_whole(p, ret, err);
	}
	at = decoded_find(&key);
	how.is_whole = true;
	if (!at)
		decoded_make_room(bytes);
	if (picture_admit(p, how, err) < 0)
		return -1;
	if (!at) {
		if (stream_whole(p, &image, err) < 0 || picture_decode(&image, err) < 0)
			return -1;
		at = decoded_keep(&key, steal(&image), steps);
	}
	return decoded_level(at, 0, ret, err);
}

int picture_load_raw(struct picture *p, VipsImage **ret, struct err *err)
{
	return open_whole(p, (struct admission){ .shrink = 1 }, ret, err);
}

int picture_load(struct picture *p, bool random, VipsImage **ret, struct err *err)
{
	scoped(image_unref_p) VipsImage *image = NULL;
	struct admission how = { .shrink = 1, .is_whole = random || p->use.is_kept || p->orientation > 1,
		.is_resized = p->use.is_resized, .result_pixels = p->use.result_pixels, .more_bytes = p->use.more_bytes };
	VipsImage *next;

	if (how.result_pixels <= 0)
		how.result_pixels = (double)p->width * p->height;
	how.saver = p->job ? admission_saver(p->job, p, NULL) : 0;
	if (open_whole(p, how, &image, err) < 0)
		return -1;
	if (to_srgb(p, &image) < 0)
		return picture_fail(err, "cannot convert the colours");
	if ((random || p->orientation > 1) && picture_decode(&image, err) < 0)
		return -1;
	if (p->orientation > 1) {
		if (vips_autorot(image, &next, NULL))
			return picture_fail(err, "cannot turn the picture upright");
		picture_step(&image, next);
	}
	*ret = steal(&image);
	return 0;
}

/* ---- picture_reduce ---- */

static int flatten(VipsImage **image)
{
	bool wide = (*image)->BandFmt == VIPS_FORMAT_USHORT;
	double white[] = { wide ? 65535 : 255, wide ? 65535 : 255, wide ? 65535 : 255 };
	VipsArrayDouble *background;
	VipsImage *next;
	int r;

	if (!vips_image_hasalpha(*image) || (*image)->Bands > 4)
		return 0;
	background = vips_array_double_new(white, (*image)->Bands - 1);
	r = vips_flatten(*image, &next, "background", background, "max_alpha", white[0], NULL);
	vips_area_unref(VIPS_AREA(background));
	if (r == 0)
		picture_step(image, next);
	return r;
}

static int shrink_blocks(VipsImage **image, int by_width, int by_height)
{
	VipsImage *next;

	if (by_width == 1 && by_height == 1)
		return 0;
	if (vips_shrink(*image, &next, by_width, by_height, "ceil", TRUE, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

static bool is_plain(const VipsImage *image)
{
	return (image->BandFmt == VIPS_FORMAT_UCHAR || image->BandFmt == VIPS_FORMAT_USHORT) &&
		(image->Type == VIPS_INTERPRETATION_sRGB || image->Type == VIPS_INTERPRETATION_RGB || image->Type == VIPS_INTERPRETATION_B_W ||
		 image->Type == VIPS_INTERPRETATION_RGB16 || image->Type == VIPS_INTERPRETATION_GREY16);
}

/* Colours last, when there are fewer; first, where means of the file's own would be no colours. */
static int reduce_pixels(const struct picture *p, int by_width, int by_height, VipsImage **image)
{
	bool is_odd = !is_plain(*image) && (*image)->Type != VIPS_INTERPRETATION_CMYK;
	VipsImage *next;

	if (is_odd && to_srgb(p, image) < 0)
		return -1;
	if (flatten(image) < 0 || shrink_blocks(image, by_width, by_height) < 0)
		return -1;
	if (!is_odd && to_srgb(p, image) < 0)
		return -1;
	if ((*image)->BandFmt == VIPS_FORMAT_UCHAR)
		return 0;
	if (vips_cast(*image, &next, VIPS_FORMAT_UCHAR, "shift", TRUE, NULL))
		return -1;
	picture_step(image, next);
	return 0;
}

/* Unlike jpeg_shrink, all that the caller leaves: how much better the other filter has to be is his to say. */
static int reduce_by_decoder(const struct picture *p, double most)
{
	if (strcmp(p->format, "jpeg") != 0)
		return 1;
	return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}

int picture_reduce(const struct picture *p, struct picture_reduction *how, VipsImage **ret, struct err *err)
{
	scoped(image_unref_p) VipsImage *image = NULL;
	double w = p->orientation >= 5 ? how->by_height : how->by_width, h = p->orientation >= 5 ? how->by_width : how->by_height;
	int decoder = reduce_by_decoder(p, min_of(w, h));
	int by_width = max_of((int)(w / decoder), 1), by_height = max_of((int)(h / decoder), 1);
	double left = (double)p->header->Xsize / decoder / by_width * ((double)p->header->Ysize / decoder / by_height);
	struct admission memory = { .shrink = decoder, .is_resized = by_width > 1 || by_height > 1,
		.more_bytes = left * 3 + (double)how->result_bytes };

	if (picture_admit(p, memory, err) < 0 || picture_stream(p, decoder, 1, &image, err) < 0)
		return -1;
	if (reduce_pixels(p, by_width, by_height, &image) < 0)
		return picture_fail(err, "cannot convert the colours");
	if (picture_decode(&image, err) < 0)
		return -1;
	if (image->Bands != 3 && image->Bands != 1)
		return err_set(err, ERR_REJECT, "the picture has %d bands, a model takes grey or RGB", image->Bands);
	how->width = (double)p->header->Xsize / decoder / by_width;
	how->height = (double)p->header->Ysize / decoder / by_height;
	*ret = steal(&image);
	return 0;
}
