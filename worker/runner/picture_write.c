#include "picture_write.h"

#include "params.h"
#include "tools.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

struct style {
	int quality;
	bool lossless, keep, quick;     /* quick: nobody keeps it, do not compress */
	const char *background;
};

/* libvips's target over a descriptor that remembers why it failed: a full disk and a broken
 * picture both end the save, and mean different things to the queue. */
struct sink {
	int fd, error;
};

static gint64 sink_write(VipsTargetCustom *t, const void *bytes, gint64 n, struct sink *s)
{
	ssize_t r;

	(void)t;
	do
		r = write(s->fd, bytes, (size_t)n);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		s->error = errno;
	return r;
}

static gint64 sink_read(VipsTargetCustom *t, void *bytes, gint64 n, struct sink *s)
{
	ssize_t r = read(s->fd, bytes, (size_t)n);

	(void)t;
	if (r < 0)
		s->error = errno;
	return r;
}

static gint64 sink_seek(VipsTargetCustom *t, gint64 offset, int whence, struct sink *s)
{
	off_t r = lseek(s->fd, offset, whence);

	(void)t;
	if (r < 0)
		s->error = errno;
	return r;
}

static VipsTarget *sink_target(struct sink *s)
{
	VipsTargetCustom *t = vips_target_custom_new();

	g_signal_connect(t, "write", G_CALLBACK(sink_write), s);
	g_signal_connect(t, "read", G_CALLBACK(sink_read), s);
	g_signal_connect(t, "seek", G_CALLBACK(sink_seek), s);
	return VIPS_TARGET(t);
}

static int save_jpeg(VipsImage *image, VipsTarget *to, const struct style *s)
{
	return vips_jpegsave_target(image, to, "Q", s->quality, "optimize_coding", TRUE, "strip", !s->keep, NULL);
}

static int save_png(VipsImage *image, VipsTarget *to, const struct style *s)
{
	return vips_pngsave_target(image, to, "strip", !s->keep, NULL);
}

static int save_webp(VipsImage *image, VipsTarget *to, const struct style *s)
{
	return vips_webpsave_target(image, to, "Q", s->quality, "lossless", s->lossless, "strip", !s->keep, NULL);
}

static int save_tiff(VipsImage *image, VipsTarget *to, const struct style *s)
{
	return vips_tiffsave_target(image, to, "strip", !s->keep,
		"compression", s->quick ? VIPS_FOREIGN_TIFF_COMPRESSION_NONE : VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE,
		"predictor", s->quick ? VIPS_FOREIGN_TIFF_PREDICTOR_NONE : VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, NULL);
}

static const struct format {
	const char *name, *media_type;
	bool has_alpha, has_wide;
	int max_side;                   /* 0: none that matters */
	int (*save)(VipsImage *, VipsTarget *, const struct style *);
} formats[] = {
	{ "jpeg", "image/jpeg", false, false, 65500, save_jpeg },
	{ "png", "image/png", true, true, 0, save_png },
	{ "webp", "image/webp", true, false, 16383, save_webp },
	{ "tiff", "image/tiff", true, true, 0, save_tiff },
};

static const struct format *format_find(const char *name)
{
	for (size_t i = 0; i < countof(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

/* GIF becomes PNG: both are lossless. What cannot be written (HEIF) becomes JPEG, or PNG for its alpha. */
static const struct format *format_for(const char *origin, VipsImage *image)
{
	const struct format *f = format_find(strcmp(origin, "gif") == 0 ? "png" : origin);

	return f ? f : format_find(vips_image_hasalpha(image) ? "png" : "jpeg");
}

bool picture_is_wide(const VipsImage *image)
{
	return image->BandFmt == VIPS_FORMAT_USHORT;
}

int picture_ink(const VipsImage *image, const char *color, double ink[4])
{
	uint8_t c[4] = { 255, 255, 255, 255 };
	double scale = picture_is_wide(image) ? 257 : 1;
	int n = 0;

	if (color_parse(color, c) < 0)
		memset(c, 255, sizeof c);       /* cannot be: parameters are checked */
	if (image->Bands < 3)           /* the weights of BT.709, as a person sees it */
		ink[n++] = rint(0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]) * scale;
	else
		for (; n < 3; n++)
			ink[n] = c[n] * scale;
	if (image->Bands == 2 || image->Bands == 4)
		ink[n++] = c[3] * scale;
	return n;
}

static int flatten(VipsImage **image, const char *color)
{
	double ink[4];
	VipsArrayDouble *background;
	VipsImage *next;
	int r, n = picture_ink(*image, color, ink);

	background = vips_array_double_new(ink, n - 1);
	r = vips_flatten(*image, &next, "background", background, NULL);
	vips_area_unref(VIPS_AREA(background));
	if (r == 0)
		picture_step(image, next);
	return r;
}

/* Make the picture what the format can hold. */
static int suit(VipsImage **image, const struct format *f, const struct style *s)
{
	VipsImage *next;

	if (picture_is_wide(*image) && !f->has_wide) {
		if (vips_colourspace(*image, &next, (*image)->Bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB,
			NULL))
			return -1;
		picture_step(image, next);
	}
	if (vips_image_hasalpha(*image) && !f->has_alpha)
		return flatten(image, s->background);
	return 0;
}

static int save(VipsImage *image, int fd, const struct format *f, const struct style *s, struct err *err)
{
	struct sink sink = { .fd = fd };
	VipsTarget *to = sink_target(&sink);
	int r = f->save(image, to, s);

	g_object_unref(to);
	if (sink.error) {
		vips_error_clear();
		return err_set(err, ERR_RETRY, "cannot write the result: %s", strerror(sink.error));
	}
	return r < 0 ? picture_fail(err, "cannot decode") : 0;
}

static const json_t *pick(const json_t *over, const json_t *params, const char *name)
{
	return json_object_get(param_has(over, name) ? over : params, name);
}

int picture_write(const struct runner_job *job, const struct picture *from, VipsImage *image, const char *name,
	const json_t *over, struct err *err)
{
	scoped(image_unref_p) VipsImage *out = g_object_ref(image);
	scoped(close_p) int fd = -1;
	int given;
	const json_t *quality = pick(over, job->params, "quality");
	const char *wanted = json_string_value(pick(over, job->params, "format"));
	bool is_auto = !wanted || strcmp(wanted, "auto") == 0;
	struct style style = {
		.quality = json_is_integer(quality) ? (int)json_integer_value(quality) : 85,
		.lossless = param_bool(job->params, "lossless"),
		.keep = param_bool(job->params, "keep_metadata"),
		.quick = is_auto && !job->final,
		.background = param_str(job->params, "background", "#ffffff"),
	};
	const struct format *f = style.quick ? format_find("tiff") : is_auto ? format_for(from->origin, image) : format_find(wanted);

	if (!f)
		return err_set(err, ERR_REJECT, "format '%s' cannot be written: auto, jpeg, png, webp and tiff can", wanted);
	if (f->max_side && (out->Xsize > f->max_side || out->Ysize > f->max_side))
		return err_set(err, ERR_REJECT, "the result has %d x %d pixels, a %s picture can have %d x %d at most",
			out->Xsize, out->Ysize, f->name, f->max_side, f->max_side);
	if (suit(&out, f, &style) < 0)
		return picture_fail(err, "cannot convert");
	if (output_open(job->ctx, &fd, err) < 0)
		return -1;
	if (save(out, fd, f, &style, err) < 0)
		return -1;
	given = fd;
	fd = -1;
	return output_done(job->ctx, given, name, f->media_type, from->origin, out->Xsize, out->Ysize, err);
}
