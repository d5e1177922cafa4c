/*
 * folder.h - the pictures in a directory that a submission names: its files that end like one.
 */
#ifndef FOLDER_H
#define FOLDER_H

#include "base.h"

#include <jansson.h>

/* Appends "PATH/NAME" of at most `most` pictures to the list, sorted by name; hidden ones are left out.
 * *ret_odd: how many have names that are no plain text, and were left out, too. -1: it cannot be read. */
int folder_pictures(int fd, const char *path, size_t most, json_t *to, size_t *ret_odd) must_use;

#endif
