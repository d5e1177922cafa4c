/*
 * labels.h - what the classes of a model are called: the card's "labels"; else the names of COCO, for a model of kind
 * "yolo" that has 80 classes; else their numbers.
 */
#ifndef LABELS_H
#define LABELS_H

#include "infer.h"

struct labels {
	const json_t *list;             /* the card's, borrowed; NULL: it has none */
	bool is_coco;
};

/* n: how many classes the model gives; 0: its shape does not say. ERR_REJECT: its card names another number. */
int labels_of(const struct model *model, const char *name, size_t n, struct labels *ret, struct err *err) must_use;

/* `number` is room for one that has no name. */
const char *labels_name(const struct labels *l, size_t class, char number[24]);

#endif
