/*
 * serve.h - the runner's side of shared/wire.h: one task after another, until the parent hangs up.
 */
#ifndef SERVE_H
#define SERVE_H

#include "err.h"

/* 0 when the parent closed its end between two tasks. `parent`: its process id, see sandbox.h; 0: it runs in a
 * thread of a test, which stays as free as it was. */
int serve(int sock, int parent, struct err *err) must_use;

#endif
