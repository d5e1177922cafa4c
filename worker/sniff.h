/*
 * sniff.h - what a file is, from its first bytes: names and media types that people give
 * are not asked. Only what the runner decodes with hardened loaders passes.
 */
#ifndef SNIFF_H
#define SNIFF_H

#include "err.h"

#define SNIFF_BYTES 64

struct picture_type {
	const char *name;               /* "jpeg" */
	const char *media_type;         /* "image/jpeg" */
};

/* ERR_REJECT when it is no picture that is read; the message says what it looks like. */
int sniff_picture(const void *head, size_t n, const struct picture_type **ret, struct err *err) must_use;

#endif
