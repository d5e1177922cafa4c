#include "breaker_share.h"

#include "buf.h"
#include "clock.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX    "pixelfleet:breaker:"
#define INDEX     "pixelfleet:breakers"
#define CLOSED_PX "60000"

/* Merges what Redis has; *ret_seen are the names, each a member. */
static int read_all(struct breakers *b, struct redis *redis, json_t *seen, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *texts = NULL;
	int64_t now_ms = clock_mono_ms(), wall_us = clock_wall_us();

	if (redis_script(redis, "breakers", 1, 2, (const char *[]){ INDEX, PREFIX }, NULL, &texts, err) < 0)
		return -1;
	for (size_t i = 0; i < texts->elements; i++) {
		scoped(json_decref_p) json_t *o = json_loadb(texts->element[i]->str, texts->element[i]->len, 0, NULL);
		struct breaker k;

		if (!breaker_parse(o, now_ms, wall_us, &k))
			continue;
		json_object_set_new(seen, k.name, json_true());
		breakers_merge(b, &k, now_ms);
	}
	return 0;
}

static int write_one(struct breakers *b, struct redis *redis, const struct breaker *k, struct err *err)
{
	scoped(json_decref_p) json_t *o = breaker_json(k, clock_mono_ms(), clock_wall_us());
	scoped(free_p) char *key = xasprintf(PREFIX "%s", k->name);
	scoped(buf_free) struct buf text = { 0 };

	buf_json(&text, o);
	if (redis_script(redis, "breaker_set", 2, 7, (const char *[]){ key, INDEX, k->name, text.text, k->opening,
		    k->state == BREAKER_CLOSED ? "closed" : "open", CLOSED_PX }, NULL, NULL, err) < 0)
		return -1;
	breakers_told(b, k->name, k->opening);  /* or refused: then the next reading shows why */
	return 0;
}

int breakers_share(struct breakers *b, struct redis *redis, struct err *err)
{
	scoped(json_decref_p) json_t *seen = json_object();
	scoped(free_p) struct breaker *all = NULL;
	size_t n;

	if (read_all(b, redis, seen, err) < 0)
		return -1;
	breakers_tick(b, clock_mono_ms());
	all = breakers_all(b, &n);
	for (size_t i = 0; i < n; i++) {
		bool is_lost = all[i].state != BREAKER_CLOSED && !json_object_get(seen, all[i].name);

		if (!all[i].is_news && !is_lost)
			continue;
		if (write_one(b, redis, &all[i], err) < 0)
			return -1;
	}
	return 0;
}
