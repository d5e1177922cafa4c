/*
 * landlock.h - the kernel's own rules on files for this thread and those that it starts: reading only in the
 * places of readable.h; no writing, making, renaming, removing anywhere; no TCP, no signals to others, where
 * the kernel knows these. Descriptors that are open already work as before.
 *
 * Linux has it since 5.13, in stages ("ABI"); containers and old kernels do without. Then seccomp alone
 * guards, and refuses every open.
 */
#ifndef LANDLOCK_H
#define LANDLOCK_H

#include "base.h"

int landlock_abi(void);         /* 0: there is none */

/* After readable_init() and PR_SET_NO_NEW_PRIVS, before any other thread. 0 also when there is none. -1: errno.
 * gpu: the devices of NVIDIA's driver can be written to as well, and what it reads of the system be read; not tried. */
int landlock_enter(bool gpu);

#endif
