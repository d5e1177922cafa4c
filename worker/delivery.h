/*
 * delivery.h - the requests that a gallery's server expects, made of what steps gave.
 *
 *   image    POST /api/internal/photos/{id}/ml_result   an embedding
 *   caption  the same, of a text about the photo; nothing when that text is empty
 *   faces    POST /api/internal/photos/{id}/faces       all of them, or an empty list
 *   ocr      POST /api/internal/photos/{id}/ml_result   the text in the photo, or ""
 *   text     POST /api/internal/text_queries/{id}       the embedding of a query
 *
 * The shapes are that server's: its tests compare them member by member.
 */
#ifndef DELIVERY_H
#define DELIVERY_H

#include "err.h"

#include <jansson.h>

struct delivery {
	char *path;
	json_t *body;           /* NULL: there is nothing to send */
};

/* `params` are those of the tool deliver, with defaults; `data` a list of what the needs gave, each an object.
 * ERR_REJECT: the data is not what such a request is made of, or an embedding has another length than `dim`. */
int delivery_make(const json_t *params, const json_t *data, struct delivery *ret, struct err *err) must_use;
void delivery_done(struct delivery *d);

#endif
