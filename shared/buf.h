/*
 * buf.h - text that grows.
 *
 *	scoped(buf_free) struct buf b = { 0 };
 *	buf_printf(&b, "%d of %d", i, n);
 *	write(fd, b.text, b.len);
 *
 * A zeroed buf is empty and valid; text is NULL or ends in '\0' at text[len].
 */
#ifndef BUF_H
#define BUF_H

#include "base.h"

#include <jansson.h>

DEFINE_SCOPED(json_t *, json_decref)

struct buf {
	char *text;
	size_t len, cap;
};

void buf_free(struct buf *b);
void buf_clear(struct buf *b);          /* keeps the memory */
void buf_reserve(struct buf *b, size_t more);           /* who knows how much will come spares copies */
void buf_add(struct buf *b, const void *bytes, size_t n);
char *buf_room(struct buf *b, size_t n); /* n bytes more, for the caller to fill at once */
void buf_puts(struct buf *b, const char *s);
void buf_int(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
void buf_json_string(struct buf *b, const char *s);     /* quoted and escaped; what is not UTF-8 becomes U+FFFD */
void buf_json(struct buf *b, const json_t *value);      /* compact */
char *buf_take(struct buf *b);          /* the text, now the caller's ("" when empty); b is empty again */

#endif
