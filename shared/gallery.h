/*
 * gallery.h - what the settings of the photo and text queues say: a gallery's server pushes messages there, and gets
 * what the models made of its photos and texts back over HTTP.
 */
#ifndef GALLERY_H
#define GALLERY_H

#include "conf.h"

/* What a photo message's path becomes as a job's picture: only the queue makes such names, and only for them the
 * gallery's directory is open. */
#define GALLERY_UPLOAD "upload:"

/* That the settings of the queues make sense. */
int gallery_check(const struct conf *c, struct err *err) must_use;

/* The directory that relative paths begin in; "": none is set. */
const char *gallery_base(const struct conf *c);

#endif
