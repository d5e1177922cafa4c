/*
 * tiny_tokenizer.h - small vocabularies in test_dir(), for tests of what reads texts.
 *
 * tiny_clip() has the pieces of all bytes under CLIP's numbers (0-255, and 256-511 with "</w>"), and the words below.
 */
#ifndef TINY_TOKENIZER_H
#define TINY_TOKENIZER_H

enum { TINY_RED = 520, TINY_PHOTO = 524, TINY_S = 525, TINY_START = 600, TINY_END = 601 };      /* red</w> photo</w> 's</w> */

/* test_dir()/vocab.json and merges.txt; the directory. */
const char *tiny_clip(void);
/* test_dir()/vocab.txt: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, then these, ended by NULL; the directory. */
const char *tiny_wordpiece(const char *const *pieces);
/* Writes test_dir()/name; the directory. */
const char *tiny_file(const char *name, const char *text);

#endif
