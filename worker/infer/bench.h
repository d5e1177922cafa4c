/*
 * bench.h - one model, run by several threads on random tensors for a while, with nothing around it.
 */
#ifndef BENCH_H
#define BENCH_H

#include "engine.h"

struct bench {
	struct engine *engine;
	void *model;
	const struct signature *signature;
	unsigned callers, seconds, batch;
};

/* Adds to `to`: callers, batch, seconds, runs, runs_per_s, rows_per_s, p50_ms, p99_ms, and "shapes" of what was given.
 * ERR_REJECT: the model takes what random tensors cannot be made of, or does not run with them. */
int bench_run(const struct bench *b, json_t *to, struct err *err) must_use;

#endif
