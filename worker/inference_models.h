/*
 * inference_models.h - which models the inference process has loaded, as far as its answers tell: for the log (once a
 * load) and the heartbeat. What it has let go of since for want of memory stays listed until it is loaded again or the
 * process ends. Under its owner's lock.
 */
#ifndef INFERENCE_MODELS_H
#define INFERENCE_MODELS_H

#include "buf.h"

struct inference_models {
	struct inference_model {
		char *name;
		bool is_loading, is_loaded;
		int64_t since_ms, bytes;        /* of the load */
		uint64_t used;                  /* the largest is the latest */
	} *all;
	size_t n, cap;
	uint64_t uses;
};

void inference_models_loading(struct inference_models *m, const char *name, int64_t bytes);
/* load_ms: how long that took; less than 0: the process does not say. */
void inference_models_ran(struct inference_models *m, const char *name, int64_t load_ms);
void inference_models_failed(struct inference_models *m, const char *name);
bool inference_models_is_loading(struct inference_models *m, const char *name);
void inference_models_write(const struct inference_models *m, struct buf *to);  /* ["clip/image",...] */
void inference_models_clear(struct inference_models *m);

#endif
