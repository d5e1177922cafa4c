/*
 * classes.h - what a classifier says of a picture: a score for each class, or the lines of the best ones as Triton's
 * classification extension writes them.
 *
 *	classes_of_texts(&answer, &list, &n, err)       "0.81:7:cat", one an element
 *	classes_of_scores(values, nvalues, &list, err)  one number a class
 *	classes_as_shares(list, n);                     of all classes: they add up to 1
 *	classes_sort(list, n);                          best first
 */
#ifndef CLASSES_H
#define CLASSES_H

#include "tensor.h"

struct class_score {
	double score;
	size_t index;
	const char *label;              /* borrowed from the tensor, no C string; NULL: the server has none */
	size_t label_len;
};

/* *ret is new, to be freed. ERR_RETRY: an element is no number, ':', a number; a label may follow after another ':'. */
int classes_of_texts(const struct tensor *t, struct class_score **ret, size_t *ret_n, struct err *err) must_use;
/* ERR_RETRY: one of them is no number. */
int classes_of_scores(const float *scores, size_t n, struct class_score **ret, struct err *err) must_use;

/* Softmax, when they are no shares already: each from 0 to 1, all together 1 (within a hundredth, as halves are). */
void classes_as_shares(struct class_score *list, size_t n);
void classes_sort(struct class_score *list, size_t n);

#endif
