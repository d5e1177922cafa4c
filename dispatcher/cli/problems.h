/*
 * problems.h - what is wrong with a submission or a definition, a line each:
 *
 *	job.json: /steps/0/params/widht: unknown parameter (found "widht"; allowed: width, height)
 *
 * A problem is {"at": JSON pointer, "found"?, "allowed"?, "message"?, "byte"?}; any of them may be missing.
 */
#ifndef CLI_PROBLEMS_H
#define CLI_PROBLEMS_H

#include "buf.h"

/* `source` is what the problems are in, unless they say so themselves (member "in"). */
void cli_problems_text(struct buf *to, const char *source, const json_t *problems);

/* Pointers into what was sent become pointers into the file that a person edits: of those that begin with
 * `without`, that is replaced by `with`, and "in" becomes the source. */
void cli_problems_move(json_t *problems, const char *without, const char *with, const char *source);

#endif
