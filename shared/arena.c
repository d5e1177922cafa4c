#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)32 << 10)        /* below what makes malloc tidy up when it is freed */
#define ALIGN 16

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	_Alignas(ALIGN) char bytes[];
};

static void more(struct arena *a, size_t size)
{
	size_t room = max_of(size, CHUNK - sizeof(struct arena_chunk));
	struct arena_chunk *c = xrealloc(NULL, sizeof *c + room);

	c->next = a->chunks;
	c->size = room;
	a->chunks = c;
	a->left = room;
}

static void *take(struct arena *a, size_t size)
{
	must(size < SIZE_MAX / 2);
	size = max_of((size + ALIGN - 1) / ALIGN, (size_t)1) * ALIGN;
	if (size > a->left)
		more(a, size);
	a->left -= size;
	return a->chunks->bytes + (a->chunks->size - a->left - size);
}

void *arena_zeroed(struct arena *a, size_t size)
{
	return memset(take(a, size), 0, size);
}

char *arena_strdup(struct arena *a, const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(take(a, n), s, n);
}

void arena_done(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *c = a->chunks;

		a->chunks = c->next;
		free(c);
	}
	a->left = 0;
}
