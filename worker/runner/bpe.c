#include "bpe.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

enum { END_BYTES = sizeof BPE_END - 1, LETTER_BYTES = 2 };

void ids_add(struct ids *to, int64_t id)
{
	to->id = grow(to->id, to->n + 1, &to->cap, sizeof *to->id);
	to->id[to->n++] = id;
}

void bpe_done(struct bpe *b)
{
	free(b->slots);
	*b = (struct bpe){ 0 };
}

/* ---- letters ---- */

static bool is_seen(unsigned byte)
{
	return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

/* Those that cannot be seen are counted from U+0100 on. */
static void letters(gunichar ret[256])
{
	gunichar next = 0x100;

	for (unsigned byte = 0; byte < 256; byte++)
		ret[byte] = is_seen(byte) ? byte : next++;
}

int bpe_init(struct bpe *b, const struct vocabulary *v, const char *path, struct err *err)
{
	gunichar letter[256];

	letters(letter);
	b->v = v;
	for (unsigned byte = 0; byte < 256; byte++) {
		char piece[6 + END_BYTES];
		size_t n = (size_t)g_unichar_to_utf8(letter[byte], piece);
		int32_t first, last;

		memcpy(piece + n, BPE_END, END_BYTES);
		first = vocabulary_find(v, piece, n);
		last = vocabulary_find(v, piece, n + END_BYTES);
		if (first < 0 || last < 0)
			return err_set(err, ERR_REJECT, "'%.400s' has no piece \"%.*s\", which stands for the byte 0x%02x", path,
				(int)(first < 0 ? n : n + END_BYTES), piece, byte);
		b->first[byte] = (uint32_t)first;
		b->last[byte] = (uint32_t)last;
	}
	return 0;
}

void bpe_decode(const char *piece, size_t size, struct buf *to)
{
	gunichar letter[256];
	bool ends = size >= END_BYTES && memcmp(piece + size - END_BYTES, BPE_END, END_BYTES) == 0;
	const char *stop = piece + size - (ends ? END_BYTES : 0);

	letters(letter);
	while (piece < stop) {
		gunichar c = g_utf8_get_char_validated(piece, stop - piece);

		for (unsigned byte = 0; byte < 256; byte++)
			if (letter[byte] == c)
				buf_add(to, (const char[]){ (char)byte }, 1);
		piece += c <= 0x10FFFF ? g_utf8_next_char(piece) - piece : 1;
	}
	if (ends)
		buf_add(to, " ", 1);
}

/* ---- merges ---- */

static struct merge *slot_of(const struct bpe *b, uint64_t pair)
{
	size_t i = (size_t)vocabulary_hash(0xcbf29ce484222325u, &pair, sizeof pair) & (b->nslots - 1);

	while (b->slots[i].id && b->slots[i].pair != pair)
		i = (i + 1) & (b->nslots - 1);
	return &b->slots[i];
}

static void widen(struct bpe *b)
{
	scoped(free_p) struct merge *old = b->slots;
	size_t nold = b->nslots;

	b->nslots = max_of(nold * 2, (size_t)1024);
	b->slots = xcalloc(b->nslots, sizeof *b->slots);
	for (size_t i = 0; i < nold; i++)
		if (old[i].id)
			*slot_of(b, old[i].pair) = old[i];
}

/* A pair that comes twice counts where it comes last. */
static int add(struct bpe *b, const char *left, size_t nleft, const char *right, size_t nright, struct err *err)
{
	int32_t l = vocabulary_find(b->v, left, nleft), r = vocabulary_find(b->v, right, nright), both;
	struct merge *slot;
	char joined[512];

	if (nleft + nright > sizeof joined)
		return err_set(err, ERR_REJECT, "a pair of %zu bytes, %zu are allowed", nleft + nright, sizeof joined);
	memcpy(joined, left, nleft);
	memcpy(joined + nleft, right, nright);
	both = vocabulary_find(b->v, joined, nleft + nright);
	if (l < 0 || r < 0 || both < 0)
		return err_set(err, ERR_REJECT, "\"%.*s\" is not in the vocabulary",
			(int)min_of(l < 0 ? nleft : r < 0 ? nright : nleft + nright, (size_t)100), l < 0 ? left : r < 0 ? right : joined);
	if (2 * (b->used + 1) > b->nslots)
		widen(b);
	slot = slot_of(b, (uint64_t)l << 32 | (uint32_t)r);
	b->used += !slot->id;
	*slot = (struct merge){ (uint64_t)l << 32 | (uint32_t)r, (uint32_t)b->nmerges++, (uint32_t)both + 1 };
	return 0;
}

static int add_pair(struct bpe *b, const char *pair, size_t size, struct err *err)
{
	const char *blank = memchr(pair, ' ', size), *stop = pair + size;

	if (!blank || blank == pair || blank + 1 == stop || memchr(blank + 1, ' ', (size_t)(stop - blank - 1)))
		return err_set(err, ERR_REJECT, "\"%.*s\" is no pair of pieces with one blank between them",
			(int)min_of(size, (size_t)100), pair);
	return add(b, pair, (size_t)(blank - pair), blank + 1, (size_t)(stop - blank - 1), err);
}

int bpe_read_merges(struct bpe *b, const char *path, struct err *err)
{
	scoped(buf_free) struct buf text = { 0 };
	const char *at, *end, *stop;
	struct err why;

	if (vocabulary_read_file(path, &text, err) < 0)
		return -1;
	at = text.text ? text.text : "";
	end = at + text.len;
	for (size_t line = 1; at < end; line++, at = stop + 1) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t size;

		stop = newline ? newline : end;
		size = (size_t)(stop - at) - (stop > at && stop[-1] == '\r');
		if (size == 0 || (size >= 8 && memcmp(at, "#version", 8) == 0))
			continue;
		if (line > VOCABULARY_MOST || add_pair(b, at, size, &why) < 0)
			return err_set(err, ERR_REJECT, "'%.400s' line %zu: %.500s", path, line,
				line > VOCABULARY_MOST ? "there are too many" : why.msg);
	}
	return 0;
}

