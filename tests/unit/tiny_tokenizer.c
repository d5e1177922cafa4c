#include "tiny_tokenizer.h"

#include "buf.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

const char *tiny_file(const char *name, const char *text)
{
	FILE *f = fopen(test_path(name), "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	fclose(f);
	return test_dir();
}

static bool is_seen(unsigned byte)
{
	return (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
}

/* In the order of their numbers: first the bytes that can be seen. */
static void add_letters(json_t *pieces, const char *suffix)
{
	int hidden = 0;

	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned byte = 0; byte < 256; byte++) {
			unsigned letter = is_seen(byte) ? byte : 0x100 + (unsigned)hidden;
			char piece[16];

			if (is_seen(byte) != (pass == 0))
				continue;
			hidden += pass == 1;
			if (letter < 0x80)
				snprintf(piece, sizeof piece, "%c%s", (int)letter, suffix);
			else
				snprintf(piece, sizeof piece, "%c%c%s", (int)(0xc0 | letter >> 6), (int)(0x80 | (letter & 0x3f)), suffix);
			json_object_set_new(pieces, piece, json_integer((json_int_t)json_object_size(pieces)));
		}
}

const char *tiny_clip(void)
{
	static const struct { const char *piece; int id; } words[] = { { "re", 519 }, { "red</w>", TINY_RED }, { "ph", 521 },
		{ "pho", 522 }, { "phot", 523 }, { "photo</w>", TINY_PHOTO }, { "'s</w>", TINY_S }, { "<|startoftext|>", TINY_START },
		{ "<|endoftext|>", TINY_END } };
	json_t *pieces = json_object();

	add_letters(pieces, "");
	add_letters(pieces, "</w>");
	assert_int_equal(json_object_size(pieces), 512);
	for (size_t i = 0; i < countof(words); i++)
		json_object_set_new(pieces, words[i].piece, json_integer(words[i].id));
	assert_int_equal(json_dump_file(pieces, test_path("vocab.json"), JSON_COMPACT), 0);
	json_decref(pieces);
	return tiny_file("merges.txt", "#version: 0.2\nr e\nre d</w>\np h\nph o\npho t\nphot o</w>\n' s</w>\n");
}

const char *tiny_wordpiece(const char *const *pieces)
{
	scoped(buf_free) struct buf text = { 0 };

	buf_puts(&text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
	for (; *pieces; pieces++)
		buf_printf(&text, "%s\n", *pieces);
	return tiny_file("vocab.txt", text.text);
}
