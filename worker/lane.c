#include "lane.h"

#include "affinity.h"
#include "clock.h"
#include "flow.h"
#include "reporter.h"
#include "sync.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define AHEAD_US    50000.0     /* how much work is claimed ahead for each slot: no burst ends later than that for it */
#define SLOW_US     500000.0    /* tasks that take longer are not claimed ahead at all */
#define ASIDE_MS    100         /* so often slots that are kept busy by what is handed over are looked past */
/* So long a report may wait while slots have more to do: until about so many are there. Of eight that go together, each costs
 * dispatcher and PostgreSQL a third of what it costs alone, and Redis a half; more together bring little. But a client that
 * watches shall not notice; and for tasks of less than a millisecond the time, not the number, is what makes a batch large. */
#define GATHER        8
#define GATHER_US     20000.0
#define GATHER_MAX_US 100000.0
#define ANSWER_US   5000.0      /* longer than a report takes to be answered: so much work is here while others wait */
#define STALE_MS    2000        /* so long a task may wait here while others could run it */

void lane_init(struct lane *l, const char *queue, unsigned nslots, struct reporter *reporter)
{
	*l = (struct lane){ .queue = xstrdup(queue), .key = xasprintf("pixelfleet:queue:%s", queue),
		.nslots = nslots, .slots = xcalloc(nslots, sizeof *l->slots), .reporter = reporter,
		.avg_us = min_of(AHEAD_US * nslots, SLOW_US) };       /* not known: one is claimed ahead, or a few */
	mutex_init(&l->lock);
	cond_init(&l->work);
	cond_init(&l->room);
	for (unsigned i = 0; i < nslots; i++) {
		l->slots[i].wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		must(l->slots[i].wake_fd >= 0);
	}
	l->claimer_tick_ms = clock_mono_ms();
}

void lane_done(struct lane *l)
{
	must(l->line.n == 0);
	for (unsigned i = 0; i < l->nslots; i++)
		close(l->slots[i].wake_fd);
	pthread_cond_destroy(&l->work);
	pthread_cond_destroy(&l->room);
	pthread_mutex_destroy(&l->lock);
	free(l->slots);
	free(l->queue);
	free(l->key);
}

static void give_back(struct lane *l, struct line *line)
{
	struct held *h;

	while ((h = line_pop(line))) {
		h->end = END_PUTBACK;
		reporter_push(l->reporter, h);
	}
}

static void give_back_all(struct lane *l)
{
	give_back(l, &l->line);
	l->handed = 0;
}

void lane_push(struct lane *l, struct line *batch)
{
	scoped_lock(&l->lock);

	if (l->is_closed) {
		give_back(l, batch);
		return;
	}
	line_append(&l->line, batch);
	if (l->sleeping && l->line.n)
		pthread_cond_signal(&l->work);
}

void lane_hand(struct lane *l, struct held *h, bool first)
{
	scoped_lock(&l->lock);

	if (l->is_closed) {
		h->end = END_PUTBACK;
		reporter_push(l->reporter, h);
		return;
	}
	h->is_handed = true;
	l->handed++;
	if (first)
		line_push_front(&l->line, h);
	else
		line_push(&l->line, h);
	if (l->sleeping)
		pthread_cond_signal(&l->work);
}

/* Of the line, wherever it stands there. */
static void has_left(struct lane *l, const struct held *h)
{
	l->handed -= h->is_handed;
}

/* Some work ahead for each slot; where Redis is far away, what all slots get done while a claim is on its way and back, twice:
 * the next one begins when half of it is used up. */
static size_t prefetch(const struct lane *l)
{
	double each_us = max_of(l->avg_us, 1.0), near = max_of(AHEAD_US * l->nslots / each_us, 1.0);
	double far = 2 * l->claim_us * l->nslots / each_us;
	double tasks = max_of(near, far);

	if (l->avg_us > SLOW_US)
		return 0;
	if (l->line.nshared)    /* pictures: a slot that finds no other one decodes what another slot has the pixels of */
		tasks = max_of(tasks, (double)l->nslots);
	return (size_t)min_of(tasks, (double)LANE_PREFETCH_MAX);
}