int bpe_from_json(struct bpe *b, const json_t *merges, const char *path, struct err *err)
{
	for (size_t i = 0; i < json_array_size(merges); i++) {
		const json_t *one = json_array_get(merges, i), *left = json_array_get(one, 0), *right = json_array_get(one, 1);
		struct err why = { ERR_REJECT, "it is neither \"left right\" nor [\"left\",\"right\"]" };
		int rc = -1;

		if (i >= VOCABULARY_MOST)
			snprintf(why.msg, sizeof why.msg, "there are too many");
		else if (json_is_string(one))
			rc = add_pair(b, json_string_value(one), json_string_length(one), &why);
		else if (json_array_size(one) == 2 && json_is_string(left) && json_is_string(right))
			rc = add(b, json_string_value(left), json_string_length(left), json_string_value(right),
				json_string_length(right), &why);
		if (rc < 0)
			return err_set(err, ERR_REJECT, "'%.400s' merge %zu: %.500s", path, i, why.msg);
	}
	return 0;
}

/* ---- a word ---- */

struct symbol {
	uint32_t id;
	uint32_t before, next;          /* NOBODY at the ends */
	bool is_gone;                   /* into the one before */
};

struct word {
	struct symbol *at;
	uint64_t *heap;                 /* rank << 32 | symbol: the least is the next to be merged, and may be out of date */
	size_t nheap, cap;
};

#define NOBODY UINT32_MAX

static void push(struct word *w, uint64_t key)
{
	size_t i = w->nheap;

	w->heap = grow(w->heap, w->nheap + 1, &w->cap, sizeof *w->heap);
	for (w->nheap++; i > 0 && w->heap[(i - 1) / 2] > key; i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = key;
}

static uint64_t pop(struct word *w)
{
	uint64_t least = w->heap[0], key = w->heap[--w->nheap];
	size_t i = 0;

	for (size_t child; (child = 2 * i + 1) < w->nheap; i = child) {
		child += child + 1 < w->nheap && w->heap[child + 1] < w->heap[child];
		if (w->heap[child] >= key)
			break;
		w->heap[i] = w->heap[child];
	}
	w->heap[i] = key;
	return least;
}

/* Of the symbol and the next one; NULL: they stay apart. */
static const struct merge *merge_of(const struct bpe *b, const struct word *w, uint32_t i)
{
	const struct merge *m;

	if (i == NOBODY || w->at[i].is_gone || w->at[i].next == NOBODY || !b->nslots)
		return NULL;
	m = slot_of(b, (uint64_t)w->at[i].id << 32 | w->at[w->at[i].next].id);
	return m->id ? m : NULL;
}

static void consider(const struct bpe *b, struct word *w, uint32_t i)
{
	const struct merge *m = merge_of(b, w, i);

	if (m)
		push(w, (uint64_t)m->rank << 32 | i);
}

static void join(struct word *w, uint32_t i, uint32_t id)
{
	uint32_t gone = w->at[i].next, next = w->at[gone].next;

	w->at[i].id = id;
	w->at[i].next = next;
	w->at[gone].is_gone = true;
	if (next != NOBODY)
		w->at[next].before = i;
}

void bpe_encode(const struct bpe *b, const char *word, size_t size, struct ids *to)
{
	scoped(free_p) struct symbol *at = xcalloc(size + 1, sizeof *at);
	struct word w = { .at = at };

	must(size < NOBODY);
	for (size_t i = 0; i < size; i++) {
		bool is_last = i + 1 == size;
		unsigned char byte = (unsigned char)word[i];

		at[i].id = is_last ? b->last[byte] : b->first[byte];
		at[i].before = i ? (uint32_t)i - 1 : NOBODY;
		at[i].next = is_last ? NOBODY : (uint32_t)i + 1;
	}
	for (size_t i = 0; i < size; i++)
		consider(b, &w, (uint32_t)i);
	while (w.nheap > 0) {
		uint64_t key = pop(&w);
		uint32_t i = (uint32_t)key;
		const struct merge *m = merge_of(b, &w, i);

		if (!m || m->rank != key >> 32)
			continue;
		join(&w, i, m->id - 1);
		consider(b, &w, at[i].before);
		consider(b, &w, i);
	}
	free(w.heap);
	for (uint32_t i = size ? 0 : NOBODY; i != NOBODY; i = at[i].next)
		ids_add(to, at[i].id);
}
