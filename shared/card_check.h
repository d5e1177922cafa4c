/*
 * card_check.h - does a model.json say what can be used? Looks at the JSON alone, at no file.
 *
 * Every problem is {"at":"/preprocess/resize","found":"\"crap\"","allowed":"one of crop, squash, letterbox, top_left"}.
 * Members that are not known are for others, and no problem.
 */
#ifndef CARD_CHECK_H
#define CARD_CHECK_H

#include "buf.h"

#define CARD_LABELS_MAX 100000

/* A new list; empty: all is well. */
json_t *card_problems(const json_t *card);

/* A path in a model's directory: relative, without "..", of text that can be shown. */
bool card_is_file_name(const char *s);

struct card_kind {
	const char *name;
	struct { const char *part, *file; } parts[2];   /* what it has when the card does not say; part NULL: none */
};
/* "": a model that has no card is one of these, too. NULL: there is no such kind. */
const struct card_kind *card_kind_find(const char *name);

#endif
