/*
 * tokenizer_clip.c - texts for CLIP: composed (NFC), in lower case, and split into words that byte pairs are made of.
 *
 * A word is one of 's 't 're 've 'm 'll 'd, or as many letters as stand together, or one digit, or as many other characters as
 * stand together; white space only separates. "<|endoftext|>" in a text is that piece, and so is "<|startoftext|>", the
 * latter in capitals too, as in Hugging Face's tokenizers.
 */
#include "characters.h"
#include "tokenizer_kinds.h"

#include <stdlib.h>
#include <string.h>

static const char start_text[] = "<|startoftext|>", end_text[] = "<|endoftext|>";

/* Bytes of the short ending of a word that begins here, or 0. */
static size_t contraction(const char *at, size_t size)
{
	static const char *const all[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };

	for (size_t i = 0; i < countof(all); i++)
		if (strlen(all[i]) <= size && memcmp(at, all[i], strlen(all[i])) == 0)
			return strlen(all[i]);
	return 0;
}

/* Of the word that begins with a character of this kind. */
static const char *end_of_word(const char *at, const char *stop, enum character_kind kind)
{
	size_t n = contraction(at, (size_t)(stop - at));

	if (n)
		return at + n;
	do
		at = g_utf8_next_char(at);
	while (kind != CHARACTER_NUMBER && at < stop && character_kind(g_utf8_get_char(at)) == kind);
	return at;
}

static void encode_words(const struct tokenizer *t, const char *at, const char *stop, struct ids *to)
{
	while (at < stop) {
		enum character_kind kind = character_kind(g_utf8_get_char(at));
		const char *end = kind == CHARACTER_SPACE ? g_utf8_next_char(at) : end_of_word(at, stop, kind);

		if (kind != CHARACTER_SPACE)
			bpe_encode(&t->bpe, at, (size_t)(end - at), to);
		at = end;
	}
}

/* The piece's number, or -1: the vocabulary does not have it, and its text is text. */
static int32_t find(const struct tokenizer *t, const char *piece)
{
	return vocabulary_find(&t->v, piece, strlen(piece));
}

static void encode_part(const struct tokenizer *t, const char *text, struct ids *to)
{
	scoped(free_p) char *composed = characters_compose(text), *lower = t->lowercase ? characters_lower(composed) : NULL;
	const char *at = lower ? lower : composed, *special;
	int32_t id = find(t, start_text);

	while (id >= 0 && (special = strstr(at, start_text))) {
		encode_words(t, at, special, to);
		ids_add(to, id);
		at = special + strlen(start_text);
	}
	encode_words(t, at, at + strlen(at), to);
}

void clip_encode(const struct tokenizer *t, const char *text, struct ids *to)
{
	int32_t id = find(t, end_text);
	const char *special;

	while (id >= 0 && (special = strstr(text, end_text))) {
		scoped(free_p) char *part = xstrndup(text, (size_t)(special - text));

		encode_part(t, part, to);
		ids_add(to, id);
		text = special + strlen(end_text);
	}
	encode_part(t, text, to);
}

void clip_decode(const struct tokenizer *t, const int64_t *ids, size_t n, struct buf *to)
{
	for (size_t i = 0; i < n; i++) {
		size_t size;
		const char *piece = vocabulary_piece(&t->v, ids[i], &size);

		if (ids[i] != t->start && ids[i] != t->end)
			bpe_decode(piece, size, to);
	}
}
