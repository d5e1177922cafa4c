/*
 * studio.h - pictures for the tests of the runner's tools, and running a tool on them in this process.
 *
 *	struct shot s;
 *	studio_run(&s, "resize", "{\"width\":64}", studio_file(photo, "a.jpg"), "jpeg");
 *	assert_int_equal(s.outs[0].width, 64);
 *	studio_done(&s);
 */
#ifndef STUDIO_H
#define STUDIO_H

#include "output.h"

#include <vips/vips.h>

enum { SHOT_MOST = 40 };

struct shot {
	struct runner_ctx ctx;
	int result;             /* 0 or -1, and then err */
	struct err err;
	json_t *data;
	int n;
	struct {
		int fd, width, height;
		char name[96], media_type[32], origin[32];
	} outs[SHOT_MOST];
	int fail_open;          /* output_open fails with ERR_RETRY */
	int full_disk;          /* outputs go to /dev/full */
	bool not_final;
	const char *digest, *shared;    /* of the picture, and with whom it is shared, as in shared/sharing.h; or NULL */
	size_t max_pixels;      /* 0: many */
	const json_t *items;    /* one more input, of data */
	VipsImage *mask;        /* and one more picture, before the other, named "mask"; stays the caller's */
	/* Answers the tool's questions for models; NULL: nobody does. See output.h. */
	int (*ask)(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err);
	size_t asked_memory;    /* out: the most that the tool asked for at once */
};

/* libvips as a runner has it; what follows does it by itself. */
void studio_start(void);

/* New images, in memory: 8-bit sRGB with edges, slopes and noise. */
VipsImage *studio_photo(int width, int height);
VipsImage *studio_with_alpha(int width, int height);    /* transparent left half */
VipsImage *studio_wide(int width, int height);          /* 16 bits */
VipsImage *studio_grey(int width, int height);
VipsImage *studio_cmyk(int width, int height);
VipsImage *studio_plain(int width, int height, double r, double g, double b);

/* Writes (and unrefs) the image as the name's suffix says, with vips save options: "a.jpg[Q=90]". An open
 * descriptor, positioned at the end, which studio_run closes. */
int studio_file(VipsImage *take_image, const char *name);
int studio_bytes(const void *bytes, size_t n);
VipsImage *studio_turned(VipsImage *take_image, int orientation);       /* with that EXIF tag */

/* Zeroed, or with the fields from fail_open on set. Fills s; closes fd; origin may be NULL. */
void studio_run(struct shot *s, const char *tool, const char *params, int fd, const char *origin);
void studio_done(struct shot *s);

VipsImage *studio_output(const struct shot *s, int i);                  /* decoded */
const char *studio_loader(const struct shot *s, int i);                 /* "jpegload_source" */
double studio_difference(VipsImage *a, VipsImage *b);                   /* greatest of any band; -1: not of a shape */
double studio_psnr(VipsImage *a, VipsImage *b);

#endif
