#include "affinity.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS  1000
#define PROMISED_MAX 16         /* of a slot: many jobs may be about one and the same picture, and others want to do some */

/* Of the digest, which is hexadecimal, 60 bits. */
static uint64_t number_of(const char *digest)
{
	char start[16] = "";

	if (!digest)
		return 0;
	snprintf(start, sizeof start, "%.15s", digest);
	return strtoull(start, NULL, 16);
}

uint64_t affinity_of(const struct task *t)
{
	const json_t *input;
	size_t i;

	if (!t->shared)
		return 0;
	json_array_foreach(t->inputs, i, input) {
		const json_t *artifact = json_object_get(input, "artifact");
		const char *type = json_string_value(json_object_get(artifact, "media_type"));

		if (type && strncmp(type, "image/", 6) == 0)    /* the first one is what the tool opens */
			return number_of(json_string_value(json_object_get(artifact, "digest")));
	}
	return 0;
}

static bool is_promised(const struct lane *l, const struct held *h, unsigned slot)
{
	for (unsigned i = 0; h->picture && i < l->nslots; i++)
		if (i != slot && l->slots[i].current && l->slots[i].picture == h->picture)
			return true;
	return false;
}

static struct held *choose(const struct lane *l, unsigned slot)
{
	struct held *first = l->line.first, *free = NULL;

	if (!l->line.nshared || clock_mono_ms() - first->since_ms > PATIENCE_MS)
		return first;
	for (struct held *h = first; h; h = h->after) {
		if (h->picture && h->picture == l->slots[slot].picture)
			return h;
		if (!free && !is_promised(l, h, slot))
			free = h;
	}
	return free ? free : first;
}

struct held *affinity_take(struct lane *l, unsigned slot)
{
	struct held *h = l->line.first ? choose(l, slot) : NULL;

	if (!h)
		return NULL;
	must(line_remove(&l->line, h));
	if (h->picture)
		l->slots[slot].picture = h->picture;
	return h;
}

size_t affinity_promised(const struct lane *l, bool with_handed)
{
	uint64_t before = 0;
	size_t n = 0;

	for (const struct held *h = l->line.nshared ? l->line.first : NULL; h; before = h->picture, h = h->after)
		if (with_handed || !h->is_handed)
			n += (h->picture && h->picture == before) || is_promised(l, h, l->nslots);
	return min_of(n, (size_t)PROMISED_MAX * l->nslots);
}
