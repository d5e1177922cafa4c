/*
 * beneath.h - files under the directories that submissions may name pictures in
 * (PIXELFLEET_ALLOWED_ROOTS), and nothing else: no "..", no symbolic link on the way, no
 * device. The kernel enforces it at open (openat2(2)), so nothing can change in between.
 */
#ifndef BENEATH_H
#define BENEATH_H

#include "err.h"

/* roots: absolute directories, colon separated. ERR_REJECT: not allowed, not there, or no regular
 * file; ERR_RETRY: the disk's trouble. */
int beneath_open(const char *roots, const char *path, int *ret_fd, size_t *ret_size, struct err *err) must_use;

/* The same for a directory, to read the names in it. */
int beneath_open_dir(const char *roots, const char *path, int *ret_fd, struct err *err) must_use;

#endif
