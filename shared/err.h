/*
 * err.h - what went wrong, and what the queue should do about it.
 *
 * A function that can fail returns 0 or -1, is marked must_use, and takes a
 * `struct err *err` as its last argument. On -1, *err is filled and no output
 * argument has been touched. On 0, *err is untouched.
 *
 *	if (store_open(store, digest, &fd, err) < 0)
 *		return err_wrap(err, "step 'resize'");
 *
 * The kind is the only thing callers may branch on:
 */
#ifndef ERR_H
#define ERR_H

#include "base.h"

#define ERR_KINDS(X)                                                                   \
	X(ERR_RETRY,  "retry",  "the world was unhelpful; the same task may pass later") \
	X(ERR_REJECT, "reject", "this can never pass; dead-letter it for a person")      \
	X(ERR_CANCEL, "cancel", "we are stopping; put the task back as it was")

enum err_kind {
#define X(sym, name, meaning) sym,
	ERR_KINDS(X)
#undef X
};

struct err {
	enum err_kind kind;
	char msg[1024];         /* UTF-8; a byte of what is quoted that is none is shown as '?' */
};

/* Fill *err; always returns -1, so that `return err_set(...)` reads as one act. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...) printf_like(3, 4);

/* Put context in front of what is already there: "fetch 'x': timed out". */
int err_wrap(struct err *err, const char *fmt, ...) printf_like(2, 3);

const char *err_kind_name(enum err_kind kind);
int err_kind_parse(const char *name, enum err_kind *ret) must_use;      /* -1: no such kind */

#endif
