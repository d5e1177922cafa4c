/*
 * child_spawn.h - starting a program with nothing of ours but one socket: no other
 * descriptor, a short environment, its own process group, default signals.
 */
#ifndef CHILD_SPAWN_H
#define CHILD_SPAWN_H

#include "err.h"

#include <sys/types.h>

/* *ret_sock: our end of the socket, close-on-exec. models_dir: what PIXELFLEET_MODELS_DIR is to it. */
int child_spawn(const char *path, const char *models_dir, pid_t *ret_pid, int *ret_sock, struct err *err) must_use;

#endif
