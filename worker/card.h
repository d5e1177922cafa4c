/*
 * card.h - what people say of a model: PIXELFLEET_MODELS_DIR/MODEL/model.json.
 *
 *	{"labels":["person","bicycle",...],      class 0 first
 *	 "size":[640,640]}                       width and height of the input, where the model leaves them free
 *
 * Members that are not known are for others.
 */
#ifndef CARD_H
#define CARD_H

#include "buf.h"
#include "err.h"

/* *ret is a new object; empty when the model has no card. ERR_REJECT: the file is there, and is wrong. */
int card_read(const char *models_dir, const char *model, json_t **ret, struct err *err) must_use;

#endif
