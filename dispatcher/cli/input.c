#include "input.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *shown(const char *path)
{
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

int cli_read(struct cli *c, const char *path, struct buf *ret, struct err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	scoped(buf_free) struct buf all = { 0 };
	scoped(close_p) int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	char piece[16384];
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, piece, sizeof piece)) > 0) {
		buf_add(&all, piece, (size_t)n);
		if (all.len > CLI_INPUT_MAX)
			return cli_usage(c, err, "%s: larger than %u MiB", shown(path), CLI_INPUT_MAX >> 20);
	}
	if (n < 0)
		return cli_usage(c, err, "cannot read '%s': %s", shown(path), strerror(errno));
	buf_free(ret);
	*ret = all;
	all = (struct buf){ 0 };
	return 0;
}

static void add_document(struct cli_documents *d, json_t *body, char *take_source, char *take_pointer)
{
	d->items = grow(d->items, d->n + 1, &d->cap, sizeof *d->items);
	d->items[d->n++] = (struct cli_document){ json_incref(body), take_source, take_pointer };
}

static void add_value(struct cli_documents *d, json_t *value, const char *name, int line)
{
	char *source = line ? xasprintf("%s:%d", name, line) : xstrdup(name);
	json_t *item;
	size_t i;

	if (!json_is_array(value)) {
		add_document(d, value, source, xstrdup(""));
		return;
	}
	json_array_foreach(value, i, item)
		add_document(d, item, xstrdup(source), xasprintf("/%zu", i));
	free(source);
}

/* Steps over white space; *line counts the lines. */
static const char *skip(const char *at, const char *end, int *line)
{
	for (; at < end && isspace((unsigned char)*at); at++)
		*line += *at == '\n';
	return at;
}

int cli_documents_parse(struct cli *c, const char *text, size_t len, const char *name, struct cli_documents *ret,
	struct err *err)
{
	const char *end = text + len;
	int line = 1;

	for (const char *at = skip(text, end, &line), *next; at < end; at = next) {
		json_error_t e;
		scoped(json_decref_p) json_t *value = json_loadb(at, (size_t)(end - at),
			JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &e);
		int first = line;

		if (!value)
			return cli_refuse(c, CLI_FAILED, err, "%s:%d:%d: not JSON: %s", name, line + max_of(e.line, 1) - 1,
				max_of(e.column, 0), e.text);
		for (int i = 0; i < e.position; i++)
			line += at[i] == '\n';
		next = skip(at + e.position, end, &line);
		add_value(ret, value, name, next >= end && ret->n == 0 ? 0 : first);
	}
	if (ret->n == 0)
		return cli_refuse(c, CLI_FAILED, err, "%s: empty", name);
	return 0;
}

void cli_documents_done(struct cli_documents *d)
{
	for (size_t i = 0; i < d->n; i++) {
		json_decref(d->items[i].body);
		free(d->items[i].source);
		free(d->items[i].pointer);
	}
	free(d->items);
	*d = (struct cli_documents){ 0 };
}

static int parse_object(struct cli *c, const char *text, size_t len, const char *name, json_t **ret, struct err *err)
{
	json_error_t e;
	scoped(json_decref_p) json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);

	if (!value)
		return cli_refuse(c, CLI_FAILED, err, "%s:%d:%d: not JSON: %s", name, max_of(e.line, 1), max_of(e.column, 0), e.text);
	if (!json_is_object(value))
		return cli_refuse(c, CLI_FAILED, err, "%s: not a JSON object", name);
	*ret = steal(&value);
	return 0;
}

int cli_read_object(struct cli *c, const char *path, json_t **ret, struct err *err)
{
	scoped(buf_free) struct buf text = { 0 };

	if (cli_read(c, path, &text, err) < 0)
		return -1;
	return parse_object(c, text.text ? text.text : "", text.len, shown(path), ret, err);
}

int cli_option_object(struct cli *c, const char *option, const char *value, json_t **ret, struct err *err)
{
	if (*value == '@')
		return cli_read_object(c, value + 1, ret, err);
	if (parse_object(c, value, strlen(value), option, ret, err) < 0) {
		c->code = CLI_USAGE;
		return -1;
	}
	return 0;
}

char *cli_absolute(const char *path)
{
	char *real;

	if (*path == '/' || strstr(path, "://"))
		return xstrdup(path);
	real = realpath(path, NULL);
	if (real || errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG)
		return real;
	/* Not for us to look at, perhaps for a worker. */
	scoped(free_p) char *here = getcwd(NULL, 0);
	return here ? xasprintf("%s/%s", here, path) : NULL;
}

static int absolute_list(struct cli *c, json_t *list, struct err *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *path = json_string_value(item);
		scoped(free_p) char *absolute = path ? cli_absolute(path) : NULL;

		if (!path)
			continue;       /* the dispatcher says what is wrong with it */
		if (!absolute)
			return cli_refuse(c, CLI_FAILED, err, "picture '%.200s': no such file here; a path on another host must begin with /", path);
		json_array_set_new(list, i, json_string(absolute));
	}
	return 0;
}

int cli_absolute_images(struct cli *c, json_t *submission, struct err *err)
{
	if (absolute_list(c, json_object_get(submission, "images"), err) < 0)
		return -1;
	return absolute_list(c, json_object_get(submission, "input_urls"), err);
}
