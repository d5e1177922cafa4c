/*
 * vocabulary.h - the pieces of words that a model knows, and their numbers.
 *
 *	struct vocabulary v = { 0 };
 *	if (vocabulary_read_lines(&v, "/models/blip/vocab.txt", err) < 0)
 *		return -1;
 *	vocabulary_find(&v, "##ing", 5);        // 2075
 *
 * A zeroed one is empty. Numbers may have gaps; a gap's piece is "".
 */
#ifndef VOCABULARY_H
#define VOCABULARY_H

#include "buf.h"
#include "err.h"

enum { VOCABULARY_MOST = 1 << 20 };             /* pieces; no number is larger either */
#define VOCABULARY_FILE_MAX ((size_t)32 << 20)  /* bytes of any file of a tokenizer, */
#define VOCABULARY_JSON_MAX ((size_t)16 << 20)  /* of one of JSON (CLIP's has one, others 2 to 4 million), */
#define VOCABULARY_TREE_MAX ((size_t)256 << 20) /* and of what it becomes in memory */

struct vocabulary {
	struct buf text;        /* all pieces */
	struct piece { uint32_t at, size; } *pieces;
	size_t n, cap;          /* of pieces: one more than the largest number */
	uint32_t *slots;        /* number + 1, by the hash of the piece; 0: free */
	size_t nslots, used;    /* nslots is a power of two */
	size_t longest;         /* bytes of a piece */
};

void vocabulary_free(struct vocabulary *v);

/* -1: no such piece. */
int32_t vocabulary_find(const struct vocabulary *v, const char *piece, size_t size);
/* "" for a number that stands for nothing; not terminated. */
const char *vocabulary_piece(const struct vocabulary *v, int64_t id, size_t *ret_size);

/* One a line, the first has number 0. */
int vocabulary_read_lines(struct vocabulary *v, const char *path, struct err *err) must_use;
/* {"piece":number}; path is for the message. */
int vocabulary_from_json(struct vocabulary *v, const json_t *pieces, const char *path, struct err *err) must_use;

/* The whole file, of at most VOCABULARY_FILE_MAX bytes. ERR_REJECT: it is not there, or no file. */
int vocabulary_read_file(const char *path, struct buf *to, struct err *err) must_use;
/* An object. What would take more memory than VOCABULARY_TREE_MAX is refused before it is taken. */
int vocabulary_read_json(const char *path, json_t **ret, struct err *err) must_use;

static inline uint64_t vocabulary_hash(uint64_t seed, const void *bytes, size_t size)   /* FNV-1a, and then mixed */
{
	for (size_t i = 0; i < size; i++)
		seed = (seed ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
	return seed ^ seed >> 29;
}

#endif
