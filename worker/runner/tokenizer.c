#include "tokenizer.h"

#include "characters.h"
#include "tokenizer_kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEPT = 4, FILES = 2, LENGTH_MOST = 8192, LENGTH_CLIP = 77, LENGTH_WORDPIECE = 52 };

struct files {                          /* of one tokenizer; "" for none */
	char vocab[768], merges[768];
};

/* The newest first. A file that has changed is seen by its time, its size or its number. */
static struct kept {
	char *key;                      /* what it was made from: the vocabulary and the card */
	struct files files;
	struct stat was[FILES];
	struct tokenizer *t;
} kept[KEPT];

/* ---- where it is ---- */

static bool is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static int make_path(const char *dir, const char *name, char to[768], struct err *err)
{
	if (!*name || *name == '/' || strstr(name, ".."))
		return err_set(err, ERR_REJECT, "'%.400s/model.json': tokenizer: '%.100s' is no file of the model's directory", dir, name);
	if (snprintf(to, 768, "%s/%s", dir, name) >= 768)
		return err_set(err, ERR_REJECT, "'%.400s/%.100s' is too long a path", dir, name);
	return 0;
}

/* What the card names, else the first that is there. */
static int find_files(const char *dir, const json_t *card, struct files *ret, struct err *err)
{
	static const char *const usual[] = { "vocab.txt", "vocab.json", "tokenizer.json" };
	const char *named = json_string_value(json_object_get(card, "vocab")), *merges = json_string_value(json_object_get(card, "merges"));
	const char *type = json_string_value(json_object_get(card, "type"));

	*ret = (struct files){ 0 };
	if (named && make_path(dir, named, ret->vocab, err) < 0)
		return -1;
	for (size_t i = type && strcmp(type, "clip") == 0; !named && i < countof(usual); i++) {
		if (make_path(dir, usual[i], ret->vocab, err) < 0)
			return -1;
		if (is_there(ret->vocab))
			break;
		*ret->vocab = '\0';
	}
	if (!*ret->vocab)
		return err_set(err, ERR_REJECT, "'%.400s' has neither vocab.txt nor vocab.json nor tokenizer.json: the model's tokenizer "
			"is not there", dir);
	return make_path(dir, merges ? merges : "merges.txt", ret->merges, err);
}

/* ---- loading ---- */

static int read_clip(struct tokenizer *t, const json_t *merges, struct files *files, struct err *err)
{
	if (bpe_init(&t->bpe, &t->v, files->vocab, err) < 0)
		return -1;
	if (!merges)
		return bpe_read_merges(&t->bpe, files->merges, err);
	*files->merges = '\0';
	return bpe_from_json(&t->bpe, merges, files->vocab, err);
}

/* Of a tokenizer.json. The special pieces are in a list of their own, and may be missing in the vocabulary. */
static int read_model(struct tokenizer *t, const json_t *all, const json_t *model, const char *path, struct err *err)
{
	const json_t *added = json_object_get(all, "added_tokens");
	scoped(json_decref_p) json_t *pieces = json_copy(json_object_get(model, "vocab"));

	for (size_t i = 0; json_is_object(pieces) && i < json_array_size(added); i++) {
		const json_t *one = json_array_get(added, i);
		const char *piece = json_string_value(json_object_get(one, "content"));

		if (piece && !json_object_get(pieces, piece))
			json_object_set(pieces, piece, json_object_get(one, "id"));
	}
	return vocabulary_from_json(&t->v, pieces, path, err);
}

static int read_json(struct tokenizer *t, const json_t *card, struct files *files, struct err *err)
{
	scoped(json_decref_p) json_t *all = NULL;
	const char *type = json_string_value(json_object_get(card, "type"));
	const json_t *model, *merges = NULL, *suffix;

	if (vocabulary_read_json(files->vocab, &all, err) < 0)
		return -1;
	model = json_object_get(all, "model");
	if (json_is_object(model)) {
		merges = json_object_get(model, "merges");
		suffix = json_object_get(model, "end_of_word_suffix");
		if (merges && !(json_is_string(suffix) && strcmp(json_string_value(suffix), BPE_END) == 0))
			return err_set(err, ERR_REJECT, "'%.400s' has byte pairs without \"end_of_word_suffix\":\"" BPE_END
				"\": they are not CLIP's", files->vocab);
	}
	if (json_is_object(model) ? read_model(t, all, model, files->vocab, err) < 0 :
	    vocabulary_from_json(&t->v, all, files->vocab, err) < 0)
		return -1;
	if (type ? strcmp(type, "clip") == 0 : merges || !json_is_object(model))
		return read_clip(t, merges, files, err);
	t->kind = TOKENIZER_WORDPIECE;
	return 0;
}

