/*
 * slow_engine.h - an engine (worker/infer/engine.h) whose models are the files' first words and whose runs take as long as the
 * test says: "double" gives twice its input "x" FP32 [-1,2] as "y"; "fixed" the same of [1,2]; "mixed" gives two rows for
 * each; "broken" cannot be loaded; "scarce" has no memory for runs while other models are loaded.
 */
#ifndef SLOW_ENGINE_H
#define SLOW_ENGINE_H

#include "engine.h"

#include <pthread.h>

struct slow_engine {
	struct engine engine;           /* first */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_shut, loads_are_shut, unloads_are_shut; /* these wait at the gate */
	unsigned at_gate;               /* that wait there */
	unsigned loads, unloads, runs;  /* ever */
	unsigned loaded, stops;
	int64_t rows[64];               /* of each run, in the order of their beginning */
};

void slow_engine_init(struct slow_engine *e);
void slow_engine_done(struct slow_engine *e);
void slow_engine_shut(struct slow_engine *e, bool runs, bool loads);
void slow_engine_shut_unloads(struct slow_engine *e, bool unloads);
void slow_engine_await(struct slow_engine *e, unsigned at_gate);        /* until so many wait there */
unsigned slow_engine_count(struct slow_engine *e, const unsigned *what);

#endif
