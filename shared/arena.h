/*
 * arena.h - memory for many small things that go all at once.
 *
 *	struct arena a = { 0 };
 *	struct thing *t = arena_zeroed(&a, sizeof *t);
 *	t->name = arena_strdup(&a, name);
 *	arena_done(&a);                 // t, its name, everything
 */
#ifndef ARENA_H
#define ARENA_H

#include "base.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks;
	size_t left;                    /* bytes of the first chunk that are free */
};

void *arena_zeroed(struct arena *a, size_t size) __attribute__((malloc, returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((malloc, returns_nonnull));
void arena_done(struct arena *a);

#endif
