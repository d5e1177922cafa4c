/*
 * misbehave.h - a runner that does what a taken-over decoder would, for tests of the sandbox and of the worker.
 *
 * Built with -DFAULTS only. A step of a picture tool whose id is "misbehave-WHAT" does it in place of the tool's work, so one job
 * can have bad steps and good ones. WHAT is a row of the table in misbehave.c: socket, execve, open, write, fork,
 * ptrace, kill, memory, loop, segv, abort.
 *
 * "misbehave-probe" tries everything that should be out of reach, one after another, and succeeds; its data is
 * {"reached":["mount",...], "tried":{"mount":"EPERM",...}, "fds":[0,1,2,3,...], "fds_after":[...]}: the descriptors that
 * were open before and after. An empty "reached" is what is wanted. What is "tried" with a refused call gives EPERM here, for the sake of
 * going on; without the probe it is death.
 */
#ifndef MISBEHAVE_H
#define MISBEHAVE_H

#include "base.h"

#include <jansson.h>

/* True: it was such a step, and *ret_data is its result. */
bool misbehave(const char *step, json_t **ret_data);

#endif
