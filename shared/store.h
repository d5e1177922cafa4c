/*
 * store.h - artifacts: files named by what is in them.
 *
 * An artifact's name is the BLAKE2b-256 of its bytes in hexadecimal; its file is
 * DIR/ab/cdef... Writing is: an unnamed file, the bytes, then the link to its name, so
 * no reader ever sees half a file. Storing what is there already touches the file, which
 * tells the collector that it is wanted.
 */
#ifndef STORE_H
#define STORE_H

#include "err.h"

#include <sys/types.h>

#define DIGEST_TEXT 65          /* 64 hexadecimal digits and the end */

#define STORE_TEMPORARY "tmp"   /* below the directory; only used where unnamed files cannot be made */

struct store {
	char *path;
	int dir;                /* descriptor of the directory */
};

int store_open(struct store *s, const char *path, struct err *err) must_use;   /* makes the directory */
void store_close(struct store *s);

/* An unnamed file to write into; O_RDWR. */
int store_create(struct store *s, int *ret_fd, struct err *err) must_use;
void store_discard(struct store *s, int *take_fd);      /* nothing came of it; -1: of none */
/* *fd, from store_create(), was given to somebody else: it becomes one, for reading, of a file that nobody can write to,
 * a copy where that has to be. What is hashed next is then what stays. */
int store_own(struct store *s, int *fd, struct err *err) must_use;
/* Hashes all of fd's bytes, and gives the file its name once they are on the disk. The caller still closes fd. */
int store_commit(struct store *s, int fd, char ret_digest[DIGEST_TEXT], size_t *ret_size, struct err *err) must_use;
int store_put(struct store *s, const void *bytes, size_t n, char ret_digest[DIGEST_TEXT], struct err *err) must_use;

/* Or: hashed while it comes. A writer is freed whether it was committed or not; free accepts NULL. */
struct store_writer;
int store_writer_new(struct store *s, struct store_writer **ret, struct err *err) must_use;
int store_write(struct store_writer *w, const void *bytes, size_t n, struct err *err) must_use;
/* Up to n of the first bytes that came; returns how many. */
size_t store_writer_head(const struct store_writer *w, void *to, size_t n);
int store_writer_commit(struct store_writer *w, char ret_digest[DIGEST_TEXT], size_t *ret_size, struct err *err) must_use;
void store_writer_free(struct store_writer *w);
DEFINE_SCOPED(struct store_writer *, store_writer_free)

/* The same in two halves, so that who has other work need not wait for the disk, and the disk takes many at once: after
 * store_prepare() digest and size are known, after store_sync() of the list the artifacts are there for good. */
struct store_item {
	int fd;                 /* -1: the store has these bytes already */
	int error;              /* 0, or why it could not be kept: an errno */
	char digest[DIGEST_TEXT];
	size_t size;
};
int store_prepare(struct store *s, int *take_fd, struct store_item *ret, struct err *err) must_use;     /* *take_fd is -1 afterwards */
void store_sync(struct store *s, struct store_item *const *items, size_t n);    /* `error` tells; descriptors are closed */
void store_item_done(struct store_item *item);

/* ERR_REJECT when there is no such artifact, with the path looked for. */
int store_get(struct store *s, const char *digest, int *ret_fd, size_t *ret_size, struct err *err) must_use;
void store_path(const struct store *s, const char *digest, char *path, size_t size);
bool digest_is(const char *text);

/* Calls fn for every artifact whose last use is older than age_s; removes it when fn says true.
 * Returns how many were removed. */
size_t store_collect(struct store *s, unsigned age_s, bool (*fn)(void *arg, const char *digest), void *arg);

#endif
