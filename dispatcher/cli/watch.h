/*
 * watch.h - stays with jobs until they end.
 *
 * One job is followed on the dispatcher's event stream, several by asking every half second;
 * when the stream does not work, one is asked about too. A dispatcher that goes away for less
 * than a minute is waited for.
 */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli.h"

/* Draws to `to`, whose look is given: bars on a terminal, else a line for each change (with --json an object).
 * Returns the exit status: the worst of failed, partial, cancelled, succeeded; or CLI_INTERRUPTED. */
int cli_watch(struct cli *c, const char *const *ids, size_t n, FILE *to, const struct cli_look *look, struct err *err);

#endif
