#include "memory_budget.h"

#include "log.h"
#include "sync.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define LEAST_MIB 64            /* of a worker: a machine that has less decodes nothing anyway */

void memory_budget_init(struct memory_budget *b, size_t total, size_t most)
{
	*b = (struct memory_budget){ .total = total, .most = min_of(most, total) };
	mutex_init(&b->lock);
}

void memory_budget_done(struct memory_budget *b)
{
	must(!b->first && b->granted == 0);
	pthread_mutex_destroy(&b->lock);
}

void memory_turn_init(struct memory_turn *t)
{
	*t = (struct memory_turn){ .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	must(t->wake_fd >= 0);
}

void memory_turn_done(struct memory_turn *t)
{
	must(t->state != MEMORY_WAITS && t->state != MEMORY_GRANTED);
	close(t->wake_fd);
}

/* ---- the line ---- */

static void settle(struct memory_turn *t, enum memory_state state)
{
	uint64_t one = 1;

	t->state = state;
	must(write(t->wake_fd, &one, sizeof one) == sizeof one);
}

static void grant(struct memory_budget *b, struct memory_turn *t)
{
	b->granted += t->bytes;
	b->peak = max_of(b->peak, b->granted);
	t->state = MEMORY_GRANTED;
}

static struct memory_turn *leave(struct memory_budget *b, struct memory_turn *t)
{
	struct memory_turn **at = &b->first, *before = NULL;

	for (; *at != t; before = *at, at = &before->after)
		must(*at != NULL);
	*at = t->after;
	if (b->last == t)
		b->last = before;
	t->after = NULL;
	return t;
}

static void serve_line(struct memory_budget *b)
{
	while (b->first && b->first->bytes <= b->total - b->granted) {
		struct memory_turn *t = leave(b, b->first);

		grant(b, t);
		settle(t, MEMORY_GRANTED);
	}
}

static void give(struct memory_budget *b, struct memory_turn *t)
{
	uint64_t n;

	if (t->state == MEMORY_GRANTED)
		b->granted -= t->bytes;
	else if (t->state == MEMORY_WAITS)
		leave(b, t);
	t->state = MEMORY_NONE;
	t->bytes = 0;
	if (read(t->wake_fd, &n, sizeof n) < 0)
		must(errno == EAGAIN);          /* it never waited */
	serve_line(b);
}

static enum memory_state take(struct memory_budget *b, struct memory_turn *t, size_t bytes)
{
	if (bytes > b->most)
		return MEMORY_TOO_LARGE;
	t->bytes = bytes;
	if (!b->first && bytes <= b->total - b->granted) {
		grant(b, t);
		return MEMORY_GRANTED;
	}
	if (b->is_closed)
		return MEMORY_CLOSED;
	t->state = MEMORY_WAITS;
	if (b->last)
		b->last->after = t;
	else
		b->first = t;
	b->last = t;
	return MEMORY_WAITS;
}

enum memory_state memory_take(struct memory_budget *b, struct memory_turn *t, size_t bytes)
{
	scoped_lock(&b->lock);

	give(b, t);
	return take(b, t, bytes);
}

bool memory_try(struct memory_budget *b, struct memory_turn *t, size_t bytes)
{
	scoped_lock(&b->lock);

	give(b, t);
	if (bytes > b->most || b->first || bytes > b->total - b->granted)
		return false;
	t->bytes = bytes;
	grant(b, t);
	return true;
}

enum memory_state memory_look(struct memory_budget *b, struct memory_turn *t)
{
	scoped_lock(&b->lock);

	return t->state;
}

void memory_give(struct memory_budget *b, struct memory_turn *t)
{
	scoped_lock(&b->lock);

	give(b, t);
}

static void keep(struct memory_budget *b, struct memory_turn *t, size_t bytes)
{
	b->granted -= t->bytes - bytes;
	t->bytes = bytes;
	serve_line(b);
}

void memory_keep(struct memory_budget *b, struct memory_turn *t, size_t bytes)
{
	scoped_lock(&b->lock);

	if (t->state == MEMORY_GRANTED && t->bytes > bytes)
		keep(b, t, bytes);
}

enum memory_state memory_hold(struct memory_budget *b, struct memory_turn *t, size_t bytes)
{
	scoped_lock(&b->lock);

	if (t->state == MEMORY_GRANTED && t->bytes >= bytes) {
		keep(b, t, bytes);
		return MEMORY_GRANTED;
	}
	give(b, t);
	return take(b, t, bytes);
}

void memory_budget_close(struct memory_budget *b)
{
	scoped_lock(&b->lock);

	b->is_closed = true;
	while (b->first)
		settle(leave(b, b->first), MEMORY_CLOSED);
}

/* ---- what people see ---- */

void memory_describe(struct memory_budget *b, const struct memory_turn *t, char *text, size_t size)
{
	unsigned before = 0;
	size_t n;

	scoped_lock(&b->lock);
	*text = '\0';
	if (t->state != MEMORY_WAITS)
		return;
	for (const struct memory_turn *at = b->first; at != t; at = at->after)
		before++;
	n = (size_t)snprintf(text, size, "memory: %zu MiB of %zu MiB are free, it needs %zu MiB", (b->total - b->granted) / MIB,
		b->total / MIB, (t->bytes + MIB - 1) / MIB);
	if (before && n < size)
		snprintf(text + n, size - n, ", %u before it", before);
}

size_t memory_peak(struct memory_budget *b, size_t *ret_granted)
{
	scoped_lock(&b->lock);

	*ret_granted = b->granted;
	return b->peak;
}

/* ---- how much there is ---- */

static bool read_line(const char *path, const char *beginning, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	bool found = false;

	while (f && !found && fgets(line, (int)size, f))
		found = strncmp(line, beginning, strlen(beginning)) == 0;
	if (f)
		fclose(f);
	line[found ? strcspn(line, "\n") : 0] = '\0';
	return found;
}

static size_t of_machine(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGE_SIZE);

	return pages > 0 && bytes > 0 ? (size_t)pages * (size_t)bytes : LEAST_MIB * 2 * MIB;
}

