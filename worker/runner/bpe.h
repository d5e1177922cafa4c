/*
 * bpe.h - byte pairs: a word's bytes, put together two by two in the order of the merges.
 *
 * Each byte is written as one letter (itself where it can be seen, else one from U+0100 on), the last of a word with "</w>"
 * behind it; both forms of all 256 have to be in the vocabulary, so that every word has pieces. Of the pairs that stand beside
 * each other, the one that comes first in the merges is replaced by its piece, the leftmost first, until none is left.
 */
#ifndef BPE_H
#define BPE_H

#include "vocabulary.h"

#define BPE_END "</w>"

struct ids {
	int64_t *id;
	size_t n, cap;
};

struct bpe {
	const struct vocabulary *v;     /* borrowed, and not changed any more */
	uint32_t first[256], last[256]; /* the pieces of single bytes */
	struct merge { uint64_t pair; uint32_t rank, id; } *slots;      /* id + 1; 0: free */
	size_t nslots, used, nmerges;
};

/* Zeroed before. path is that of the vocabulary, for messages. */
int bpe_init(struct bpe *b, const struct vocabulary *v, const char *path, struct err *err) must_use;
void bpe_done(struct bpe *b);

/* A pair a line, with a blank between them, "#version..." before the first; or ["a b",...] or [["a","b"],...]. */
int bpe_read_merges(struct bpe *b, const char *path, struct err *err) must_use;
int bpe_from_json(struct bpe *b, const json_t *merges, const char *path, struct err *err) must_use;

void bpe_encode(const struct bpe *b, const char *word, size_t size, struct ids *to);
/* The bytes that the piece stands for, with a blank for the end of a word. */
void bpe_decode(const char *piece, size_t size, struct buf *to);

void ids_add(struct ids *to, int64_t id);

#endif
