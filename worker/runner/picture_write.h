/*
 * picture_write.h - a finished picture, into the format that its reader needs.
 *
 * Which format: the one `format` names; with "auto", when other steps are the only readers,
 * uncompressed TIFF (quick, and nothing is lost); else the format that the picture came in.
 * Alpha is laid over `background` and 16 bits become 8 where the format has no room for them.
 * Metadata and profile are left out (the pixels are sRGB) unless `keep_metadata`.
 *
 * Trouble with the output file is ERR_RETRY, a picture that turns out broken is ERR_REJECT.
 */
#ifndef PICTURE_WRITE_H
#define PICTURE_WRITE_H

#include "picture.h"

/* One output of the job, with PICTURE_PARAMS from the job's params; `over`, which may be NULL,
 * has those that are different for this output. */
int picture_write(const struct runner_job *job, const struct picture *from, VipsImage *image, const char *name,
	const json_t *over, struct err *err) must_use;

/* A COLOR parameter as band values of `image`'s depth: grey or RGB, alpha last. Returns how many, as
 * many as the image has bands. */
int picture_ink(const VipsImage *image, const char *color, double ink[4]);

bool picture_is_wide(const VipsImage *image);           /* 16 bits a band */

#endif
