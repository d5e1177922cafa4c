/*
 * sandbox.h - the runner gives up what it does not need, before it sees the first picture.
 *
 * Entered once, after libvips has loaded its modules and the parent has said the limits. Each
 * restriction is one function of the table in sandbox.c; they are applied in its order. (Fonts are
 * still read later, by the first label that `draw` writes.)
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "err.h"

#include <sys/types.h>

struct sandbox {
	unsigned memory_mb;     /* of address space; 0: no limit */
	pid_t parent;           /* dies with it; 0: with nobody */
};

/* There is no way back. On -1 the process is not fit to decode anything. */
int sandbox_enter(const struct sandbox *s, struct err *err) must_use;

#endif
