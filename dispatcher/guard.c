#include "guard.h"

#include "clock.h"
#include "log.h"
#include "metrics.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/tcp.h>
#include <netinet/in.h>

#define EVENTS     128          /* that libmicrohttpd asks epoll for at a time */
#define TRIM_BELOW 2000         /* so many connections less than there were: their memory goes back to the system */

struct guarded {
	struct guarded *prev, *next;
	struct guard *guard;
	int64_t since_ms, window_ms;
	uint64_t bytes;         /* that had come and gone when the window began */
	int fd;
	enum guard_phase phase;
	bool trusted, cut, measured;
};

/* Oldest first. */
struct line {
	struct guarded *first, *last;
};

struct guard {
	struct guard_limits limits;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	struct line lines[2][GUARD_PHASES];     /* untrusted, trusted */
	unsigned live, open, peak;              /* live: not cut */
	bool stopping;
};

static struct line *line_of(struct guarded *w)
{
	return &w->guard->lines[w->trusted][w->phase];
}

static void unlink_from_line(struct guarded *w)
{
	struct line *l = line_of(w);

	*(w->prev ? &w->prev->next : &l->first) = w->next;
	*(w->next ? &w->next->prev : &l->last) = w->prev;
	w->prev = w->next = NULL;
}

static void append(struct guarded *w)
{
	struct line *l = line_of(w);

	w->prev = l->last;
	*(l->last ? &l->last->next : &l->first) = w;
	l->last = w;
}

static void cut(struct guarded *w, const char *why)
{
	log_debug("http.cut", "why=%s fd=%d", why, w->fd);
	metric_add(METRIC_HTTP_CUT, 1);
	unlink_from_line(w);
	w->cut = true;
	w->guard->live--;
	(void)shutdown(w->fd, SHUT_RDWR);
}

static void make_room(struct guard *g)
{
	static const struct { bool trusted; enum guard_phase phase; } order[] = {
		{ false, GUARD_IDLE }, { false, GUARD_HEAD }, { false, GUARD_BODY }, { false, GUARD_ANSWER }, { true, GUARD_IDLE },
		{ true, GUARD_HEAD },
	};

	for (size_t i = 0; i < countof(order); i++) {
		struct guarded *oldest = g->lines[order[i].trusted][order[i].phase].first;

		if (oldest) {
			cut(oldest, "full");
			return;
		}
	}
}

/* Received and acknowledged. What the kernel does not tell counts as nothing, and the connection is let be. */
static int traffic(int fd, uint64_t *ret)
{
	struct tcp_info info = { 0 };
	socklen_t n = sizeof info;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0 ||
	    n < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
		return -1;
	*ret = info.tcpi_bytes_received + info.tcpi_bytes_acked;
	return 0;
}

static bool is_slow(const struct guard_limits *l, struct guarded *w, int64_t now)
{
	bool over = now - w->window_ms >= l->window_ms;
	uint64_t bytes;

	if ((w->measured && !over) || traffic(w->fd, &bytes) < 0)
		return false;
	if (w->measured && bytes - w->bytes < l->window_bytes)
		return true;
	w->measured = true;
	w->bytes = bytes;
	w->window_ms = now;
	return false;
}

static void sweep_old(struct line *l, int64_t before, const char *why)
{
	while (l->first && l->first->since_ms <= before)
		cut(l->first, why);
}

static void sweep_slow(struct guard *g, struct line *l, int64_t now, const char *why)
{
	for (struct guarded *w = l->first, *next; w; w = next) {
		next = w->next;
		if (is_slow(&g->limits, w, now))
			cut(w, why);
	}
}

static void sweep(struct guard *g)
{
	int64_t now = clock_mono_ms();

	for (int t = 0; t < 2; t++) {
		sweep_old(&g->lines[t][GUARD_IDLE], now - g->limits.idle_ms, "idle");
		sweep_old(&g->lines[t][GUARD_HEAD], now - g->limits.head_ms, "head");
		sweep_slow(g, &g->lines[t][GUARD_BODY], now, "body");
		sweep_slow(g, &g->lines[t][GUARD_ANSWER], now, "answer");
	}
}

