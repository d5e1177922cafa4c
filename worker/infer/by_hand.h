/*
 * by_hand.h - looking at one model file, and running it as fast as it goes: `pixelfleet-infer --check`, `--bench`. Both print
 * one line of JSON on standard output:
 *
 *	{"file","inputs":[{"name","datatype","shape"}],"outputs":[...],"batches":true,"device","onnxruntime","load_ms","memory_mb",
 *	 "peak_mb","note"?}
 * and --bench also {"callers","batch","seconds","runs","runs_per_s","rows_per_s","p50_ms","p99_ms"}.
 *
 * The sandbox is that of the worker's process, with the file's directory in the place of the models': a file from
 * somewhere may be looked at.
 */
#ifndef BY_HAND_H
#define BY_HAND_H

#include "err.h"

struct by_hand {
	const char *file;
	bool is_bench;
	unsigned callers, seconds, batch;       /* of --bench */
};

/* *ret_missing: it failed because there is no ONNX Runtime here, or not the device that was asked for. */
int by_hand(const struct by_hand *what, bool *ret_missing, struct err *err) must_use;

#endif
