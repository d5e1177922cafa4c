#include "models.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- which there are ---- */

static bool is_of_type(const char *path, mode_t type)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && strcmp(s + n - k, end) == 0;
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* A folder with folders, and nothing of a model itself, holds the models of one organisation. */
static bool is_organisation(const char *dir)
{
	scoped(close_dir) DIR *d = opendir(dir);
	bool has_folder = false;
	struct dirent *e;

	for (size_t n = 0; n < MODELS_MOST && d && (e = readdir(d)); n++) {
		scoped(free_p) char *path = xasprintf("%s/%s", dir, e->d_name);

		if (strcmp(e->d_name, "model.json") == 0 || ends_in(e->d_name, ".onnx"))
			return false;
		if (e->d_name[0] != '.' && is_of_type(path, S_IFDIR))
			has_folder = true;
	}
	return has_folder;
}

struct names {
	char **all;
	size_t n, cap;
	bool has_more;
};

static void names_done(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->all[i]);
	free(l->all);
}

static void add(struct names *l, const char *org, const char *name)
{
	if (l->n == MODELS_MOST) {
		l->has_more = true;
		return;
	}
	l->all = grow(l->all, l->n + 1, &l->cap, sizeof *l->all);
	l->all[l->n++] = org ? xasprintf("%s/%s", org, name) : xstrdup(name);
}

