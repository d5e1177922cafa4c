/*
 * alone.h - what the worker program does besides being a worker: one task from a file, and
 * asking its dependencies how they are.
 */
#ifndef ALONE_H
#define ALONE_H

#include "conf.h"

/* Runs the envelope in `file` ("-": standard input) with neither Redis nor seal; prints the report.
 * Returns the exit status: 0, 3 retry, 4 reject, 5 cancel; 1 when the file cannot be used. */
int alone_task(const struct conf *conf, const char *file);

/* One line for each dependency; 0 when all are well, else 1. */
int alone_check(const struct conf *conf);

#endif
