#include "buf.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_free(struct buf *b)
{
	free(b->text);
	*b = (struct buf){ 0 };
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->text)
		b->text[0] = '\0';
}

void buf_reserve(struct buf *b, size_t more)
{
	b->text = grow(b->text, b->len + more + 1, &b->cap, 1);
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	buf_reserve(b, n);
	if (n)
		memcpy(b->text + b->len, bytes, n);
	b->len += n;
	b->text[b->len] = '\0';
}

char *buf_room(struct buf *b, size_t n)
{
	buf_reserve(b, n);
	b->len += n;
	b->text[b->len] = '\0';
	return b->text + b->len - n;
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_int(struct buf *b, int64_t v)
{
	char text[24], *p = text + sizeof text;
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;

	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(text + sizeof text - p));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	buf_reserve(b, 120);
	va_start(ap, fmt);
	n = vsnprintf(b->text + b->len, b->cap - b->len, fmt, ap);
	va_end(ap);
	must(n >= 0);
	if ((size_t)n >= b->cap - b->len) {
		buf_reserve(b, (size_t)n);
		va_start(ap, fmt);
		vsnprintf(b->text + b->len, b->cap - b->len, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

void buf_json_string(struct buf *b, const char *s)
{
	utf8_json_string(b, s, strlen(s));
}

static int add(const char *bytes, size_t n, void *to)
{
	buf_add(to, bytes, n);
	return 0;
}

void buf_json(struct buf *b, const json_t *value)
{
	must(json_dump_callback(value, add, b, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) == 0);
}

char *buf_take(struct buf *b)
{
	char *text = b->text ? b->text : xstrdup("");

	*b = (struct buf){ 0 };
	return text;
}
