/*
 * embedding.h - vectors that come as JSON lists, checked, as array literals for PostgreSQL.
 */
#ifndef EMBEDDING_H
#define EMBEDDING_H

#include "buf.h"
#include "err.h"

/* Appends {0.1,-0.2,...}. ERR_REJECT: not `size` numbers, one of them that no 32-bit float holds (null stands for NaN:
 * see embedding_spell), or all 0; the message has the numbers and names `setting`, which says how many are allowed. */
int embedding_read(const json_t *list, size_t size, const char *setting, struct buf *to, struct err *err) must_use;

/* Python's json.dumps writes NaN and Infinity, which are no JSON: outside of strings they become null. */
void embedding_spell(struct buf *body);

#endif
