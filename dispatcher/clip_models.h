/*
 * clip_models.h - the models that embed photos and texts, by their labels: CLIP_MODELS, else the one model of
 * PROCESSING_DEFAULT_MODEL and CLIP_MODEL_NAME.
 */
#ifndef CLIP_MODELS_H
#define CLIP_MODELS_H

#include "conf.h"

struct clip_model {
	char *label, *name;             /* name: a directory of PIXELFLEET_MODELS_DIR */
};

struct clip_models {
	struct clip_model *list;
	size_t n;                       /* at least one; the first embeds captions */
};

/* ERR_REJECT: CLIP_MODELS is not label=model,label=model; labels are told apart. */
int clip_models_read(const struct conf *conf, struct clip_models *ret, struct err *err) must_use;
void clip_models_free(struct clip_models *m);

/* The name of a label's model, or of the model's directory itself. NULL, and labels that nobody knows, get the model of
 * PROCESSING_DEFAULT_MODEL, as with the runners that these queues were made for. */
const char *clip_models_find(const struct conf *conf, const struct clip_models *m, const char *label);

#endif
