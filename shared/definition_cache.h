/*
 * definition_cache.h - definitions that were compiled before, by the very bytes they were written with.
 *
 * The key is all that a compiled definition comes from: the bytes of its text, and the callback's address that is in it.
 * Nothing else counts: what tools there are is fixed when the program is built. So the same bytes need not be parsed,
 * checked and stored again. Only definitions without problems are kept; what is wrong with one is found anew each time.
 *
 * Bounded by entries and by the bytes of their keys, the one that was not asked for for longest goes. Thread-safe.
 */
#ifndef DEFINITION_CACHE_H
#define DEFINITION_CACHE_H

#include "definition.h"

#define DEFINITION_CACHE_ENTRIES 256
#define DEFINITION_CACHE_BYTES   524288         /* what is compiled takes a few times that */
#define DEFINITION_CACHE_KEY     32768          /* longer ones are not kept */

struct definition_cache;

struct definition_cache *definition_cache_new(void);
void definition_cache_free(struct definition_cache *c);

/* References, the caller's; NULL when it is not known. `members`: what was given to definition_cache_put(). */
struct definition *definition_cache_get(struct definition_cache *c, const char *key, size_t len, json_t **ret_members);

/* `members`: an object that is kept along, or NULL; it is not changed any more. */
void definition_cache_put(struct definition_cache *c, const char *key, size_t len, struct definition *d, json_t *members);

size_t definition_cache_size(struct definition_cache *c);       /* entries */

#endif
