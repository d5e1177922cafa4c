#include "err.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is quoted may be any bytes, and a precision cuts it anywhere; but messages go into JSON. */
static void make_utf8(char *s)
{
	while (*s) {
		size_t n = utf8_sequence(s, strnlen(s, 4));

		if (!n)
			*s = '?';
		s += n ? n : 1;
	}
}

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	err->kind = kind;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	make_utf8(err->msg);
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char tail[sizeof err->msg];
	va_list ap;
	int n;

	memcpy(tail, err->msg, sizeof tail);
	va_start(ap, fmt);
	n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof err->msg)
		snprintf(err->msg + n, sizeof err->msg - (size_t)n, ": %.900s", tail);
	make_utf8(err->msg);
	return -1;
}

const char *err_kind_name(enum err_kind kind)
{
	switch (kind) {         /* no default: the compiler lists what is missing */
#define X(sym, name, meaning) case sym: return name;
	ERR_KINDS(X)
#undef X
	}
	must(!"bad err_kind");
	return NULL;
}

int err_kind_parse(const char *name, enum err_kind *ret)
{
#define X(sym, text, meaning) if (strcmp(name, text) == 0) return *ret = sym, 0;
	ERR_KINDS(X)
#undef X
	return -1;
}
