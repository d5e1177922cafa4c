/* A model's card: whatever it says, it is either right, or each problem can be shown. The bytes are the card; those after a line
 * of "--" its labels_file. */
#include "fuzz.h"

#include "card.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *name, const void *bytes, size_t n)
{
	scoped(free_p) char *path = xasprintf("%s/m/%s", fuzz_dir(), name);
	scoped(close_p) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
}

static void check_card(const struct card *c)
{
	const json_t *labels = json_object_get(c->text, "labels");

	must(json_is_object(c->text) && json_array_size(json_object_get(c->text, "problems")) == 0);
	must(strncmp(c->path, c->dir, strlen(c->dir)) == 0 && !strstr(c->path + strlen(c->dir), "/../"));
	must(*c->triton && *c->name && c->max_batch <= 1024);
	must(!c->declared || json_object_size(c->declared) > 0);
	for (size_t i = 0; i < json_array_size(labels); i++)
		must(json_is_string(json_array_get(labels, i)));
	must(json_array_size(labels) <= CARD_LABELS_MAX);
}

static void check(const char *part)
{
	struct card c = { 0 };
	struct err err;

	if (card_find(fuzz_dir(), "m", part, &c, &err) < 0)
		fuzz_check_refusal(&err);
	else
		check_card(&c);
	card_done(&c);
	if (card_find_served(fuzz_dir(), "m", part, &c, &err) < 0)
		fuzz_check_refusal(&err);
	card_done(&c);
}

static void check_problems(const char *text, size_t n)
{
	scoped(json_decref_p) json_t *card = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	scoped(json_decref_p) json_t *problems = card ? card_problems(card) : NULL;
	scoped(free_p) char *shown = problems ? json_dumps(problems, JSON_COMPACT) : NULL;

	for (size_t i = 0; i < json_array_size(problems); i++) {
		const json_t *p = json_array_get(problems, i);

		must(json_string_length(json_object_get(p, "at")) && json_string_length(json_object_get(p, "found")));
		must(json_string_length(json_object_get(p, "allowed")));
	}
	must(!problems || shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const parts[] = { "", "image", "encoder", "a" };
	scoped(free_p) char *dir = xasprintf("%s/m", fuzz_dir()), *name = fuzz_text(data, size);
	const uint8_t *labels = memmem(data, size, "\n--\n", 4);
	size_t n = labels ? (size_t)(labels - data) : size;

	(void)card_is_name(name);
	mkdir(dir, 0700);
	write_file("model.onnx", "m", 1);
	write_file("vision_model.onnx", "m", 1);
	write_file("encoder.onnx", "m", 1);
	write_file("model.json", data, n);
	write_file("labels.txt", labels ? labels + 4 : data, labels ? size - n - 4 : 0);
	check_problems((const char *)data, n);
	for (size_t i = 0; i < countof(parts); i++)
		check(parts[i]);
	return 0;
}