/* The folders of `dir`; those of `org` in it. -1: errno. */
static int walk(const char *dir, const char *org, struct names *to)
{
	scoped(free_p) char *top = xasprintf("%s%s%s", dir, org ? "/" : "", org ? org : "");
	scoped(close_dir) DIR *d = opendir(top);
	struct dirent *e;

	while (d && !to->has_more && (e = readdir(d))) {
		scoped(free_p) char *path = xasprintf("%s/%s", top, e->d_name);

		if (e->d_name[0] == '.' || strcmp(e->d_name, "lost+found") == 0 || !is_of_type(path, S_IFDIR))
			continue;
		if (org || !is_organisation(path) || walk(dir, e->d_name, to) < 0)
			add(to, org, e->d_name);
	}
	return d ? 0 : -1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

json_t *models_text(const char *s)
{
	scoped(buf_free) struct buf clean = { 0 };
	json_t *text = json_string(s);

	if (text)
		return text;
	cli_clean(&clean, s);
	return json_string(clean.text);
}

static int refuse_dir(struct cli *c, int code, struct err *err)
{
	return cli_refuse(c, CLI_USAGE, err, "there is no directory of models '%.300s': %s (PIXELFLEET_MODELS_DIR)", c->conf.models_dir,
		strerror(code));
}

int models_find(struct cli *c, json_t **ret, bool *ret_more, struct err *err)
{
	scoped(names_done) struct names found = { 0 };

	if (walk(c->conf.models_dir, NULL, &found) < 0)
		return refuse_dir(c, errno, err);
	if (found.n)
		qsort(found.all, found.n, sizeof *found.all, by_name);
	*ret = json_array();
	for (size_t i = 0; i < found.n; i++)
		json_array_append_new(*ret, models_text(found.all[i]));
	*ret_more = found.has_more;
	return 0;
}

/* ---- one of them ---- */

static const char *kind_of(const json_t *card)
{
	return *cli_str(card, "kind") ? cli_str(card, "kind") : "other";
}

/* true: tool text_embed alone needs it, and the card names other parts only. */
static bool may_be_missing(const json_t *card, const char *part)
{
	const json_t *parts = json_object_get(card, "parts");

	return strcmp(kind_of(card), "clip") == 0 && json_object_size(parts) > 0 && !json_object_get(parts, part);
}

static json_t *describe_part(struct cli *c, const char *model, const char *part, const json_t *card)
{
	scoped(card_done) struct card found = { 0 };
	json_t *j = json_pack("{s:s}", "part", part);
	struct stat st = { 0 };
	struct err err;

	if (card_find(c->conf.models_dir, model, part, &found, &err) < 0) {
		if (may_be_missing(card, part)) {
			json_decref(j);
			return NULL;
		}
		json_object_set_new(j, "problem", models_text(err.msg));
		return j;
	}
	if (stat(found.path, &st) < 0)
		st.st_size = 0;
	json_object_set_new(j, "file", models_text(found.path + strlen(found.dir) + 1));
	json_object_set_new(j, "path", models_text(found.path));
	json_object_set_new(j, "bytes", json_integer((json_int_t)st.st_size));
	json_object_set_new(j, "triton", models_text(found.triton));
	if (found.max_batch)
		json_object_set_new(j, "max_batch", json_integer(found.max_batch));
	return j;
}

/* A tokenizer's file, where the kind has one: the card's, or any of the usual names. */
static void check_tokenizer(json_t *model, const json_t *card)
{
	static const char *const usual[] = { "vocab.txt", "vocab.json", "tokenizer.json" };
	const char *dir = cli_str(model, "dir"), *named = cli_str(json_object_get(card, "tokenizer"), "vocab");
	bool is_there = false, has_text = strcmp(kind_of(card), "caption") == 0;
	const json_t *part;
	size_t i;

	json_array_foreach(json_object_get(model, "parts"), i, part) {
		if (json_object_get(part, "problem"))
			return;
		has_text = has_text || (strcmp(cli_str(part, "part"), "text") == 0 && strcmp(kind_of(card), "clip") == 0);
	}
	for (i = 0; i < countof(usual) && !is_there; i++) {
		scoped(free_p) char *path = xasprintf("%s/%s", dir, *named ? named : usual[i]);

		is_there = is_of_type(path, S_IFREG);
	}
	if (!has_text || is_there)
		return;
	json_object_set_new(model, "problem", json_sprintf("its tokenizer is not there: '%s' has no %s", dir,
		*named ? named : "vocab.txt, vocab.json or tokenizer.json"));
}

/* The first problem of a part is the model's; with no file at all it may still be of use to a server's model. */
static void judge(json_t *model, bool has_card)
{
	const char *first = NULL;
	size_t files = 0, i;
	const json_t *part;

	json_array_foreach(json_object_get(model, "parts"), i, part) {
		files += json_object_get(part, "file") != NULL;
		if (!first && json_object_get(part, "problem"))
			first = cli_str(part, "problem");
	}
	if (first && !json_object_get(model, "problem"))
		json_object_set_new(model, "problem", json_string(first));
	if (!files && has_card)
		json_object_set_new(model, "problem", json_string("there is no model file: the card is of use for the backend \"triton\" alone"));
	json_object_set_new(model, "state", json_string(!json_object_get(model, "problem") ? "ok" : !files && has_card ? "card only" : "broken"));
}

static void describe_card(json_t *model, const json_t *card)
{
	static const char *const texts[] = { "title", "license", "source" };

	json_object_set_new(model, "kind", json_string(kind_of(card)));
	for (size_t i = 0; i < countof(texts); i++)
		if (json_object_get(card, texts[i]))
			json_object_set(model, texts[i], json_object_get(card, texts[i]));
	json_object_set_new(model, "labels", json_integer((json_int_t)json_array_size(json_object_get(card, "labels"))));
}

json_t *models_describe(struct cli *c, const char *name)
{
	scoped(card_done) struct card card = { 0 };
	scoped(json_decref_p) json_t *names = NULL;
	scoped(free_p) char *dir = xasprintf("%s/%s", c->conf.models_dir, name);
	json_t *model = json_object(), *parts = json_array(), *one;
	struct err err;
	size_t i;

	json_object_set_new(model, "model", models_text(name));
	json_object_set_new(model, "dir", models_text(dir));
	json_object_set_new(model, "parts", parts);
	if (card_parts(c->conf.models_dir, name, &card, &names, &err) < 0) {
		json_object_set_new(model, "problem", models_text(err.msg));
		json_object_set_new(model, "state", json_string("broken"));
		return model;
	}
	describe_card(model, card.text);
	json_array_foreach(names, i, one) {
		json_t *part = describe_part(c, name, json_string_value(one), card.text);

		if (part)
			json_array_append_new(parts, part);
	}
	check_tokenizer(model, card.text);
	judge(model, json_object_size(card.text) > 0);
	return model;
}

int models_require(struct cli *c, const char *name, struct err *err)
{
	scoped(free_p) char *dir = xasprintf("%s/%s", c->conf.models_dir, name);

	if (!is_of_type(c->conf.models_dir, S_IFDIR))
		return refuse_dir(c, ENOENT, err);
	if (card_is_name(name) && is_of_type(dir, S_IFDIR))
		return 0;
	return cli_refuse(c, CLI_NOT_FOUND, err, "there is no model '%.250s': no directory '%.300s' (PIXELFLEET_MODELS_DIR); 'pixelfleet models "
		"list' has those that there are", name, dir);
}

int models_is_file(struct cli *c, const char *word, struct err *err)
{
	scoped(free_p) char *dir = xasprintf("%s/%s", c->conf.models_dir, word);

	if (is_of_type(dir, S_IFDIR) || (!ends_in(word, ".onnx") && !is_of_type(word, S_IFREG)))
		return 0;
	return access(word, R_OK) == 0 ? 1 : cli_usage(c, err, "cannot read '%.300s': %s", word, strerror(errno));
}
