#include "definition_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

struct entry {
	uint64_t hash;
	char *key;              /* NULL: free */
	size_t len;
	struct definition *definition;
	json_t *members;
	uint64_t used;          /* when, counted in uses */
};

struct definition_cache {
	pthread_mutex_t lock;
	uint8_t secret[crypto_shorthash_KEYBYTES];      /* nobody can write texts that all have one hash */
	struct entry entries[DEFINITION_CACHE_ENTRIES];
	size_t n, bytes;
	uint64_t uses;
};

struct definition_cache *definition_cache_new(void)
{
	struct definition_cache *c = xcalloc(1, sizeof *c);

	must(pthread_mutex_init(&c->lock, NULL) == 0);
	crypto_shorthash_keygen(c->secret);
	return c;
}

static void clear(struct definition_cache *c, struct entry *e)
{
	c->bytes -= e->len;
	c->n--;
	free(e->key);
	definition_unref(e->definition);
	json_decref(e->members);
	*e = (struct entry){ 0 };
}

void definition_cache_free(struct definition_cache *c)
{
	if (!c)
		return;
	for (size_t k = 0; k < countof(c->entries); k++)
		if (c->entries[k].key)
			clear(c, &c->entries[k]);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static uint64_t hash_of(const struct definition_cache *c, const char *key, size_t len)
{
	uint64_t hash;

	_Static_assert(sizeof hash == crypto_shorthash_BYTES, "a short hash is 64 bits");
	crypto_shorthash((uint8_t *)&hash, (const uint8_t *)key, len, c->secret);
	return hash;
}

static struct entry *find(struct definition_cache *c, uint64_t hash, const char *key, size_t len)
{
	for (size_t k = 0; k < countof(c->entries); k++) {
		struct entry *e = &c->entries[k];

		if (e->hash == hash && e->key && e->len == len && memcmp(e->key, key, len) == 0)
			return e;
	}
	return NULL;
}

struct definition *definition_cache_get(struct definition_cache *c, const char *key, size_t len, json_t **ret_members)
{
	struct definition *d = NULL;
	uint64_t hash;
	struct entry *e;

	if (len > DEFINITION_CACHE_KEY)
		return NULL;
	hash = hash_of(c, key, len);
	must(pthread_mutex_lock(&c->lock) == 0);
	e = find(c, hash, key, len);
	if (e) {
		e->used = ++c->uses;
		d = definition_ref(e->definition);
		*ret_members = json_incref(e->members);
	}
	must(pthread_mutex_unlock(&c->lock) == 0);
	return d;
}

/* A free entry, for which there are bytes enough. */
static struct entry *make_room(struct definition_cache *c, size_t len)
{
	for (;;) {
		struct entry *oldest = NULL, *unused = NULL;

		for (size_t k = 0; k < countof(c->entries); k++) {
			struct entry *e = &c->entries[k];

			if (!e->key)
				unused = e;
			else if (!oldest || e->used < oldest->used)
				oldest = e;
		}
		if (unused && c->bytes + len <= DEFINITION_CACHE_BYTES)
			return unused;
		clear(c, oldest);
	}
}

void definition_cache_put(struct definition_cache *c, const char *key, size_t len, struct definition *d, json_t *members)
{
	uint64_t hash;

	if (len > DEFINITION_CACHE_KEY)
		return;
	hash = hash_of(c, key, len);
	must(pthread_mutex_lock(&c->lock) == 0);
	if (!find(c, hash, key, len)) {         /* another thread may have been here */
		struct entry *e = make_room(c, len);

		*e = (struct entry){ .hash = hash, .key = memcpy(xcalloc(len + 1, 1), key, len), .len = len, .definition = definition_ref(d),
			.members = json_incref(members), .used = ++c->uses };
		c->n++;
		c->bytes += len;
	}
	must(pthread_mutex_unlock(&c->lock) == 0);
}

size_t definition_cache_size(struct definition_cache *c)
{
	size_t n;

	must(pthread_mutex_lock(&c->lock) == 0);
	n = c->n;
	must(pthread_mutex_unlock(&c->lock) == 0);
	return n;
}