void lane_claim_took(struct lane *l, int64_t took_us)
{
	scoped_lock(&l->lock);

	l->claim_us += ((double)took_us - l->claim_us) / 8;
}

/* What was handed over waits beside it: a stream of follow-ups does not keep others, or what is urgent, from being claimed. */
static size_t room(const struct lane *l)
{
	size_t most = l->nslots - l->busy + prefetch(l), claimed = l->line.n - l->handed - affinity_promised(l, false);

	return most > claimed ? most - claimed : 0;
}

/* A slot has nothing to do, or would have to take from another one what that has the pixels of. */
static bool is_hungry(const struct lane *l)
{
	if (l->busy < l->nslots && l->line.n == 0)
		return true;
	return l->line.nshared && l->avg_us <= SLOW_US && l->line.n == affinity_promised(l, true);
}

/* A worthwhile claim: half of what may wait, or a slot with nothing to do. */
static bool has_room(const struct lane *l, bool need_free_slot)
{
	if (is_hungry(l))
		return true;
	return !need_free_slot && room(l) > (l->line.nshared ? 0 : prefetch(l) / 2);
}

static void note_time(struct lane *l, int64_t took_us)
{
	l->avg_us += ((double)took_us - l->avg_us) / 8;
}

/* A slot has nothing to do, or might soon have: what follows from a report may be what it is to do then. */
static bool wants_answers(const struct lane *l)
{
	if (l->busy < l->nslots || l->is_closed)
		return true;
	return l->is_dry && (double)l->line.n * l->avg_us < ANSWER_US * l->nslots;
}

static void finish(struct lane *l, struct lane_slot *s, int64_t took_us)
{
	note_time(l, took_us);
	l->busy--;
	s->current = NULL;
	s->deadline_ms = 0;
}

static int64_t gather_ms(const struct lane *l)
{
	double us = max_of(GATHER * l->avg_us / l->nslots, GATHER_US);

	return (int64_t)(min_of(us, GATHER_MAX_US) / 1000);
}

static void hand_in(struct lane *l, struct held *h)
{
	h->due_ms = h->is_slow && !wants_answers(l) ? clock_mono_ms() + gather_ms(l) : 0;
	reporter_push(l->reporter, h);
}

static void clear_wake(const struct lane_slot *s)
{
	uint64_t n;

	if (read(s->wake_fd, &n, sizeof n) < 0)
		return;         /* nobody had woken it */
}

static void start(struct lane *l, struct lane_slot *s, struct held *h)
{
	has_left(l, h);
	l->busy++;
	s->current = h;
	s->since_us = clock_wall_us();
	if (!flow_is_quick(h->task))
		clear_wake(s);
}

struct held *lane_take(struct lane *l, unsigned i, struct held *ended, int64_t took_us)
{
	struct lane_slot *s = &l->slots[i];
	struct held *h;

	scoped_lock(&l->lock);
	if (ended)
		finish(l, s, took_us);
	h = affinity_take(l, i);
	if (h)
		start(l, s, h);
	if (ended)
		hand_in(l, ended);
	if (wants_answers(l))
		reporter_hurry(l->reporter);
	while (!h) {
		if (l->is_closed)
			return NULL;
		if (l->claimer_waits)
			pthread_cond_signal(&l->room);
		l->sleeping++;
		cond_wait(&l->work, &l->lock);
		l->sleeping--;
		h = affinity_take(l, i);
		if (h)
			start(l, s, h);
	}
	if (l->claimer_waits && has_room(l, false))
		pthread_cond_signal(&l->room);
	if (!flow_is_quick(h->task) && l->sleeping && l->line.n)
		pthread_cond_signal(&l->work);
	return h;
}

