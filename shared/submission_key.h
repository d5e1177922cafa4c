/*
 * submission_key.h - what a submission's definition is looked up by in the cache of definitions (definition_cache.h).
 *
 * That is the value of "pipeline", byte by byte, when the definition comes from nothing else; otherwise the members it
 * comes from with their names and in their order, with NULs, which no such value has, and the callback's address. A
 * pipeline's name is no key: what is stored under it may change.
 *
 * Why a text whose key is known need not be parsed as a whole: the bytes of the key were part of a valid document before,
 * at the same depth, so they are valid values; what is left of the text, with 0 in their place, is parsed and checked as
 * ever, double names included.
 */
#ifndef SUBMISSION_KEY_H
#define SUBMISSION_KEY_H

#include "buf.h"
#include "outline.h"

/* How values are written in the digest of a submission. */
#define SUBMISSION_TEXT_FLAGS (JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY)

struct submission_key {
	struct outline outline;
	bool out[OUTLINE_MEMBERS];      /* members that the definition is made of */
	struct span key;                /* empty: this is not a text to be looked up */
	struct buf made;                /* the key, unless it stands in the text as it is */
};

/* Of a zeroed one. It borrows the text. */
void submission_key_find(struct submission_key *k, const char *text, size_t len);
void submission_key_done(struct submission_key *k);

/* New object: of each member that the definition is made of, how it is written in the digest. */
json_t *submission_key_texts(const struct submission_key *k, const json_t *body);

#endif
