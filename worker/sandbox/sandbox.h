/*
 * sandbox.h - the runner gives up what it does not need, before it sees the first picture; pixelfleet-infer, before it
 * loads the first model.
 *
 * Entered once, after libvips has loaded its modules and the parent has said the limits. Each restriction is one
 * function of the table in sandbox.c; they are applied in its order. What is left: its socket, the descriptors that
 * come over it, stderr for the log, memory up to the limit, and reading in a few places (readable.h). No
 * network, no new process or program, no new file; a try at those is its death, which names the call (syscalls.h).
 *
 * seccomp is needed: without, nothing is decoded. Landlock is used where there is some; without, no file is
 * opened at all, and what labels need is read beforehand. Wall clock and CPU time are the parent's
 * business (child.h): a limit that the runner itself could raise would be none.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "err.h"

#include <sys/types.h>

struct sandbox {
	unsigned memory_mb;     /* of address space; 0: no limit */
	unsigned files;         /* most descriptors; 0: 256 */
	unsigned file_mb;       /* most of one result; a write beyond fails with EFBIG. 0: no limit */
	pid_t parent;           /* dies with it; 0: with nobody */
	/* Models are opened by whoever loads them, at any time. Without Landlock readable.h's places are then judged by their
	 * names alone: who takes the process over can read what its user can read, and still has nowhere to send it. */
	bool opens_files;
	/* A driver of CUDA is in this process: it talks to devices in ways that nobody lists. No seccomp, then; and Landlock, where
	 * there is some, lets the driver's devices be written to, and its files be read. Written from what is documented of the
	 * driver: it has not been tried on a GPU. */
	bool gpu;
};

/* What the kernel gave, for the log. */
struct sandbox_state {
	int landlock;           /* its ABI; 0: none */
	bool seccomp;
};

/* There is no way back. On -1 the process is not fit to decode anything. */
int sandbox_enter(const struct sandbox *s, struct sandbox_state *ret, struct err *err) must_use;

#endif
