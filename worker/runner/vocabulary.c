#include "vocabulary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEED 0xcbf29ce484222325u

void vocabulary_free(struct vocabulary *v)
{
	buf_free(&v->text);
	free(v->pieces);
	free(v->slots);
	*v = (struct vocabulary){ 0 };
}

/* ---- the table ---- */

/* Where the piece is, or would go. */
static size_t slot_of(const struct vocabulary *v, const char *piece, size_t size)
{
	size_t i = (size_t)vocabulary_hash(SEED, piece, size) & (v->nslots - 1);

	for (; v->slots[i]; i = (i + 1) & (v->nslots - 1)) {
		const struct piece *p = &v->pieces[v->slots[i] - 1];

		if (p->size == size && memcmp(v->text.text + p->at, piece, size) == 0)
			break;
	}
	return i;
}

int32_t vocabulary_find(const struct vocabulary *v, const char *piece, size_t size)
{
	return v->nslots && size <= v->longest ? (int32_t)v->slots[slot_of(v, piece, size)] - 1 : -1;
}

const char *vocabulary_piece(const struct vocabulary *v, int64_t id, size_t *ret_size)
{
	bool is_known = id >= 0 && (size_t)id < v->n && v->pieces[id].size > 0;

	*ret_size = is_known ? v->pieces[id].size : 0;
	return is_known ? v->text.text + v->pieces[id].at : "";
}

static void widen(struct vocabulary *v)
{
	scoped(free_p) uint32_t *old = v->slots;
	size_t nold = v->nslots;

	v->nslots = max_of(nold * 2, (size_t)1024);
	v->slots = xcalloc(v->nslots, sizeof *v->slots);
	for (size_t i = 0; i < nold; i++)
		if (old[i])
			v->slots[slot_of(v, v->text.text + v->pieces[old[i] - 1].at, v->pieces[old[i] - 1].size)] = old[i];
}

/* The number is below VOCABULARY_MOST, and free. Of a piece that is there twice the later number counts. */
static void add(struct vocabulary *v, const char *piece, size_t size, size_t id)
{
	if (id >= v->n) {
		size_t had = v->cap;

		v->pieces = grow(v->pieces, id + 1, &v->cap, sizeof *v->pieces);
		memset(v->pieces + had, 0, (v->cap - had) * sizeof *v->pieces);
		v->n = id + 1;
	}
	if (size == 0)
		return;
	if (2 * (v->used + 1) > v->nslots)
		widen(v);
	v->pieces[id] = (struct piece){ (uint32_t)v->text.len, (uint32_t)size };
	buf_add(&v->text, piece, size);
	v->longest = max_of(v->longest, size);
	piece = v->text.text + v->pieces[id].at;
	v->used += !v->slots[slot_of(v, piece, size)];
	v->slots[slot_of(v, piece, size)] = (uint32_t)id + 1;
}

/* ---- files ---- */

static int fail(const char *path, struct err *err)
{
	return err_set(err, errno == EMFILE || errno == ENFILE || errno == EIO || errno == EINTR ? ERR_RETRY : ERR_REJECT,
		"cannot read '%.400s': %s", path, strerror(errno));
}

static int read_file(const char *path, size_t most, struct buf *to, struct err *err)
{
	scoped(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	scoped(free_p) char *piece = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(path, err);
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size > most)
		return err_set(err, ERR_REJECT, "'%.400s' is no file of at most %zu bytes", path, most);
	piece = xcalloc(1, 65536);
	while ((n = read(fd, piece, 65536)) > 0 && to->len <= most)
		buf_add(to, piece, (size_t)n);
	return n < 0 ? fail(path, err) : 0;
}

int vocabulary_read_file(const char *path, struct buf *to, struct err *err)
{
	return read_file(path, VOCABULARY_FILE_MAX, to, err);
}

/* At most so much memory will its values take: each follows one of these, outside of a text. */
static size_t tree_bytes(const struct buf *text)
{
	enum { OBJECT = 480, ARRAY = 256, VALUE = 160 };        /* of jansson's, with the first value in it, and with malloc's own */
	size_t bytes = 2 * text->len;
	bool is_text = false;

	for (size_t i = 0; i < text->len; i++)
		switch (text->text[i]) {
		case '"':
			is_text = !is_text;
			break;
		case '\\':
			i++;
			break;
		case '{':
			bytes += is_text ? 0 : OBJECT;
			break;
		case '[':
			bytes += is_text ? 0 : ARRAY;
			break;
		case ',':
			bytes += is_text ? 0 : VALUE;
			break;
		}
	return bytes;
}

int vocabulary_read_json(const char *path, json_t **ret, struct err *err)
{
	scoped(buf_free) struct buf text = { 0 };
	scoped(json_decref_p) json_t *all = NULL;
	json_error_t why;

	if (read_file(path, VOCABULARY_JSON_MAX, &text, err) < 0)
		return -1;
	if (tree_bytes(&text) > VOCABULARY_TREE_MAX)
		return err_set(err, ERR_REJECT, "'%.400s' has so many values that they may take %zu MiB of memory, at most %zu are allowed",
			path, tree_bytes(&text) >> 20, VOCABULARY_TREE_MAX >> 20);
	all = json_loadb(text.text ? text.text : "", text.len, 0, &why);
	if (!all)
		return err_set(err, ERR_REJECT, "'%.400s' line %d is no JSON: %s", path, max_of(why.line, 1), why.text);
	if (!json_is_object(all))
		return err_set(err, ERR_REJECT, "'%.400s' is no JSON object", path);
	*ret = steal(&all);
	return 0;
}

int vocabulary_read_lines(struct vocabulary *v, const char *path, struct err *err)
{
	scoped(buf_free) struct buf text = { 0 };
	const char *at, *end;
	size_t id = 0;

	if (vocabulary_read_file(path, &text, err) < 0)
		return -1;
	at = text.text ? text.text : "";
	for (end = at + text.len; at < end; id++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;

		if (id >= VOCABULARY_MOST)
			return err_set(err, ERR_REJECT, "'%.400s' has more than %d lines", path, VOCABULARY_MOST);
		add(v, at, (size_t)(stop - at) - (stop > at && stop[-1] == '\r'), id);
		at = stop + 1;
	}
	return v->used ? 0 : err_set(err, ERR_REJECT, "'%.400s' has no pieces", path);
}

int vocabulary_from_json(struct vocabulary *v, const json_t *pieces, const char *path, struct err *err)
{
	const char *piece;
	json_t *value;

	if (!json_object_size(pieces))
		return err_set(err, ERR_REJECT, "'%.400s' has no pieces, which would be members \"piece\":number", path);
	json_object_foreach((json_t *)(uintptr_t)pieces, piece, value) {
		json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;

		if (id < 0 || id >= VOCABULARY_MOST)
			return err_set(err, ERR_REJECT, "'%.400s': the number of \"%.60s\" is none from 0 to %d", path, piece,
				VOCABULARY_MOST - 1);
		if ((size_t)id < v->n && v->pieces[id].size)
			return err_set(err, ERR_REJECT, "'%.400s': \"%.60s\" and \"%.*s\" both have the number %lld", path, piece,
				(int)min_of(v->pieces[id].size, 60u), v->text.text + v->pieces[id].at, (long long)id);
		add(v, piece, strlen(piece), (size_t)id);
	}
	return 0;
}
