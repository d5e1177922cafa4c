#include "admission.h"

#include "output.h"
#include "params.h"
#include "tools.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIXED    (12.0 * 1048576)       /* buffers of codecs, tiles, profiles */
#define LINES    640.0                  /* that a stream keeps */

static bool is(const struct admission *a, const char *format)
{
	return strcmp(a->format, format) == 0;
}

/* What the decoder keeps. */
static double decoder_bytes(const struct admission *a)
{
	double pixels = a->width * a->height, left = a->shrink * a->shrink, all = pixels * a->bands * a->band_bytes;
	double stream = min_of(all / left, LINES * a->width * a->bands * a->band_bytes);

	if (is(a, "webp"))
		return 8 * pixels / left + (a->is_lossless && a->shrink > 1 ? 4 * pixels : 0);
	if (is(a, "gif") || is(a, "heif"))
		return 8 * pixels * a->band_bytes;
	if (!a->is_interlaced)
		return stream;
	return is(a, "jpeg") ? 2 * all + stream : all;
}

double admission_bytes(const struct admission *a)
{
	double band_bytes = (double)a->bands * a->band_bytes;
	double left = is(a, "jpeg") || is(a, "webp") ? a->shrink * a->shrink : 1;
	double decoded = a->width * a->height * band_bytes / left, need = FIXED + decoder_bytes(a);

	if (a->is_whole)
		need += decoded;
	if (a->is_resized)
		need += decoded * (a->has_alpha ? 1.5 : 1);
	if (a->is_resized && a->is_turned)
		need += 2 * a->result_pixels * band_bytes;
	return ceil(need + a->result_pixels * a->saver + a->more_bytes);
}

/* ---- what the task is about to do ---- */

static const char *saved_as(const struct runner_job *job, const struct picture *p, const json_t *over)
{
	const char *wanted = param_str(over, "format", param_str(job->params, "format", "auto"));

	if (strcmp(wanted, "auto") != 0)
		return wanted;
	if (!job->final)
		return "tiff";
	return strcmp(p->origin, "heif") == 0 ? "jpeg" : p->origin;
}

double admission_saver(const struct runner_job *job, const struct picture *p, const json_t *over)
{
	const struct tool *tool = tool_find(job->tool);
	const char *format = saved_as(job, p, over);
	int quality = param_int(over, "quality", param_int(job->params, "quality", 85));

	if (!tool || !(tool_gives_pictures(tool) || p->use.is_saved))
		return 0;
	if (strcmp(format, "jpeg") == 0)
		return quality < 90 ? 4 : 7;
	if (strcmp(format, "webp") != 0)
		return 0;
	if (param_bool(job->params, "lossless"))
		return 28;
	return vips_image_hasalpha(p->header) ? 18 : 8;
}

/* libvips does not say. RIFF, length, WEBP, then chunks of name, length (least byte first, padded to two) and bytes:
 * the pixels are VP8 or VP8L. What is not found soon counts as the larger. */
static bool is_lossless_webp(int fd)
{
	unsigned char chunk[8];
	off_t at = 12;

	for (int i = 0; i < 8 && pread(fd, chunk, sizeof chunk, at) == sizeof chunk; i++) {
		uint32_t n = chunk[4] | (uint32_t)chunk[5] << 8 | (uint32_t)chunk[6] << 16 | (uint32_t)chunk[7] << 24;

		if (memcmp(chunk, "VP8 ", 4) == 0)
			return false;
		if (memcmp(chunk, "VP8L", 4) == 0)
			return true;
		at += (off_t)sizeof chunk + n + (n & 1);
	}
	return true;
}

static bool is_set(VipsImage *header, const char *name)
{
	int n = 0;

	return vips_image_get_typeof(header, name) && vips_image_get_int(header, name, &n) == 0 && n;
}

static void read_header(const struct picture *p, struct admission *a)
{
	a->format = p->format;
	a->width = p->header->Xsize;
	a->height = p->header->Ysize;
	a->bands = p->header->Bands;
	a->band_bytes = (int)vips_format_sizeof(p->header->BandFmt);
	a->has_alpha = vips_image_hasalpha(p->header);
	a->is_interlaced = is_set(p->header, "interlaced") || is_set(p->header, "jpeg-multiscan");
	a->is_lossless = strcmp(p->format, "webp") == 0 && is_lossless_webp(p->fd);
	a->is_turned = p->orientation > 1;
}

int picture_admit(const struct picture *p, struct admission how, struct err *err)
{
	char what[160], of[32] = "";
	double bytes;

	if (!p->job || !p->job->ctx->memory)
		return 0;
	read_header(p, &how);
	if (p->pages > 1)
		snprintf(of, sizeof of, " of %d", p->pages);
	snprintf(what, sizeof what, "%.0f x %.0f x 1 page%s x %d band%s%s = %.0f bytes", how.width, how.height, of, how.bands,
		how.bands == 1 ? "" : "s", how.band_bytes == 1 ? "" : how.band_bytes == 2 ? " x 2 bytes" : " x 4 or more bytes",
		how.width * how.height * how.bands * how.band_bytes);
	bytes = admission_bytes(&how);
	return p->job->ctx->memory(p->job->ctx, (size_t)min_of(bytes, 4e18), what, err);
}
