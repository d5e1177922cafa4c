/*
 * refused.h - what happens to a system call that the filter refuses: see syscalls.h. Everything here runs in a
 * signal handler.
 */
#ifndef REFUSED_H
#define REFUSED_H

#include "base.h"

/* Before the filter is loaded. `secret` makes it let a call pass. */
void refused_begin(uint64_t secret, bool may_open);

/* For tests: EPERM instead of death. */
void refused_spare(bool spare);

#endif
