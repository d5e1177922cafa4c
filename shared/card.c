#include "card.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CARD_MAX   ((off_t)1 << 20)
#define NAME_MAX_BYTES 128              /* of each of its two halves */

static size_t name_length(const char *s)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
	size_t n = *s && strchr(first, *s) ? strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") : 0;

	return n <= NAME_MAX_BYTES ? n : 0;
}

bool card_is_name(const char *model)
{
	size_t n = name_length(model);

	if (n && model[n] == '/') {
		size_t more = name_length(model + n + 1);

		n = more ? n + 1 + more : 0;
	}
	return n && !model[n];
}

void card_done(struct card *c)
{
	json_decref(c->text);
	json_decref(c->declared);
	free(c->dir);
	free(c->name);
	free(c->path);
	free(c->triton);
	*c = (struct card){ 0 };
}

/* ---- files ---- */

/* What is behind a link out of the models' directory the process that runs models may not open, and what a card or its labels
 * say may be shown to people who may not read any file of this machine. `path` is that of the file in messages, `at` where it is. */
static int check_beneath(const char *models_dir, const char *path, const char *at, struct err *err)
{
	char top[PATH_MAX], real[PATH_MAX];
	size_t n;

	if (!realpath(models_dir, top) || !realpath(at, real))
		return err_set(err, ERR_REJECT, "cannot read the model's file '%.300s': %s", path, strerror(errno));
	n = strlen(top);
	if (strncmp(real, top, n) != 0 || (real[n] != '/' && n > 1))
		return err_set(err, ERR_REJECT, "'%.250s' is a link to '%.250s', and models have to be in PIXELFLEET_MODELS_DIR, '%.200s'",
			path, real, top);
	return 0;
}

