/*
 * direct.h - one tool on one file, without worker or queue: for people and for tests.
 *
 *	pixelfleet-runner --tool thumbnail --params '{"sizes":[{"width":640},{"width":64}]}' IN.jpg OUTDIR
 */
#ifndef DIRECT_H
#define DIRECT_H

#include "err.h"

/* Results go to the file `out`, or, when that is a directory, to out/NAME.EXTENSION; data is printed to
 * stdout. `params` is JSON text or NULL; `out` may be NULL for tools that give data only. */
int direct_run(const char *tool, const char *params, const char *in, const char *out, struct err *err) must_use;

#endif
