/*
 * tokenizer.h - a text as a model takes it: the numbers of pieces of words; and back.
 *
 *	const struct tokenizer *t;
 *	scoped(tokens_done) struct tokens ids = { 0 };
 *	if (tokenizer_open(model.dir, model.card, &t, err) < 0 || tokenizer_encode(t, text, tokenizer_length(t), &ids, err) < 0)
 *		return -1;
 *	... ids.id[0 .. ids.n) are the text between its start and its end, ids.id[ids.n .. ids.size) the padding ...
 *
 * Two kinds, which is the card's "tokenizer" member to say ("type"), else the files that are there:
 *   clip       byte pairs, as OpenAI's CLIP has them: vocab.json and merges.txt
 *   wordpiece  BERT's, Chinese-CLIP's and BLIP's: vocab.txt
 * or, for either, a tokenizer.json as Hugging Face's libraries write it, of which the vocabulary and the merges are read.
 * The numbers are those of Hugging Face's tokenizers (CLIP, BERT). What a character is (letter, digit, mark; lower case;
 * composed, decomposed) is GLib's to say: characters that are newer than its Unicode are neither letters nor digits.
 */
#ifndef TOKENIZER_H
#define TOKENIZER_H

#include "buf.h"
#include "err.h"

#define TOKENIZER_TEXT_MAX ((size_t)64 << 10)   /* bytes of a text */

struct tokenizer;

struct tokens {
	int64_t *id;
	size_t n;               /* of the text, its start and its end */
	size_t size;            /* with the padding */
	bool is_cut;            /* the text was longer than the length allows */
};

/* From the files in the directory `dir`. card: the model's card, may be NULL. *ret is kept by the process, read again when
 * a file has changed, and may be used until the next call. ERR_REJECT names the file, and the line where there is one. */
int tokenizer_open(const char *dir, const json_t *card, const struct tokenizer **ret, struct err *err) must_use;

/* The card's "length"; else 77 for clip, and for wordpiece 52, Chinese-CLIP's. */
size_t tokenizer_length(const struct tokenizer *t);

/* length: cut so that the end still fits, then filled up with the padding; 0: neither. ERR_REJECT: over TOKENIZER_TEXT_MAX.
 * Of bytes that are no UTF-8 each counts as U+FFFD. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, struct tokens *ret, struct err *err) must_use;

/* Adds the text; what is no piece of a text (start, end, padding, [UNK], numbers that stand for nothing) is left out. */
void tokenizer_decode(const struct tokenizer *t, const int64_t *ids, size_t n, struct buf *to);

void tokens_done(struct tokens *t);

#endif
