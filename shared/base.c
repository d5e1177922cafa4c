#include "base.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void must_failed(const char *what, const char *file, int line, const char *func)
{
	fprintf(stderr, "level=bug ev=must expr=\"%s\" func=%s at=%s:%d\n", what, func, file, line);
	abort();
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	must(p != NULL);
	return p;
}

void *xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	must(p != NULL);
	return p;
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);     /* not strndup: the text need not end behind these bytes */
	char *p = malloc(len + 1);

	must(p != NULL);
	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	must(n >= 0 && p);
	return p;
}

void heap_setup(int arenas)
{
	if (arenas)
		mallopt(M_ARENA_MAX, arenas);
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
}

void heap_trim(size_t least)
{
	if (mallinfo2().fordblks > least)
		malloc_trim(0);
}

void free_p(void *pp)
{
	free(*(void **)pp);
}

void close_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void *grow(void *items, size_t n, size_t *cap, size_t item_size)
{
	size_t want = *cap ? *cap : 8;

	if (n <= *cap && items)
		return items;
	while (want < n)
		want *= 2;
	must(want <= SIZE_MAX / item_size);
	*cap = want;
	return xrealloc(items, want * item_size);
}
