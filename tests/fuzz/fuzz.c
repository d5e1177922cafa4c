#include "fuzz.h"

#include "submission.h"
#include "utf8.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *fuzz_text(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
	size_t n = end ? (size_t)(end - data) : size;
	char *text = xcalloc(1, n + 1);

	if (n)
		memcpy(text, data, n);
	return text;
}

char *fuzz_line(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
	size_t n = end ? (size_t)(end - *data) : *size;
	char *line = fuzz_text(*data, n);

	n += end != NULL;
	*data = n ? *data + n : *data;
	*size -= n;
	return line;
}

bool fuzz_is_utf8(const char *text, size_t len)
{
	for (size_t i = 0, n; i < len; i += n)
		if (!(n = utf8_sequence(text + i, len - i)))
			return false;
	return true;
}

json_t *fuzz_must_be_json(const char *text, size_t len)
{
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

	must(value != NULL);
	return value;
}

void fuzz_check_problems(const json_t *problems)
{
	scoped(buf_free) struct buf text = { 0 };
	const json_t *p;
	size_t i;

	json_array_foreach(problems, i, p) {
		const char *at = json_string_value(json_object_get(p, "at"));
		const char *allowed = json_string_value(json_object_get(p, "allowed"));

		must(at && (!*at || *at == '/'));
		must(allowed && *allowed);
	}
	problems_text(problems, &text);
	must(json_array_size(problems) == 0 || text.len > 0);
	must(fuzz_is_utf8(text.text, text.len));
}

void fuzz_check_refusal(const struct err *err)
{
	must(err->kind == ERR_REJECT);
	must(*err->msg && fuzz_is_utf8(err->msg, strlen(err->msg)));
}

static void check_numbers(const struct definition *d, int items)
{
	must(definition_total(d, items) == items * d->neach + d->nall);
	for (int k = 0; k < d->nnodes; k++) {
		int item, most = d->nodes[k].tool->scope == TOOL_EACH ? items : 1;

		must(definition_find(d, d->nodes[k].id) == k);
		for (int i = 0; i < most; i++) {
			int ordinal = definition_ordinal(d, items, k, i);

			must(ordinal >= 0 && ordinal < definition_total(d, items));
			must(definition_node(d, items, ordinal, &item) == k && item == i);
		}
		for (int i = 0; i < d->nodes[k].nneeds; i++)
			must(d->nodes[k].needs[i] < k);
		for (int i = 0; i < d->nodes[k].nreads; i++)
			must(d->nodes[k].reads[i] >= 0 && d->nodes[k].reads[i] < k);
	}
}

void fuzz_check_definition(const struct definition *d)
{
	scoped(json_decref_p) json_t *body = fuzz_must_be_json(d->text, strlen(d->text)), *problems = json_array();
	struct definition *again = definition_parse(body, "", NULL, problems);

	must(d->nnodes >= 1 && d->neach + d->nall == d->nnodes);
	check_numbers(d, 1);
	check_numbers(d, 3);
	must(again != NULL && json_array_size(problems) == 0);
	must(strcmp(again->text, d->text) == 0);
	definition_unref(again);
}

/* ---- files ---- */

static char dir[] = "/tmp/pixelfleet-fuzz.XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void remove_all(void)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(int at, const char *name, const char *bytes, size_t n)
{
	scoped(close_p) int fd = openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	must(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
}

const char *fuzz_dir(void)
{
	static const char png[] = "\x89PNG\r\n\x1a\n and the rest of it";
	static bool made;
	scoped(close_p) int at = -1;

	if (made)
		return dir;
	must(mkdtemp(dir) != NULL);
	made = true;
	atexit(remove_all);
	at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(mkdirat(at, "root", 0700) == 0 && mkdirat(at, "root/dir", 0700) == 0 && mkdirat(at, "outside", 0700) == 0);
	put(at, "root/a.png", png, sizeof png);
	put(at, "root/dir/b.png", png, sizeof png);
	put(at, "root/text", "text", 4);
	put(at, "outside/secret.png", png, sizeof png);
	must(symlinkat("../outside/secret.png", at, "root/link") == 0 && symlinkat("..", at, "root/up") == 0);
	must(mkfifoat(at, "root/pipe", 0600) == 0);
	return dir;
}
