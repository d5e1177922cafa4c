/*
 * syscalls.h - seccomp: the system calls of syscalls.def, and no other.
 *
 * A refused call comes back as SIGSYS, in the thread that made it. The handler leaves the call's name and what
 * matters of its arguments as last words, and the process dies of SIGSYS: socket, execve, fork, ptrace, an
 * open for writing or of anything but readable.h's places end as one error of the step. Some calls are told
 * an errno and go on: those that libraries try and do well without, and looking (stat, access, readlink).
 *
 * Opening for reading: with Landlock the handler repeats the call with a secret in an argument that the kernel does
 * not look at, which the filter lets pass; code that has taken the process over may find the secret, and is still
 * held by Landlock. Without Landlock a runner opens no file, whatever it knows (may_open is false; what can be learnt with
 * the secret then is which files exist). ORC compiles loops into a file that it maps twice; it gets memory instead.
 *
 * Not bounded here: threads (by the address space, and TasksMax of the unit; RLIMIT_NPROC counts all processes of
 * the user, so it would bound the fleet).
 */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include "err.h"

/* After readable_init(). All threads of the process are held from now on. -1, ERR_RETRY: the kernel refuses filters. */
int syscalls_restrict(bool may_open, struct err *err) must_use;

/* For tests: a refused call gives EPERM instead of killing. Nothing becomes allowed. */
void syscalls_spare(bool spare);

#endif
