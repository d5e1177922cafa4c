/*
 * submission_images.h - the pictures of a submission: URLs, paths, and directories that stand for the pictures in them.
 */
#ifndef SUBMISSION_IMAGES_H
#define SUBMISSION_IMAGES_H

#include "submission.h"

/* Sets s->images. */
void submission_read_images(struct submission *s, const json_t *body, const char *roots, json_t *problems);

/* What the readers of all members share. */
bool submission_is_plain(const json_t *v, size_t most);
void submission_refuse_url(const char *url, const char *allowed, const char *at, json_t *problems);

#endif
