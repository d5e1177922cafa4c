#include "held.h"

#include "clock.h"
#include "lane.h"
#include "sync.h"

#include <stdlib.h>
#include <string.h>

struct held *held_new(struct lane *lane, const char *raw, size_t len)
{
	struct held *h = xcalloc(1, sizeof *h);

	h->lane = lane;
	h->raw = xcalloc(1, len + 1);
	memcpy(h->raw, raw, len);
	h->raw_len = len;
	h->since_ms = clock_mono_ms();
	return h;
}

void held_free(struct held *h)
{
	if (h->task)
		task_free(h->task);
	buf_free(&h->text);
	for (size_t i = 0; i < h->nunsynced; i++)
		store_item_done(&h->unsynced[i]);
	free(h->unsynced);
	free(h->raw);
	free(h);
}

void held_stop(struct held *h, enum held_why why)
{
	poke(&h->why, why);
	poke(&h->stop, true);
}

void line_push(struct line *l, struct held *h)
{
	h->after = NULL;
	if (l->last)
		l->last->after = h;
	else
		l->first = h;
	l->last = h;
	l->n++;
	l->nshared += h->picture != 0;
}

void line_push_front(struct line *l, struct held *h)
{
	h->after = l->first;
	l->first = h;
	if (!l->last)
		l->last = h;
	l->n++;
	l->nshared += h->picture != 0;
}

struct held *line_pop(struct line *l)
{
	struct held *h = l->first;

	if (!h)
		return NULL;
	l->first = h->after;
	if (!l->first)
		l->last = NULL;
	l->n--;
	l->nshared -= h->picture != 0;
	h->after = NULL;
	return h;
}

void line_append(struct line *l, struct line *more)
{
	if (!more->first)
		return;
	if (l->last)
		l->last->after = more->first;
	else
		l->first = more->first;
	l->last = more->last;
	l->n += more->n;
	l->nshared += more->nshared;
	*more = (struct line){ 0 };
}

bool line_remove(struct line *l, struct held *h)
{
	struct held *before = NULL;

	for (struct held *at = l->first; at; before = at, at = at->after) {
		if (at != h)
			continue;
		if (before)
			before->after = h->after;
		else
			l->first = h->after;
		if (l->last == h)
			l->last = before;
		l->n--;
		l->nshared -= h->picture != 0;
		h->after = NULL;
		return true;
	}
	return false;
}

void held_set_init(struct held_set *s)
{
	*s = (struct held_set){ 0 };
	mutex_init(&s->lock);
}

void held_set_done(struct held_set *s)
{
	for (struct held *h = s->first, *next; h; h = next) {
		next = h->next;
		held_free(h);
	}
	s->first = s->last = NULL;
	s->n = 0;
	pthread_mutex_destroy(&s->lock);
}

void held_add(struct held_set *s, const struct line *l)
{
	scoped_lock(&s->lock);

	for (struct held *h = l->first; h; h = h->after) {
		h->prev = s->last;
		h->next = NULL;
		if (s->last)
			s->last->next = h;
		else
			s->first = h;
		s->last = h;
		s->n++;
	}
}

static void unlink_one(struct held_set *s, struct held *h)
{
	if (h->prev)
		h->prev->next = h->next;
	else
		s->first = h->next;
	if (h->next)
		h->next->prev = h->prev;
	else
		s->last = h->prev;
	s->n--;
}

void held_drop(struct held_set *s, struct line *l)
{
	struct held *h;

	lock(&s->lock);
	for (h = l->first; h; h = h->after)
		unlink_one(s, h);
	unlock(&s->lock);
	while ((h = line_pop(l)))
		held_free(h);
}

size_t held_count(struct held_set *s)
{
	scoped_lock(&s->lock);

	return s->n;
}

void held_has_run(struct held_set *s, struct held *h)
{
	json_t *body;

	lock(&s->lock);                 /* held_each() may be reading it ... */
	lock(&h->lane->lock);           /* ... and the heartbeat, which asks the lane what its slots do */
	body = task_slim(h->task);
	unlock(&h->lane->lock);
	unlock(&s->lock);
	json_decref(body);
}

void held_each(struct held_set *s, void (*fn)(struct held *h, void *arg), void *arg)
{
	scoped_lock(&s->lock);

	for (struct held *h = s->first; h; h = h->next)
		fn(h, arg);
}
