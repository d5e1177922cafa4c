/*
 * beam.h - the likeliest sequence of tokens, where a model tells how likely each next one is.
 *
 * Beam search as Hugging Face's generate() does it: each step the `beams` best beginnings live on; what ends is kept, scored by
 * the mean of its log probabilities (the length counts the end; length_penalty 1), and the search stops when no living one can
 * still be better than the worst of `beams` ended ones. With one beam it is the greedy search.
 */
#ifndef BEAM_H
#define BEAM_H

#include "err.h"

enum { BEAMS_MOST = 8, BEAM_VOCABULARY_MOST = 1 << 20 };

struct beam_model {
	/* For each of n sequences of `length` tokens, one after the other, the logits of the token that follows: new, n rows of
	 * *ret_vocabulary, which is the same each time, and from 2 to BEAM_VOCABULARY_MOST. */
	int (*next)(struct beam_model *m, const int64_t *ids, size_t n, size_t length, float **ret_logits, size_t *ret_vocabulary,
		struct err *err);
};

struct beam_want {
	int64_t start, end;
	size_t beams;           /* 1 to BEAMS_MOST */
	size_t max_length;      /* of a sequence, with its start and its end; at least 2 */
};

/* *ret is new: the tokens between start and end, *ret_n of them. ERR_REJECT: the model gives what is no number. */
int beam_search(struct beam_model *m, const struct beam_want *want, int64_t **ret, size_t *ret_n, struct err *err) must_use;

#endif
