#include "backends.h"

#include "httpc.h"
#include "sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 120              /* what a dispatcher takes */

void backends_init(struct backends *b)
{
	*b = (struct backends){ 0 };
	mutex_init(&b->lock);
}

void backends_done(struct backends *b)
{
	free(b->open);
	pthread_mutex_destroy(&b->lock);
}

static bool is_open(const json_t *breaker)
{
	const char *state = json_string_value(json_object_get(breaker, "state"));

	return state && (strcmp(state, "open") == 0 || strcmp(state, "half_open") == 0);
}

static void add(struct backends *b, const json_t *breaker)
{
	const char *name = json_string_value(json_object_get(breaker, "backend"));
	const char *since = json_string_value(json_object_get(breaker, "since")), *why = json_string_value(json_object_get(breaker, "why"));
	struct open_backend *o;

	if (!name || strlen(name) > NAME_MAX_BYTES || !is_open(breaker))
		return;
	b->open = grow(b->open, b->n + 1, &b->cap, sizeof *b->open);
	o = &b->open[b->n++];
	snprintf(o->name, sizeof o->name, "%s", name);
	snprintf(o->why, sizeof o->why, "since %s: %s", since ? since : "?", why ? why : "?");
}

void backends_told(struct backends *b, const json_t *list)
{
	const json_t *breaker;
	size_t i;

	if (!json_array_size(list) && !peek(&b->count))
		return;
	scoped_lock(&b->lock);
	b->n = 0;
	json_array_foreach(list, i, breaker)
		add(b, breaker);
	poke(&b->count, b->n);
}

bool backends_any_open(const struct backends *b)
{
	return peek(&b->count) > 0;
}

bool backends_is_open(struct backends *b, const char *name, char *why, size_t n)
{
	if (!peek(&b->count))
		return false;
	scoped_lock(&b->lock);
	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->open[i].name, name) == 0) {
			snprintf(why, n, "%s", b->open[i].why);
			return true;
		}
	return false;
}

bool backend_of_callback(const char *url, char ret[BACKEND_MAX])
{
	static const char prefix[] = "callback:";
	char origin[NAME_MAX_BYTES - sizeof prefix + 2];

	if (!url || !http_url_origin(url, origin, sizeof origin))
		return false;
	snprintf(ret, BACKEND_MAX, "%s%s", prefix, origin);
	return true;
}

bool backend_of_task(const struct task *t, const char *api_base_url, char ret[BACKEND_MAX])
{
	const char *name;

	if (!t->tool)
		return false;
	if (strcmp(t->tool->name, "callback") == 0)
		return backend_of_callback(json_string_value(json_object_get(t->params, "url")), ret);
	if (strcmp(t->tool->name, "deliver") == 0)      /* dispatchers are tried in turn: which of them it will be is not known */
		return *api_base_url && backend_of_callback(api_base_url, ret);
	name = json_string_value(json_object_get(t->params, "backend"));
	if (!name || strcmp(name, "triton") != 0)
		return false;
	backend_named(ret, name);
	return true;
}

void backend_named(char to[BACKEND_MAX], const char *name)
{
	snprintf(to, BACKEND_MAX, "%s", name);
}
