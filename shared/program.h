/*
 * program.h - where the other programs of pixelfleet are: what one starts, another one.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "err.h"

#include <stddef.h>

/* The path of "pixelfleet-runner": beside the program that runs, in ../lib/pixelfleet, ../libexec/pixelfleet, or in PATH.
 * ERR_RETRY: it is in none of them. */
int program_find(const char *name, char *path, size_t size, struct err *err) must_use;

#endif
