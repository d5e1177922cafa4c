/*
 * tokenizer_wordpiece.c - texts for BERT and its relatives.
 *
 * Control characters go, every CJK ideograph and every punctuation mark is a word; with `lowercase`, so are capitals and
 * accents (decomposed, without the nonspacing marks). A word is the longest piece that it begins with, then the longest
 * "##piece" that goes on, and so forth; with none, or over 100 characters, all of it is [UNK]. "[SEP]" and the like in a
 * text are those pieces.
 */
#include "characters.h"
#include "tokenizer_kinds.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_CHARACTERS = 100 };

/* "[CLS]", "[DEC]": no text. Nor is "[unused7]", which nobody says either, but that is how it reads. */
static bool is_special(const char *piece, size_t size)
{
	if (size < 3 || piece[0] != '[' || piece[size - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < size; i++)
		if (piece[i] < 'A' || piece[i] > 'Z')
			return false;
	return true;
}

/* Bytes of the special piece that begins here, or 0. */
static size_t special_here(const struct tokenizer *t, const char *at, int32_t *ret_id)
{
	size_t size = strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") + 2;

	if (size < 3 || at[size - 1] != ']' || (*ret_id = vocabulary_find(&t->v, at, size)) < 0)
		return 0;
	return size;
}

/* ---- a word ---- */

static void encode_word(const struct tokenizer *t, const char *word, size_t size, struct ids *to)
{
	char text[2 + 4 * WORD_CHARACTERS] = "##", *stop;
	size_t had = to->n;

	if (g_utf8_strlen(word, (gssize)size) > WORD_CHARACTERS) {
		ids_add(to, t->unknown);
		return;
	}
	memcpy(text + 2, word, size);
	stop = text + 2 + size;
	for (char *at = text + 2, *end; at < stop; at = end) {
		size_t prefix = at > text + 2 ? 2 : 0;
		int32_t id = -1;

		/* What was before is done with, and makes room for the prefix. */
		memcpy(at - prefix, "##", prefix);
		for (end = stop; end > at; end = g_utf8_prev_char(end))
			if ((id = vocabulary_find(&t->v, at - prefix, (size_t)(end - at) + prefix)) >= 0)
				break;
		if (id < 0) {
			to->n = had;
			ids_add(to, t->unknown);
			return;
		}
		ids_add(to, id);
	}
}

/* ---- a text ---- */

static char *cleaned(const char *text)
{
	struct buf to = { 0 };

	for (; *text; text = g_utf8_next_char(text)) {
		gunichar c = g_utf8_get_char(text);
		bool is_blank = c == '\t' || c == '\n' || c == '\r';

		if (c == 0xFFFD || (!is_blank && character_is_control(c)))
			continue;
		if (character_kind(c) == CHARACTER_SPACE) {
			buf_add(&to, " ", 1);
		} else if (character_is_ideograph(c)) {
			buf_add(&to, " ", 1);
			characters_add(&to, c);
			buf_add(&to, " ", 1);
		} else {
			characters_add(&to, c);
		}
	}
	return buf_take(&to);
}

/* In lower case, without accents. */
static char *folded(const char *text)
{
	scoped(free_p) char *lower = characters_lower(text), *decomposed = characters_decompose(lower);
	struct buf to = { 0 };

	for (const char *at = decomposed; *at; at = g_utf8_next_char(at))
		if (!character_is_nonspacing(g_utf8_get_char(at)))
			characters_add(&to, g_utf8_get_char(at));
	return buf_take(&to);
}

static void encode_part(const struct tokenizer *t, const char *part, struct ids *to)
{
	scoped(free_p) char *clean = cleaned(part), *fold = t->lowercase ? folded(clean) : NULL;
	const char *at = fold ? fold : clean, *begin = at;

	for (;; at = g_utf8_next_char(at)) {
		gunichar c = g_utf8_get_char(at);
		bool is_mark = c && character_is_punctuation(c), ends = !c || is_mark || character_kind(c) == CHARACTER_SPACE;

		if (!ends)
			continue;
		if (at > begin)
			encode_word(t, begin, (size_t)(at - begin), to);
		if (is_mark)
			encode_word(t, at, (size_t)(g_utf8_next_char(at) - at), to);
		if (!c)
			return;
		begin = g_utf8_next_char(at);
	}
}

void wordpiece_encode(const struct tokenizer *t, const char *text, struct ids *to)
{
	const char *at = text;
	int32_t id = -1;

	while ((at = strchr(at, '['))) {
		size_t size = special_here(t, at, &id);

		if (size) {
			scoped(free_p) char *part = xstrndup(text, (size_t)(at - text));

			encode_part(t, part, to);
			ids_add(to, id);
			text = at + size;
		}
		at += max_of(size, (size_t)1);
	}
	encode_part(t, text, to);
}

void wordpiece_decode(const struct tokenizer *t, const int64_t *ids, size_t n, struct buf *to)
{
	for (size_t i = 0; i < n; i++) {
		size_t size, had = to->len;
		const char *piece = vocabulary_piece(&t->v, ids[i], &size);
		bool goes_on = had && size > 2 && memcmp(piece, "##", 2) == 0;

		if (size == 0 || is_special(piece, size))
			continue;
		if (had && !goes_on)
			buf_add(to, " ", 1);
		buf_add(to, piece + (goes_on ? 2 : 0), size - (goes_on ? 2 : 0));
	}
}
