/*
 * model_run.h - looking at a model file, and running it: questions to pixelfleet-infer, in a process and a sandbox of its own,
 * because a model is other people's. What it says is one line of JSON (worker/infer/by_hand.h).
 *
 *	scoped(json_decref_p) json_t *look = NULL;
 *	if (model_look(c, path, &look, err) < 0) ...
 *	if (model_signature(look, &signature, err) == 0 && signature_check(&signature, card.declared, err) == 0) ...
 *
 * The settings have been read. c->code is CLI_TROUBLE when nothing can run here (no pixelfleet-infer, no ONNX Runtime, no memory), CLI_FAILED when it is
 * the file that is wrong.
 */
#ifndef MODEL_RUN_H
#define MODEL_RUN_H

#include "cli.h"
#include "signature.h"

struct model_bench {
	long callers, seconds, batch;
};

/* {"inputs","outputs","batches","device","onnxruntime","load_ms","memory_mb","peak_mb","note"?} */
int model_look(struct cli *c, const char *path, json_t **ret, struct err *err) must_use;
/* The same, with "runs_per_s","rows_per_s","p50_ms","p99_ms","callers","batch","seconds". */
int model_bench(struct cli *c, const char *path, const struct model_bench *how, json_t **ret, struct err *err) must_use;

/* Of what model_look() gave. */
int model_signature(const json_t *look, struct signature *ret, struct err *err) must_use;

#endif
