/*
 * tokenize DIR - the tokenizer of the model directory DIR on texts from standard input.
 *
 * One JSON text a line; for each a line with the JSON list of its numbers, uncut. The first line says how much processor
 * time the tokenizer took to load. With a line that is a list of numbers, the answer is their text.
 */
#include "tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void fail(const char *what)
{
	fprintf(stderr, "tokenize: %s\n", what);
	exit(EXIT_FAILURE);
}

static json_t *encoded(const struct tokenizer *t, const char *text)
{
	scoped(tokens_done) struct tokens tokens = { 0 };
	json_t *ids = json_array();
	struct err err;

	if (tokenizer_encode(t, text, 0, &tokens, &err) < 0)
		fail(err.msg);
	for (size_t i = 0; i < tokens.n; i++)
		json_array_append_new(ids, json_integer(tokens.id[i]));
	return ids;
}

static json_t *decoded(const struct tokenizer *t, const json_t *list)
{
	scoped(buf_free) struct buf text = { 0 };
	size_t n = json_array_size(list);
	scoped(free_p) int64_t *ids = xcalloc(n + 1, sizeof *ids);

	for (size_t i = 0; i < n; i++)
		ids[i] = json_integer_value(json_array_get(list, i));
	tokenizer_decode(t, ids, n, &text);
	return json_string(text.text ? text.text : "");
}

int main(int argc, char **argv)
{
	scoped(free_p) char *path = xasprintf("%s/model.json", argc == 2 ? argv[1] : "");
	scoped(json_decref_p) json_t *card = json_load_file(path, 0, NULL);
	scoped(free_p) char *line = NULL;
	const struct tokenizer *t;
	clock_t begin = clock();
	size_t cap = 0;
	struct err err;

	if (argc != 2)
		fail("usage: tokenize DIR <TEXTS");
	if (tokenizer_open(argv[1], card, &t, &err) < 0)
		fail(err.msg);
	printf("{\"load_ms\":%.1f}\n", (double)(clock() - begin) * 1e3 / CLOCKS_PER_SEC);
	while (getline(&line, &cap, stdin) > 0) {
		scoped(json_decref_p) json_t *given = json_loads(line, JSON_DECODE_ANY, NULL);
		scoped(json_decref_p) json_t *answer = json_is_string(given) ? encoded(t, json_string_value(given)) : decoded(t, given);

		if (!given)
			fail("a line is no JSON");
		json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		putchar('\n');
	}
	return EXIT_SUCCESS;
}