enum lane_room lane_wait_room(struct lane *l, int64_t wait_ms, bool need_free_slot, size_t *ret_n)
{
	int64_t now = clock_mono_ms(), until;

	scoped_lock(&l->lock);
	l->is_dry = need_free_slot;
	if (wants_answers(l))
		reporter_hurry(l->reporter);
	until = now + (l->handed ? min_of(wait_ms, (int64_t)ASIDE_MS) : wait_ms);
	l->claimer_tick_ms = now;
	l->claimer_waits = true;
	while (!l->is_closed && !has_room(l, need_free_slot) && now < until) {
		cond_wait_until(&l->room, &l->lock, until);
		now = clock_mono_ms();
	}
	l->claimer_waits = false;
	if (l->is_closed)
		return LANE_NONE;
	if (l->line.n && l->busy == l->nslots && now - l->line.first->since_ms > STALE_MS)
		return LANE_STALE;
	if (!has_room(l, need_free_slot) && !(l->handed && room(l)))
		return LANE_NONE;
	*ret_n = max_of(room(l), (size_t)1);
	return is_hungry(l) ? LANE_FREE_SLOT : LANE_ROOM;
}

size_t lane_hand_room(struct lane *l)
{
	scoped_lock(&l->lock);
	size_t most = l->nslots - l->busy + max_of(prefetch(l), (size_t)2 * l->nslots), waiting = l->line.n - affinity_promised(l, true);

	if (l->is_closed || l->avg_us > SLOW_US)
		return 0;
	return most > waiting ? most - waiting : 0;
}

bool lane_would_start(struct lane *l)
{
	scoped_lock(&l->lock);

	return !l->is_closed && l->line.n == 0 && l->busy < l->nslots;
}

void lane_ran(struct lane *l, int64_t took_us)
{
	scoped_lock(&l->lock);

	note_time(l, took_us);
}

void lane_give_back(struct lane *l)
{
	scoped_lock(&l->lock);

	give_back_all(l);
	l->avg_us = max_of(l->avg_us, SLOW_US * 2);
}

bool lane_withdraw(struct lane *l, struct held *h)
{
	scoped_lock(&l->lock);

	if (!line_remove(&l->line, h))
		return false;
	has_left(l, h);
	return true;
}

static void stop_slot(struct lane_slot *s, enum held_why why)
{
	uint64_t one = 1;

	held_stop(s->current, why);
	must(write(s->wake_fd, &one, sizeof one) == sizeof one || errno == EAGAIN);
}

enum lane_cancel lane_cancel(struct lane *l, struct held *h)
{
	scoped_lock(&l->lock);

	if (line_remove(&l->line, h))
		return has_left(l, h), LANE_WITHDRAWN;
	for (unsigned i = 0; i < l->nslots; i++)
		if (l->slots[i].current == h)
			return stop_slot(&l->slots[i], STOP_CANCEL), LANE_STOPPED;
	held_stop(h, STOP_CANCEL);
	return LANE_MARKED;
}

void lane_stop_all(struct lane *l, enum held_why why)
{
	scoped_lock(&l->lock);

	for (unsigned i = 0; i < l->nslots; i++)
		if (l->slots[i].current)
			stop_slot(&l->slots[i], why);
}

void lane_close(struct lane *l)
{
	scoped_lock(&l->lock);

	l->is_closed = true;
	give_back_all(l);
	reporter_hurry(l->reporter);
	pthread_cond_broadcast(&l->work);
	pthread_cond_broadcast(&l->room);
}

unsigned lane_busy(struct lane *l)
{
	scoped_lock(&l->lock);

	return l->busy;
}

void lane_tick(struct lane *l)
{
	scoped_lock(&l->lock);

	l->claimer_tick_ms = clock_mono_ms();
}

void lane_set_deadline(struct lane *l, unsigned i, int64_t deadline_ms)
{
	scoped_lock(&l->lock);

	l->slots[i].deadline_ms = deadline_ms;
}