static bool ends_in(const char *path, const char *end)
{
	return strlen(path) >= strlen(end) && strcmp(path + strlen(path) - strlen(end), end) == 0;
}

static int read_files(struct tokenizer *t, const json_t *card, struct files *files, struct err *err)
{
	const char *type = json_string_value(json_object_get(card, "type"));

	if (ends_in(files->vocab, ".json")) {
		if (read_json(t, card, files, err) < 0)
			return -1;
	} else {
		t->kind = TOKENIZER_WORDPIECE;
		if (type && strcmp(type, "clip") == 0)
			return err_set(err, ERR_REJECT, "'%.400s': a tokenizer of type \"clip\" has its vocabulary in a .json",
				files->vocab);
		if (vocabulary_read_lines(&t->v, files->vocab, err) < 0)
			return -1;
	}
	if (t->kind == TOKENIZER_WORDPIECE)
		*files->merges = '\0';
	return 0;
}

/* ---- what the card says besides ---- */

/* A piece's number, from the card's member or from the vocabulary. */
static int find_special(const struct tokenizer *t, const json_t *card, const char *member, const char *piece, const char *path,
	int64_t *ret, struct err *err)
{
	const json_t *said = member ? json_object_get(card, member) : NULL;
	int32_t id = vocabulary_find(&t->v, piece, strlen(piece));

	if (json_is_integer(said) && json_integer_value(said) >= 0 && json_integer_value(said) < VOCABULARY_MOST) {
		*ret = json_integer_value(said);
		return 0;
	}
	if (said)
		return err_set(err, ERR_REJECT, "the card's tokenizer.%s is no number of a piece, from 0 to %d", member,
			VOCABULARY_MOST - 1);
	if (id < 0)
		return err_set(err, ERR_REJECT, "'%.400s' has no piece \"%s\"%s%s", path, piece,
			member ? ", and the card says no tokenizer." : ", for words that it does not know", member ? member : "");
	*ret = id;
	return 0;
}

static int find_specials(struct tokenizer *t, const json_t *card, const char *path, struct err *err)
{
	bool is_clip = t->kind == TOKENIZER_CLIP;

	if (find_special(t, card, "start", is_clip ? "<|startoftext|>" : "[CLS]", path, &t->start, err) < 0 ||
	    find_special(t, card, "end", is_clip ? "<|endoftext|>" : "[SEP]", path, &t->end, err) < 0)
		return -1;
	t->pad = t->end;
	if ((!is_clip || json_object_get(card, "pad")) &&
	    find_special(t, card, "pad", is_clip ? "<|endoftext|>" : "[PAD]", path, &t->pad, err) < 0)
		return -1;
	return is_clip ? 0 : find_special(t, card, NULL, "[UNK]", path, &t->unknown, err);
}

static int read_length(struct tokenizer *t, const json_t *card, struct err *err)
{
	const json_t *length = json_object_get(card, "length");
	json_int_t n = json_is_integer(length) ? json_integer_value(length) : 0;

	if (length && (n < 3 || n > LENGTH_MOST))
		return err_set(err, ERR_REJECT, "the card's tokenizer.length is no number from 3 to %d", LENGTH_MOST);
	t->length = length ? (size_t)n : t->kind == TOKENIZER_CLIP ? LENGTH_CLIP : LENGTH_WORDPIECE;
	return 0;
}

static void tokenizer_free(struct tokenizer *t)
{
	bpe_done(&t->bpe);
	vocabulary_free(&t->v);
	free(t);
}
DEFINE_SCOPED(struct tokenizer *, tokenizer_free)

static int load(const json_t *card, struct files *files, struct tokenizer **ret, struct err *err)
{
	scoped(tokenizer_free_p) struct tokenizer *t = xcalloc(1, sizeof *t);
	const char *type = json_string_value(json_object_get(card, "type"));

	if (type && strcmp(type, "clip") != 0 && strcmp(type, "wordpiece") != 0)
		return err_set(err, ERR_REJECT, "the card's tokenizer.type is '%.40s': allowed are \"clip\" and \"wordpiece\"", type);
	t->lowercase = !json_is_false(json_object_get(card, "lowercase"));
	if (read_files(t, card, files, err) < 0 || find_specials(t, card, files->vocab, err) < 0 || read_length(t, card, err) < 0)
		return -1;
	*ret = steal(&t);
	return 0;
}

/* ---- keeping it ---- */

static void look(const struct files *files, struct stat ret[FILES])
{
	const char *const path[FILES] = { files->vocab, files->merges };

	for (size_t i = 0; i < FILES; i++)
		if (!*path[i] || stat(path[i], &ret[i]) < 0)
			ret[i] = (struct stat){ 0 };
}