size_t memory_available(const char *proc_cgroup, const char *cgroup_root)
{
	char line[4096], path[4400], max[64];
	size_t least = of_machine();

	if (!read_line(proc_cgroup, "0::/", line, sizeof line))
		return least;
	for (char *end = line + strlen(line); end > line + 3; end = strrchr(line + 3, '/')) {
		*end = '\0';
		snprintf(path, sizeof path, "%s%s/memory.max", cgroup_root, line + 3);
		if (read_line(path, "", max, sizeof max) && *max >= '0' && *max <= '9')        /* else "max" */
			least = min_of(least, (size_t)strtoull(max, NULL, 10));
	}
	return least;
}

void memory_limits(const struct conf *conf, size_t available, size_t *ret_total, size_t *ret_most)
{
	size_t total = conf->worker_memory_mb ? conf->worker_memory_mb * MIB : max_of(available / 2, LEAST_MIB * MIB);
	size_t most = conf->task_memory_mb ? min_of(conf->task_memory_mb * MIB, total) : total;

	*ret_total = total;
	*ret_most = conf->runner_memory_mb ? min_of(most, conf->runner_memory_mb * MIB) : most;
}

void memory_budget_open(struct memory_budget *b, const struct conf *conf)
{
	size_t total, most;

	memory_limits(conf, memory_available("/proc/self/cgroup", "/sys/fs/cgroup"), &total, &most);
	log_info("worker.memory", "worker_mb=%zu%s task_mb=%zu", total / MIB, conf->worker_memory_mb ? "" : " automatic=1", most / MIB);
	memory_budget_init(b, total, most);
}
