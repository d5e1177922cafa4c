/*
 * tokenizer_kinds.h - a tokenizer from the inside, for the files that make one up.
 */
#ifndef TOKENIZER_KINDS_H
#define TOKENIZER_KINDS_H

#include "bpe.h"
#include "tokenizer.h"

enum tokenizer_kind { TOKENIZER_CLIP, TOKENIZER_WORDPIECE };

struct tokenizer {
	enum tokenizer_kind kind;
	struct vocabulary v;
	struct bpe bpe;                         /* of clip */
	bool lowercase;
	int64_t start, end, pad, unknown;       /* unknown: of wordpiece */
	size_t length;
};

/* Numbers of the text's pieces, without a start and an end, at the end of `to`. The text is UTF-8. */
void clip_encode(const struct tokenizer *t, const char *text, struct ids *to);
void wordpiece_encode(const struct tokenizer *t, const char *text, struct ids *to);

/* The pieces' text as it is, to be cleaned up. */
void clip_decode(const struct tokenizer *t, const int64_t *ids, size_t n, struct buf *to);
void wordpiece_decode(const struct tokenizer *t, const int64_t *ids, size_t n, struct buf *to);

#endif
