/*
 * engine.h - what loads and runs models, seen from those who share it out. ONNX Runtime is one (ort.h); tests have
 * another, whose runs take as long as they say.
 *
 * Everything may be called by several threads at once, on one model as well. Errors: ERR_RETRY is lack of memory
 * (or a device that is unwell), and may pass when others have let go of theirs; ERR_REJECT is the model's
 * or the tensors' own.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "signature.h"

struct value {                  /* a tensor */
	const char *name;
	const struct dtype *type;
	size_t rank;
	int64_t shape[SIGNATURE_RANK];
	void *data;
	size_t size;            /* bytes */
	void *owner;            /* the engine's, of an output */
};

struct engine {
	/* *ret_signature is filled. */
	int (*load)(struct engine *e, const char *path, void **ret_model, struct signature *ret_signature, struct err *err) must_use;
	void (*unload)(struct engine *e, void *model);

	/* A run that stop() can reach from another thread, before or while it runs. */
	void *(*begin)(struct engine *e);
	void (*stop)(struct engine *e, void *run);
	void (*end)(struct engine *e, void *run);

	/* The outputs' names are given; of the rest nothing is touched on -1. */
	int (*run)(struct engine *e, void *model, void *run, const struct value *in, size_t nin, struct value *out, size_t nout,
		struct err *err) must_use;
	void (*release)(struct engine *e, struct value *output);
};

#endif
