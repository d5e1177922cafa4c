#include "taskset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define TASK_AT   "{\"v\":1,\"job\":\""
#define LETTER_AT "{\"job\":\""          /* of a dead letter that was put back */
#define ORDINAL   "\"ordinal\":"

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

static void insert(uint64_t *slots, size_t nslots, uint64_t h, size_t *n)
{
	size_t k = h & (nslots - 1);

	while (slots[k] && slots[k] != h)
		k = (k + 1) & (nslots - 1);
	*n += !slots[k];
	slots[k] = h;
}

static void enlarge(struct taskset *s)
{
	size_t nslots = s->nslots ? s->nslots * 2 : 1024, n = 0;
	uint64_t *slots = xcalloc(nslots, sizeof *slots);

	if (!s->nslots)
		randombytes_buf(s->key, sizeof s->key);
	for (size_t k = 0; k < s->nslots; k++)
		if (s->slots[k])
			insert(slots, nslots, s->slots[k], &n);
	free(s->slots);
	s->slots = slots;
	s->nslots = nslots;
}

void taskset_add(struct taskset *s, const char *job, int ordinal)
{
	if (s->n * 2 >= s->nslots)
		enlarge(s);
	insert(s->slots, s->nslots, hash(s, job, ordinal), &s->n);
}

bool taskset_has(const struct taskset *s, const char *job, int ordinal)
{
	uint64_t h;

	if (!s->nslots)
		return false;
	h = hash(s, job, ordinal);
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