static bool has_changed(const struct kept *k)
{
	struct stat now[FILES];

	look(&k->files, now);
	for (size_t i = 0; i < FILES; i++)
		if (now[i].st_size != k->was[i].st_size || now[i].st_ino != k->was[i].st_ino || now[i].st_dev != k->was[i].st_dev ||
		    now[i].st_mtim.tv_sec != k->was[i].st_mtim.tv_sec || now[i].st_mtim.tv_nsec != k->was[i].st_mtim.tv_nsec)
			return true;
	return false;
}

static void forget(struct kept *k)
{
	if (k->t)
		tokenizer_free(k->t);
	free(k->key);
	*k = (struct kept){ 0 };
}

static void to_front(size_t i)
{
	struct kept k = kept[i];

	memmove(kept + 1, kept, i * sizeof *kept);
	kept[0] = k;
}

static bool find_kept(const char *key)
{
	for (size_t i = 0; i < KEPT; i++) {
		if (!kept[i].key || strcmp(kept[i].key, key) != 0)
			continue;
		to_front(i);
		if (!has_changed(&kept[0]))
			return true;
		forget(&kept[0]);
	}
	return false;
}

int tokenizer_open(const char *dir, const json_t *card, const struct tokenizer **ret, struct err *err)
{
	const json_t *said = json_object_get(card, "tokenizer");
	scoped(free_p) char *text = json_is_object(said) ? json_dumps(said, JSON_COMPACT | JSON_SORT_KEYS) : NULL, *key = NULL;
	struct kept k = { 0 };

	if (!*dir)
		return err_set(err, ERR_REJECT, "it has no directory in PIXELFLEET_MODELS_DIR, where its tokenizer would be");
	if (find_files(dir, said, &k.files, err) < 0)
		return -1;
	key = xasprintf("%s\n%s", k.files.vocab, text ? text : "");
	if (!find_kept(key)) {
		look(&k.files, k.was);
		if (load(said, &k.files, &k.t, err) < 0)
			return -1;
		if (!*k.files.merges)
			k.was[1] = (struct stat){ 0 };
		k.key = steal(&key);
		forget(&kept[KEPT - 1]);
		kept[KEPT - 1] = k;
		to_front(KEPT - 1);
	}
	*ret = kept[0].t;
	return 0;
}

size_t tokenizer_length(const struct tokenizer *t)
{
	return t->length;
}

/* ---- encoding and decoding ---- */

void tokens_done(struct tokens *t)
{
	free(t->id);
	*t = (struct tokens){ 0 };
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, struct tokens *ret, struct err *err)
{
	scoped(free_p) char *valid = NULL;
	struct ids ids = { 0 };
	bool is_cut;

	must(length != 1);
	if (strlen(text) > TOKENIZER_TEXT_MAX)
		return err_set(err, ERR_REJECT, "the text has %zu bytes, at most %zu are allowed", strlen(text), TOKENIZER_TEXT_MAX);
	valid = characters_valid(text);
	ids_add(&ids, t->start);
	(t->kind == TOKENIZER_CLIP ? clip_encode : wordpiece_encode)(t, valid, &ids);
	is_cut = length && ids.n > length - 1;
	if (is_cut)
		ids.n = length - 1;
	ids_add(&ids, t->end);
	*ret = (struct tokens){ .n = ids.n, .is_cut = is_cut };
	while (ids.n < length)
		ids_add(&ids, t->pad);
	ret->id = ids.id;
	ret->size = ids.n;
	return 0;
}

static void replace(struct buf *text, const char *what, const char *with)
{
	struct buf to = { 0 };
	const char *at = text->text, *found;

	while (at && (found = strstr(at, what))) {
		buf_add(&to, at, (size_t)(found - at));
		buf_puts(&to, with);
		at = found + strlen(what);
	}
	if (to.len == 0)
		return;
	buf_puts(&to, at);
	buf_free(text);
	*text = to;
}

/* As Hugging Face's clean_up_tokenization() puts words and marks together again. */
static void clean_up(struct buf *text)
{
	static const char *const pairs[][2] = { { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" },
		{ " n't", "n't" }, { " 'm", "'m" }, { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" } };

	for (size_t i = 0; i < countof(pairs); i++)
		replace(text, pairs[i][0], pairs[i][1]);
}

void tokenizer_decode(const struct tokenizer *t, const int64_t *ids, size_t n, struct buf *to)
{
	scoped(buf_free) struct buf text = { 0 };
	scoped(free_p) char *valid = NULL;

	(t->kind == TOKENIZER_CLIP ? clip_decode : wordpiece_decode)(t, ids, n, &text);
	while (text.len > 0 && text.text[text.len - 1] == ' ')
		text.text[--text.len] = '\0';
	clean_up(&text);
	valid = characters_valid(text.text ? text.text : "");
	buf_puts(to, valid);
}
