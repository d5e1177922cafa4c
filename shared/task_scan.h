/*
 * task_scan.h - the envelope of a task without parameters and inputs, read in one pass.
 *
 * Such tasks take less time than a parsed document of their envelope. Only for bytes whose seal was found right: a
 * dispatcher has written them, and what is not written as dispatchers do (white space, escapes, another order of what
 * matters) is left to the parser.
 */
#ifndef TASK_SCAN_H
#define TASK_SCAN_H

#include "task.h"

/* true: everything is filled in but `run`. false: nothing is; use the parser. */
bool task_scan(const char *envelope, size_t len, struct task *t);

#endif
