/*
 * picture.h - a picture as every tool wants it: upright, sRGB, decoded as little as possible.
 *
 * Opening reads the header only and refuses what is too large, before any decoder runs.
 * Then a tool asks for the pixels in one of two ways:
 *
 *	struct picture p;
 *	if (picture_open(job, &p, err) < 0)
 *		return -1;
 *	picture_load(&p, true, &image, err)             all of them, at full size
 *	picture_shrink(&p, boxes, n, images, err)       made to fit boxes, from one decode that
 *	                                                uses the decoder's own shrinking
 *	picture_reduce(&p, &how, &image, err)           for a resizer of one's own (resample.h)
 *	picture_close(&p);
 *
 * What comes out is sRGB or grey, of 8 bits (or 16, from picture_load, when the file has 16),
 * with the EXIF orientation applied and alpha kept. Of an animation or a file of many pages
 * it is the first. A file that cannot be decoded, broken or cut short, is ERR_REJECT.
 */
#ifndef PICTURE_H
#define PICTURE_H

#include "tool.h"

#include <vips/vips.h>

/* What a tool does with the pixels of picture_load, when that takes more than passing them on. */
struct picture_use {
	bool is_kept;           /* it copies them into memory */
	bool is_resized;
	double result_pixels;   /* 0: as many as it got */
	bool is_saved;          /* as a picture, although the tool is one for data */
	double more_bytes;      /* that the tool keeps besides */
};

struct picture {
	int fd;                 /* borrowed */
	const char *format;     /* of the file: "jpeg", "png", "webp", "gif", "tiff", "heif" */
	const char *origin;     /* of the file that it was made from */
	const char *load;       /* libvips's operation that decodes it */
	VipsImage *header;
	off_t header_at;        /* where in the file the header's decoder goes on; -1: it has no pixels any more */
	int width, height;      /* upright, of one page */
	int pages, orientation; /* orientation 1-8, as in EXIF */
	bool has_profile;       /* an ICC profile that fits its bands */
	const struct runner_job *job;   /* whose worker is asked for memory; NULL: none is */
	const char *digest;     /* what its pixels are known by, or NULL */
	struct picture_use use; /* the tool's to set, before picture_load */
};

/* How picture_shrink fits a picture into width x height; see vips_thumbnail. */
struct picture_box {
	int width, height;
	VipsSize size;
	VipsInteresting crop;   /* VIPS_INTERESTING_NONE: nothing is cut off */
	bool is_fast;           /* the JPEG decoder may do all the shrinking that it can, not leaving a factor of two to the better filter */
};

/* Closed with picture_close, which accepts a zeroed one. The first picture among the inputs. */
int picture_open(const struct runner_job *job, struct picture *ret, struct err *err) must_use;
int picture_open_fd(int fd, size_t max_pixels, struct picture *ret, struct err *err) must_use;
void picture_close(struct picture *p);

/* `random`: the caller reads it in any order or more than once, so it is decoded here and now. */
int picture_load(struct picture *p, bool random, VipsImage **ret, struct err *err) must_use;

/* The pixels as the file has them: no turning, no colour conversion. */
int picture_load_raw(struct picture *p, VipsImage **ret, struct err *err) must_use;

/* ret has room for n; all of them are made or none. For one box as `vips thumbnail` does it. For many, and where other steps
 * share the picture (shared/sharing.h): decoded for the largest box; for smaller ones it is halved in memory as often as the
 * decoder of a JPEG would have done it, and then as `vips thumbnail_image` does it. */
int picture_shrink(const struct picture *p, const struct picture_box *boxes, size_t n, VipsImage **ret,
	struct err *err) must_use;

/* For who resizes by himself: made smaller only as far as that is quick. */
struct picture_reduction {
	double by_width, by_height;     /* in: each side of the upright picture may be so many times shorter, not more */
	size_t result_bytes;            /* in: what the caller takes besides, for admission */
	double width, height;           /* out: the whole picture in pixels of the result, which has up to one less or more: a last
	                                 * column that is no whole pixel is left out by some decoders, and rounded up by others */
};

/* In memory, 8 bits, sRGB or grey, alpha laid over white; NOT turned: width and height are those of the file. By the
 * decoder, and by the means of whole blocks. */
int picture_reduce(const struct picture *p, struct picture_reduction *how, VipsImage **ret, struct err *err) must_use;

/* Lazily: the header is read, pixels when something asks for them. jpeg_shrink is 1, 2, 4 or 8; webp_scale at most 1. */
int picture_stream(const struct picture *p, int jpeg_shrink, double webp_scale, VipsImage **ret, struct err *err) must_use;

/* The steps that the picture is decoded for: see shared/sharing.h; 0: for this one only. */
int picture_sharers(const struct picture *p);

/* Into memory, so that what is broken shows now. */
int picture_decode(VipsImage **image, struct err *err) must_use;

/* ERR_REJECT with what libvips said, in one line. Always -1. */
int picture_fail(struct err *err, const char *what);

/* A library warns: that is the reason when a failure comes without one. "" forgets it. */
void picture_note(const char *text);

/* Give *image's reference up for `next`, as one operation follows another. */
void picture_step(VipsImage **image, VipsImage *next);

void image_unref(VipsImage *image);
DEFINE_SCOPED(VipsImage *, image_unref)

#endif
