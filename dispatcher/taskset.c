#include "taskset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define TASK_AT   "{\"v\":1,\"job\":\""
#define LETTER_AT "{\"job\":\""          /* of a dead letter that was put back */
#define ORDINAL   "\"ordinal\":"
#define MOST      ((size_t)1500000)

void taskset_done(struct taskset *s)
{
	free(s->slots);
	*s = (struct taskset){ 0 };
}

static uint64_t hash(const struct taskset *s, const char *job, int ordinal)
{
	uint8_t in[40] = { 0 };
	uint64_t h;

	memcpy(in, job, strnlen(job, 36));
	memcpy(in + 36, &ordinal, sizeof ordinal);
	crypto_shorthash((uint8_t *)&h, in, sizeof in, s->key);
	return h ? h : 1;
}

/* Whether this pass is about it. Slots are found by the low half of the hash, passes by the high one. */
static bool is_ours(const struct taskset *s, uint64_t h)
{
	return (h >> 32) % (s->more + 1) == s->pass;
}

static void insert(struct taskset *s, uint64_t h)
{
	size_t k = h & (s->nslots - 1);

	while (s->slots[k] && s->slots[k] != h)
		k = (k + 1) & (s->nslots - 1);
	s->n += !s->slots[k];
	s->slots[k] = h;
}

static void rehash(struct taskset *s, size_t nslots)
{
	scoped(free_p) uint64_t *old = s->slots;
	size_t nold = s->nslots;

	s->slots = xcalloc(nslots, sizeof *s->slots);
	s->nslots = nslots;
	s->n = 0;
	for (size_t k = 0; k < nold; k++)
		if (old[k] && is_ours(s, old[k]))
			insert(s, old[k]);
}

/* A later pass is as large as the first was, give or take a few. */
static void make_room(struct taskset *s)
{
	if (!s->has_key)
		randombytes_buf(s->key, sizeof s->key);
	s->has_key = true;
	if (s->pass == 0 && s->n >= (s->most ? s->most : MOST)) {
		s->more = 2 * s->more + 1;
		rehash(s, s->nslots);
	} else if (s->n * 4 >= s->nslots * 3) {
		rehash(s, s->nslots ? s->nslots * 2 : 1024);
	}
}

void taskset_add(struct taskset *s, const char *job, int ordinal)
{
	uint64_t h;

	make_room(s);
	h = hash(s, job, ordinal);
	if (is_ours(s, h))
		insert(s, h);
}

bool taskset_next(struct taskset *s)
{
	if (s->pass == s->more)
		return false;
	s->pass++;
	s->n = 0;
	memset(s->slots, 0, s->nslots * sizeof *s->slots);
	return true;
}

bool taskset_has(const struct taskset *s, const char *job, int ordinal)
{
	uint64_t h;

	if (!s->nslots)
		return false;
	h = hash(s, job, ordinal);
	if (!is_ours(s, h))
		return true;
	for (size_t k = h & (s->nslots - 1); s->slots[k]; k = (k + 1) & (s->nslots - 1))
		if (s->slots[k] == h)
			return true;
	return false;
}

static bool begins(const char *entry, size_t len, const char *with)
{
	return len > strlen(with) && memcmp(entry, with, strlen(with)) == 0;
}

void taskset_add_entry(struct taskset *s, const char *entry, size_t len)
{
	size_t skip = begins(entry, len, TASK_AT) ? strlen(TASK_AT) : begins(entry, len, LETTER_AT) ? strlen(LETTER_AT) : 0;
	const char *at;
	char job[37];

	if (!skip || len < skip + 37)
		return;
	at = memmem(entry, len, ORDINAL, sizeof ORDINAL - 1);
	if (!at)
		return;
	snprintf(job, sizeof job, "%.36s", entry + skip);
	taskset_add(s, job, (int)strtol(at + sizeof ORDINAL - 1, NULL, 10));
}