/* 1: there is none. */
static int read_all(const char *models_dir, const char *path, struct buf *to, struct err *err)
{
	scoped(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char piece[4096], opened[40];
	struct stat st;
	ssize_t n;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 1;
	if (fd < 0)
		return err_set(err, ERR_REJECT, "cannot read '%.300s': %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > CARD_MAX)
		return err_set(err, ERR_REJECT, "'%.300s' is no file of at most %lld bytes", path, (long long)CARD_MAX);
	snprintf(opened, sizeof opened, "/proc/self/fd/%d", fd);
	if (check_beneath(models_dir, path, opened, err) < 0)
		return -1;
	while ((n = read(fd, piece, sizeof piece)) > 0 && (off_t)to->len <= CARD_MAX)
		buf_add(to, piece, (size_t)n);
	return n < 0 ? err_set(err, ERR_RETRY, "cannot read '%.300s': %s", path, strerror(errno)) : 0;
}

static bool is_there(const char *path, mode_t type)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static int refuse(const char *path, const json_t *problems, struct err *err)
{
	const json_t *p = json_array_get(problems, 0);
	size_t more = json_array_size(problems) - 1;
	char rest[40] = "";

	if (more)
		snprintf(rest, sizeof rest, " (and %zu more)", more);
	return err_set(err, ERR_REJECT, "'%.300s': %s: found %s; allowed: %s%s", path,
		json_string_value(json_object_get(p, "at")), json_string_value(json_object_get(p, "found")),
		json_string_value(json_object_get(p, "allowed")), rest);
}

/* One a line. */
static int read_labels(const char *models_dir, const struct card *c, const char *file, json_t **ret, struct err *err)
{
	scoped(free_p) char *path = xasprintf("%s/%s", c->dir, file);
	scoped(buf_free) struct buf text = { 0 };
	scoped(json_decref_p) json_t *labels = json_array();
	int rc = read_all(models_dir, path, &text, err);

	if (rc == 1)
		return err_set(err, ERR_REJECT, "'%.250s/model.json': /labels_file: found \"%.100s\"; allowed: a file that is there, and "
			"there is no '%.250s'", c->dir, file, path);
	if (rc < 0)
		return -1;
	for (const char *p = text.text, *end = p + text.len; p < end;) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((newline ? newline : end) - p), k = n && p[n - 1] == '\r' ? n - 1 : n;

		if (json_array_size(labels) == CARD_LABELS_MAX || memchr(p, 0, k) || json_array_append_new(labels, json_stringn(p, k)) < 0)
			return err_set(err, ERR_REJECT, "'%.300s': line %zu: allowed are at most %d lines of UTF-8 without NUL", path,
				json_array_size(labels) + 1, CARD_LABELS_MAX);
		p += n + 1;
	}
	*ret = steal(&labels);
	return 0;
}

/* c->text, from c->dir. 1: there is no card. */
static int read_card(const char *models_dir, struct card *c, struct err *err)
{
	scoped(free_p) char *path = xasprintf("%s/model.json", c->dir);
	scoped(buf_free) struct buf text = { 0 };
	scoped(json_decref_p) json_t *card = NULL, *problems = NULL, *labels = NULL;
	const char *file;
	json_error_t e;
	int rc = read_all(models_dir, path, &text, err);

	if (rc == 1)
		c->text = json_object();
	if (rc != 0)
		return rc;
	card = json_loadb(text.len ? text.text : "", text.len, JSON_REJECT_DUPLICATES, &e);
	if (!card)
		return err_set(err, ERR_REJECT, "'%.300s' is no JSON: line %d, column %d: %s", path, e.line, e.column, e.text);
	problems = card_problems(card);
	if (json_array_size(problems))
		return refuse(path, problems, err);
	file = json_string_value(json_object_get(card, "labels_file"));
	if (file && read_labels(models_dir, c, file, &labels, err) < 0)
		return -1;
	if (labels)
		json_object_set(card, "labels", labels);
	c->text = steal(&card);
	return 0;
}

/* ---- parts ---- */

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static const char *default_file(const struct card_kind *kind, const char *part)
{
	for (size_t i = 0; i < countof(kind->parts) && kind->parts[i].part; i++)
		if (strcmp(kind->parts[i].part, part) == 0)
			return kind->parts[i].file;
	return NULL;
}

static void add_name(struct buf *list, const char *name)
{
	buf_printf(list, "%s\"%s\"", list->len ? ", " : "", name);
}

/* Which there are, for a message. */
static void list_parts(const struct card_kind *kind, json_t *parts, struct buf *list)
{
	const char *name;
	json_t *one;

	for (size_t i = 0; i < countof(kind->parts) && kind->parts[i].part; i++)
		add_name(list, kind->parts[i].part);
	json_object_foreach(parts, name, one)
		if (!default_file(kind, name))
			add_name(list, name);
}

/* One file, and no parts. */
static bool is_whole(const json_t *card, const struct card_kind *kind)
{
	return !json_object_get(card, "parts") && (json_object_get(card, "file") || !kind->parts[0].part);
}

static void keep_declared(struct card *c, const json_t *from)
{
	static const char *const names[] = { "inputs", "outputs" };

	for (size_t i = 0; i < countof(names); i++) {
		json_t *said = json_object_get(from, names[i]);

		if (!said)
			continue;
		if (!c->declared)
			c->declared = json_object();
		json_object_set(c->declared, names[i], said);
	}
	c->max_batch = (unsigned)json_integer_value(json_object_get(from, "max_batch"));
}

/* Fills in what follows from the card. *ret_file: its file in the directory. */
static int choose_part(struct card *c, const char *model, const char *part, const char **ret_file, struct err *err)
{
	const struct card_kind *kind = card_kind_find(text_of(c->text, "kind"));
	json_t *parts = json_object_get(c->text, "parts"), *one = json_object_get(parts, part);
	const char *last = strrchr(model, '/') ? strrchr(model, '/') + 1 : model;
	const char *file = *text_of(one, "file") ? text_of(one, "file") : default_file(kind, part);
	bool whole = is_whole(c->text, kind);
	scoped(buf_free) struct buf known = { 0 };

	if (whole != !*part || (!whole && !file)) {
		list_parts(kind, parts, &known);
		return err_set(err, ERR_REJECT, "the model '%.260s' has %s%.300s, and the step wants %s%.40s%s ('%.260s/model.json')", model,
			whole ? "one part only" : "the parts ", whole ? "" : known.text, *part ? "\"" : "one without parts", part,
			*part ? "\"" : "", c->dir);
	}
	if (whole)
		file = *text_of(c->text, "file") ? text_of(c->text, "file") : "model.onnx";
	keep_declared(c, whole ? c->text : one);
	if (!c->max_batch)
		c->max_batch = (unsigned)json_integer_value(json_object_get(c->text, "max_batch"));
	c->name = *part ? xasprintf("%s/%s", model, part) : xstrdup(model);
	c->triton = *text_of(one, "triton") ? xstrdup(text_of(one, "triton")) :
		xasprintf("%s%s%s", *text_of(c->text, "triton") ? text_of(c->text, "triton") : last, *part ? "_" : "", part);
	*ret_file = file;
	return 0;
}

static json_t *part_names(const json_t *card)
{
	const struct card_kind *kind = card_kind_find(text_of(card, "kind"));
	json_t *names = json_array(), *one;
	const char *name;

	if (is_whole(card, kind)) {
		json_array_append_new(names, json_string(""));
		return names;
	}
	for (size_t i = 0; i < countof(kind->parts) && kind->parts[i].part; i++)
		json_array_append_new(names, json_string(kind->parts[i].part));
	json_object_foreach(json_object_get(card, "parts"), name, one)
		if (!default_file(kind, name))
			json_array_append_new(names, json_string(name));
	return names;
}

/* ---- finding ---- */

static int check_name(const char *model, struct err *err)
{
	if (card_is_name(model))
		return 0;
	return err_set(err, ERR_REJECT, "'%.140s' is no name of a model: allowed are letters, digits, '_', '-' and '.', first a letter, a "
		"digit or '_', at most %d of them, or two such names with a '/' between", model, NAME_MAX_BYTES);
}

static int find_dir(const char *models_dir, const char *model, struct card *c, struct err *err)
{
	c->dir = xasprintf("%s/%s", models_dir, model);
	if (is_there(c->dir, S_IFDIR))
		return 0;
	return err_set(err, ERR_REJECT, "there is no model '%.260s' here: no directory '%.300s' (PIXELFLEET_MODELS_DIR)", model, c->dir);
}

static int find(const char *models_dir, const char *model, const char *part, struct card *c, struct err *err)
{
	const char *file;
	int rc;

	if (find_dir(models_dir, model, c, err) < 0)
		return -1;
	rc = read_card(models_dir, c, err);
	if (rc < 0 || choose_part(c, model, part, &file, err) < 0)
		return -1;
	c->path = xasprintf("%s/%s", c->dir, file);
	if (!is_there(c->path, S_IFREG))
		return err_set(err, ERR_REJECT, "the model '%.260s' is not complete: there is no file '%.300s'%s", model, c->path,
			rc == 1 ? ", and no model.json that names another" : "");
	if (check_beneath(models_dir, c->path, c->path, err) < 0)
		return -1;
	if (access(c->path, R_OK) < 0)
		return err_set(err, ERR_REJECT, "cannot read the model's file '%.300s': %s", c->path, strerror(errno));
	return 0;
}

int card_find(const char *models_dir, const char *model, const char *part, struct card *ret, struct err *err)
{
	scoped(card_done) struct card c = { 0 };

	if (check_name(model, err) < 0 || find(models_dir, model, part, &c, err) < 0)
		return -1;
	*ret = c;
	c = (struct card){ 0 };
	return 0;
}

static int find_served(const char *models_dir, const char *model, const char *part, struct card *c, struct err *err)
{
	const char *file;
	int rc;

	c->dir = xasprintf("%s/%s", models_dir, model);
	rc = read_card(models_dir, c, err);
	if (rc < 0)
		return -1;
	if (!is_there(c->dir, S_IFDIR))
		*c->dir = '\0';
	c->path = xstrdup("");
	if (rc == 0)
		return choose_part(c, model, part, &file, err);
	c->name = *part ? xasprintf("%s/%s", model, part) : xstrdup(model);
	c->triton = xasprintf("%s%s%s", strrchr(model, '/') ? strrchr(model, '/') + 1 : model, *part ? "_" : "", part);
	return 0;
}

int card_find_served(const char *models_dir, const char *model, const char *part, struct card *ret, struct err *err)
{
	scoped(card_done) struct card c = { 0 };

	if (check_name(model, err) < 0 || find_served(models_dir, model, part, &c, err) < 0)
		return -1;
	*ret = c;
	c = (struct card){ 0 };
	return 0;
}

int card_parts(const char *models_dir, const char *model, struct card *ret, json_t **ret_names, struct err *err)
{
	scoped(card_done) struct card c = { 0 };

	if (check_name(model, err) < 0 || find_dir(models_dir, model, &c, err) < 0 || read_card(models_dir, &c, err) < 0)
		return -1;
	*ret_names = part_names(c.text);
	*ret = c;
	c = (struct card){ 0 };
	return 0;
}
