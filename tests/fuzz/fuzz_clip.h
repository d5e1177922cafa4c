/*
 * fuzz_clip.h - model directories with small vocabularies, below fuzz_dir().
 */
#ifndef FUZZ_CLIP_H
#define FUZZ_CLIP_H

#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* fuzz_dir()/name, made if need be; valid until the next call. */
static inline const char *fuzz_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", fuzz_dir(), name);
	mkdir(path, 0700);
	return path;
}

static inline void fuzz_put(const char *folder, const char *name, const void *bytes, size_t n)
{
	scoped(free_p) char *path = xasprintf("%s/%s", folder, name);
	scoped(close_p) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
}

/* A vocab.json: the letters that stand for the bytes, the same with "</w>", and a few pieces more. */
static inline void fuzz_put_clip_vocab(const char *folder)
{
	scoped(buf_free) struct buf text = { 0 };
	int hidden = 0, id = 0;

	buf_puts(&text, "{\"<|startoftext|>\":600,\"<|endoftext|>\":601,\"ab\":602,\"abc</w>\":603,\"aa\":604,\"aaaa\":605,\"'s</w>\":606");
	for (int suffix = 0; suffix < 2; suffix++, hidden = 0)
		for (int byte = 0; byte < 256; byte++) {
			bool is_seen = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);

			buf_printf(&text, ",\"\\u%04x%s\":%d", is_seen ? byte : 0x100 + hidden++, suffix ? "</w>" : "", id++);
		}
	buf_puts(&text, "}");
	fuzz_put(folder, "vocab.json", text.text, text.len);
}

#define FUZZ_MERGES "#version: 0.2\na b\nab c</w>\na a\naa aa\n' s</w>\n"
#define FUZZ_PIECES "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nab\n##b\n'\n##\xcc\x81\n\xe6\x97\xa5\n!\n"

#endif
