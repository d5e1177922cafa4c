#include "shelf.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MIB ((size_t)1 << 20)

static bool is_same(const struct identity *a, const struct identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->changed_ns == b->changed_ns;
}

static int identify(const char *name, const char *path, struct identity *ret, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(err, ERR_REJECT, "model '%.128s': the file '%.300s' %s%s", name, path, errno == ENOENT ?
			"is not there" : "cannot be read: ", errno == ENOENT ? "" : strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_REJECT, "model '%.128s': '%.300s' is no file", name, path);
	*ret = (struct identity){ st.st_dev, st.st_ino, st.st_size, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
	return 0;
}

static void unlink_it(struct shelf *s, struct shelved *m)
{
	struct shelved **at = &s->first;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
}

static void push(struct shelf *s, struct shelved *m)
{
	m->next = s->first;
	s->first = m;
}

int shelf_find(struct shelf *s, const char *name, const char *path, struct shelved **ret, struct err *err)
{
	struct identity is;
	struct shelved *found = NULL;

	if (identify(name, path, &is, err) < 0)
		return -1;
	for (struct shelved *m = s->first; m; m = m->next)
		if (strcmp(m->path, path) == 0 && is_same(&m->is, &is))
			found = m;
		else if (strcmp(m->path, path) == 0)
			m->is_outdated = true;
	if (!found) {
		found = xcalloc(1, sizeof *found);
		*found = (struct shelved){ .name = xstrdup(name), .path = xstrdup(path), .is = is, .used_ms = clock_mono_ms() };
		push(s, found);
	}
	found->is_outdated = false;     /* the old file may be back */
	*ret = found;
	return 0;
}

size_t shelf_bytes(const struct shelf *s)
{
	size_t n = 0;

	for (const struct shelved *m = s->first; m; m = m->next)
		n += m->state == MODEL_ABSENT ? 0 : m->bytes;
	return n;
}

/* ---- taking off ---- */

static void take_off(struct shelved *m, struct removed *ret)
{
	ret->models[ret->n++] = m->model;
	free(m->signature);
	m->model = NULL;
	m->signature = NULL;
	m->state = MODEL_ABSENT;
}

static bool may_leave(const struct shelved *m, const struct shelved *but)
{
	return m != but && m->state == MODEL_READY && !m->running;
}

/* Until so many bytes fit beside the rest. */
static void take_off_until(struct shelf *s, const struct shelved *but, size_t bytes, struct removed *ret)
{
	while (shelf_bytes(s) + bytes > s->budget && ret->n < countof(ret->models)) {
		struct shelved *oldest = NULL;

		for (struct shelved *m = s->first; m; m = m->next)
			oldest = may_leave(m, but) ? m : oldest;
		if (!oldest)
			return;
		take_off(oldest, ret);
	}
}

enum room shelf_make_room(struct shelf *s, const struct shelved *m, struct removed *ret)
{
	size_t bytes = (size_t)m->is.size;

	if (!s->budget)
		return ROOM_FREE;
	if (bytes > s->budget)
		return ROOM_NEVER;
	take_off_until(s, m, bytes, ret);
	return shelf_bytes(s) + bytes <= s->budget ? ROOM_FREE : ROOM_LATER;
}

void shelf_take_idle(struct shelf *s, struct removed *ret)
{
	for (struct shelved *m = s->first; m && ret->n < countof(ret->models); m = m->next)
		if (may_leave(m, NULL))
			take_off(m, ret);
}

void shelf_tidy(struct shelf *s, struct removed *ret)
{
	struct shelved *next;

	for (struct shelved *m = s->first; m; m = next) {
		next = m->next;
		if (m->is_outdated && !m->waiting && may_leave(m, NULL) && ret->n < countof(ret->models))
			take_off(m, ret);
		if (m->state != MODEL_ABSENT || m->waiting || m->running)
			continue;
		unlink_it(s, m);
		free(m->name);
		free(m->path);
		free(m);
	}
}

/* ---- putting on ---- */

int shelf_put(struct shelf *s, struct shelved *m, void *model, const struct signature *signature, size_t bytes, unsigned load_ms,
	struct removed *ret, struct err *err)
{
	bytes = max_of(bytes, (size_t)m->is.size);
	if (s->budget && bytes > s->budget) {
		m->state = MODEL_ABSENT;
		return err_set(err, ERR_REJECT, "model '%.128s' takes %zu MiB, models may take %zu MiB (PIXELFLEET_MODELS_MEMORY_MB)", m->name,
			(bytes + MIB - 1) / MIB, s->budget / MIB);
	}
	m->model = model;
	m->signature = xcalloc(1, sizeof *signature);
	*m->signature = *signature;
	m->bytes = bytes;
	m->load_ms = load_ms;
	m->state = MODEL_READY;
	shelf_used(s, m);
	if (s->budget)
		take_off_until(s, m, 0, ret);
	return 0;
}

void shelf_used(struct shelf *s, struct shelved *m)
{
	m->used_ms = clock_mono_ms();
	unlink_it(s, m);
	push(s, m);
}

json_t *shelf_stats(const struct shelf *s)
{
	json_t *list = json_array();
	int64_t now = clock_mono_ms();

	for (const struct shelved *m = s->first; m; m = m->next)
		if (m->state == MODEL_READY)
			must(json_array_append_new(list, json_pack("{s:s, s:I, s:i, s:I, s:I}", "name", m->name, "mb",
				(json_int_t)((m->bytes + MIB - 1) / MIB), "load_ms", (int)m->load_ms, "runs", (json_int_t)m->runs, "used_s_ago",
				(json_int_t)(now - m->used_ms) / 1000)) == 0);
	return list;
}
