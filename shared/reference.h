/*
 * reference.h - a picture that is used where it lies, instead of being copied into the artifact store; and opening
 * artifacts of both kinds.
 *
 * Its artifact has, besides what every artifact has:
 *
 *	"by":"reference", "path":"/photos/a.jpg", "fingerprint":"<32 hex>"
 *
 * "digest" then is the name of this version of the file, NOT a hash of what is in it: a keyed hash of path, inode, size, and
 * the times (in ns) of the last write and the last change. The device is not in it, so that hosts which share a file system
 * agree. "fingerprint" is of what survives a move, a copy back that keeps times, a new link or new permissions: size, time of
 * the last write, and the first REFERENCE_HEAD bytes. Whoever opens the file checks the first, or else the second; it is
 * rejected when neither is as it was. A write that leaves the size, moves the time back and spares the head passes for no
 * write, and so may one through a shared mapping, until the kernel writes it back.
 *
 * The path comes from a report: it leads nowhere but beneath the directories that pictures may be in.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "conf.h"
#include "store.h"

#include <jansson.h>

#define REFERENCE_HEAD 4096

struct reference {
	char digest[DIGEST_TEXT], fingerprint[33];
	size_t bytes;
	char head[REFERENCE_HEAD];      /* the beginning of the file */
	size_t head_len;
};

/* What the file open as fd is now. A file that was written this very moment is waited for, a few ms at most: until a
 * later write would have a later time. */
int reference_make(const char *path, int fd, struct reference *ret, struct err *err) must_use;
void reference_describe(const struct reference *r, const char *path, json_t *artifact);

bool reference_is(const json_t *artifact);

/* What is read is checked once more when all of it was: fd, and what it was like when it was opened. */
struct reference_watch {
	int fd;                 /* borrowed */
	int64_t size, written_ns;
};

/* ERR_REJECT: it is gone, another one, or not allowed; the message says which. `watch` may be NULL. */
int reference_open(const struct conf *conf, const json_t *artifact, int *ret_fd, size_t *ret_size, struct reference_watch *watch,
	struct err *err) must_use;
/* ERR_REJECT when it was written to since. That it was moved or removed is no matter. */
int reference_recheck(const struct reference_watch *watch, const json_t *artifact, struct err *err) must_use;

/* Any artifact, from the store or by reference. watch->fd is -1 for one from the store; `watch` may be NULL. */
int artifact_open(const struct conf *conf, struct store *store, const json_t *artifact, int *ret_fd, size_t *ret_size,
	struct reference_watch *watch, struct err *err) must_use;

#endif