/* To set how much has to be there before a socket counts as readable, even to what it was, makes the kernel look, and wake. */
static void signal_again(struct guard *g)
{
	static const int one = 1;

	for (int t = 0; t < 2 && g->open >= EVENTS; t++)
		for (int phase = 0; phase < GUARD_PHASES; phase++)
			for (struct guarded *w = g->lines[t][phase].first; w; w = w->next)
				(void)setsockopt(w->fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
}

/* Whether a flood has gone: its memory is not needed again. */
static bool has_ebbed(struct guard *g)
{
	g->peak = max_of(g->peak, g->open);
	if (g->peak - g->open < TRIM_BELOW)
		return false;
	g->peak = g->open;
	return true;
}

static void *run(void *arg)
{
	struct guard *g = arg;
	struct timespec until;

	pthread_mutex_lock(&g->lock);
	while (!g->stopping) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += g->limits.sweep_ms * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&g->wake, &g->lock, &until);
		sweep(g);
		signal_again(g);
		if (has_ebbed(g)) {
			pthread_mutex_unlock(&g->lock);
			malloc_trim(0);
			pthread_mutex_lock(&g->lock);
		}
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

struct guard *guard_start(const struct guard_limits *limits)
{
	struct guard *g = xcalloc(1, sizeof *g);
	pthread_condattr_t attr;
	sigset_t all, before;

	g->limits = *limits;
	must(pthread_mutex_init(&g->lock, NULL) == 0);
	must(pthread_condattr_init(&attr) == 0 && pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&g->wake, &attr) == 0);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);               /* signals are for the main thread */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	must(pthread_create(&g->thread, NULL, run, g) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return g;
}

void guard_stop(struct guard *g)
{
	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	g->stopping = true;
	pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->lock);
	pthread_join(g->thread, NULL);
	must(g->open == 0);
	pthread_cond_destroy(&g->wake);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

struct guarded *guard_enter(struct guard *g, int fd)
{
	struct guarded *w = xcalloc(1, sizeof *w);

	*w = (struct guarded){ .guard = g, .fd = fd, .since_ms = clock_mono_ms() };
	pthread_mutex_lock(&g->lock);
	if (g->live >= g->limits.most)
		make_room(g);
	append(w);
	g->live++;
	g->open++;
	g->peak = max_of(g->peak, g->open);
	pthread_mutex_unlock(&g->lock);
	return w;
}

void guard_leave(struct guarded *w)
{
	struct guard *g = w->guard;

	pthread_mutex_lock(&g->lock);
	if (!w->cut) {
		unlink_from_line(w);
		g->live--;
	}
	g->open--;
	pthread_mutex_unlock(&g->lock);
	free(w);
}

void guard_phase(struct guarded *w, enum guard_phase phase)
{
	struct guard *g = w->guard;

	pthread_mutex_lock(&g->lock);
	if (!w->cut) {
		unlink_from_line(w);
		w->phase = phase;
		w->since_ms = clock_mono_ms();
		w->measured = false;            /* the next sweep begins the window */
		append(w);
	}
	pthread_mutex_unlock(&g->lock);
}

void guard_trust(struct guarded *w, bool trusted)
{
	struct guard *g = w->guard;

	pthread_mutex_lock(&g->lock);
	if (!w->cut && w->trusted != trusted) {
		unlink_from_line(w);
		w->trusted = trusted;
		w->since_ms = clock_mono_ms();
		append(w);
	}
	pthread_mutex_unlock(&g->lock);
}

unsigned guard_count(struct guard *g)
{
	unsigned n;

	pthread_mutex_lock(&g->lock);
	n = g->open;
	pthread_mutex_unlock(&g->lock);
	return n;
}
