#include "job_facts.h"

#include "base.h"

#include <pthread.h>
#include <string.h>

#define SETS 16384              /* ... times 4 entries of 32 bytes: 2 MB */
#define WAYS 4

struct entry {
	uint8_t id[16];
	struct job_facts facts;         /* definition 0: nothing here */
};

static struct entry table[SETS][WAYS];
static uint8_t oldest[SETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The end of a UUIDv7 is random. */
static size_t set_of(const uint8_t id[16])
{
	uint32_t h;

	memcpy(&h, id + 10, sizeof h);
	return (h * 2654435761u) >> 18;
}

static struct entry *find(const uint8_t id[16])
{
	struct entry *set = table[set_of(id)];

	for (size_t k = 0; k < WAYS; k++)
		if (set[k].facts.definition && memcmp(set[k].id, id, sizeof set[k].id) == 0)
			return &set[k];
	return NULL;
}

void job_facts_put(const uint8_t id[16], const struct job_facts *f)
{
	size_t set = set_of(id);
	struct entry *e;

	must(f->definition != 0);
	must(pthread_mutex_lock(&lock) == 0);
	e = find(id);
	if (!e) {
		e = &table[set][oldest[set]];
		oldest[set] = (uint8_t)((oldest[set] + 1) % WAYS);
		memcpy(e->id, id, sizeof e->id);
	}
	e->facts = *f;
	must(pthread_mutex_unlock(&lock) == 0);
}

bool job_facts_get(const uint8_t id[16], struct job_facts *ret)
{
	const struct entry *e;

	must(pthread_mutex_lock(&lock) == 0);
	e = find(id);
	if (e)
		*ret = e->facts;
	must(pthread_mutex_unlock(&lock) == 0);
	return e != NULL;
}
