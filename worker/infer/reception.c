#include "reception.h"

#include "log.h"
#include "meter.h"
#include "sync.h"
#include "wire.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { MOST_GUESTS = 256, STALL_S = 5 };

struct reception;

struct guest {                  /* a slot */
	struct reception *of;
	int sock;               /* -1: nobody */
	struct request *request;/* in the crew's hands; guarded by `lock` of the reception */
	bool is_muted;          /* it has said more before its answer: not listened to until then; guarded, too */
	bool is_leaving;        /* gone, and its answer still to come; the loop's own */
};

struct reception {
	pthread_mutex_t lock;
	int wake;               /* eventfd: a guest that was muted, or is leaving, has its answer */
	struct crew *crew;
	struct guest guests[MOST_GUESTS];
};

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

/* ---- one guest ---- */

/* By any thread. */
static void on_end(void *arg)
{
	struct guest *g = arg;
	const uint64_t one = 1;
	scoped_lock(&g->of->lock);

	g->request = NULL;
	if (g->is_muted && write(g->of->wake, &one, sizeof one) < 0)
		log_bug("reception.wake", "error=eventfd");
}

static bool is_busy(struct guest *g)
{
	scoped_lock(&g->of->lock);

	return g->request != NULL;
}

static void close_guest(struct guest *g)
{
	close(g->sock);
	g->sock = -1;
	g->is_leaving = false;
}

/* Its question is called off; its socket stays until nobody writes to it. */
static void let_go(struct reception *r, struct guest *g)
{
	lock(&r->lock);
	if (g->request && crew_cancel(r->crew, g->request))
		g->request = NULL;
	g->is_muted = g->is_leaving = g->request != NULL;
	unlock(&r->lock);
	if (!g->is_leaving)
		close_guest(g);
}

static int say_error(int sock, const struct err *why, struct err *err)
{
	scoped(json_decref_p) json_t *m = json_pack("{s:{s:s, s:s}}", "error", "kind", err_kind_name(why->kind), "message", why->msg);

	must(m != NULL);
	return wire_send_json(sock, m, NULL, 0, err);
}

static void submit(struct reception *r, struct guest *g, struct question *take)
{
	struct request *q = xcalloc(1, sizeof *q);

	*q = (struct request){ .q = *take, .sock = g->sock, .on_end = on_end, .arg = g };
	lock(&r->lock);
	g->request = q;
	unlock(&r->lock);
	crew_submit(r->crew, q);
}

/* -1: its socket is of no more use. */
static int hear(struct reception *r, struct guest *g, struct err *err)
{
	scoped(json_decref_p) json_t *said = NULL;
	struct question q;
	struct err why;
	int fds[WIRE_FDS], fd = -1, rc;
	size_t n = 0;

	rc = wire_recv_json(g->sock, &said, fds, &n, err);
	if (rc == WIRE_END)
		return err_set(err, ERR_CANCEL, "it left");
	if (rc < 0)
		return -1;
	while (n > 1)
		close(fds[--n]);
	fd = n ? fds[0] : -1;
	if (question_read(said, &fd, &q, &why) < 0)
		return say_error(g->sock, &why, err);
	submit(r, g, &q);
	return 0;
}

static void attend(struct reception *r, struct guest *g, short events)
{
	struct err err;

	if (is_busy(g)) {
		if (events & (POLLRDHUP | POLLHUP | POLLERR)) {
			let_go(r, g);
			return;
		}
		lock(&r->lock);         /* it may have got its answer by now: then the next turn hears it */
		g->is_muted = g->request != NULL;
		unlock(&r->lock);
		return;
	}
	if (hear(r, g, &err) == 0)
		return;
	if (err.kind != ERR_CANCEL)
		log_warn("infer.slot", "error=%s", log_quote(err.msg));
	let_go(r, g);
}

/* ---- the control socket ---- */

static void connect_guest(struct reception *r, int sock)
{
	const struct timeval stall = { .tv_sec = STALL_S };

	for (size_t i = 0; i < MOST_GUESTS; i++)
		if (r->guests[i].sock < 0) {
			setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
			setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
			r->guests[i] = (struct guest){ .of = r, .sock = sock };
			return;
		}
	log_warn("infer.crowded", "slots=%d", MOST_GUESTS);
	close(sock);
}

static int say_stats(struct reception *r, int control, struct err *err)
{
	scoped(json_decref_p) json_t *m = json_pack("{s:{s:I, s:o}}", "stats", "rss_mb", (json_int_t)(meter_rss() >> 20), "models",
		crew_stats(r->crew));

	must(m != NULL);
	return wire_send_json(control, m, NULL, 0, err);
}

/* WIRE_END: it has closed its end. */
static int obey(struct reception *r, int control, struct err *err)
{
	scoped(json_decref_p) json_t *said = NULL;
	int fds[WIRE_FDS];
	size_t n = 0;
	int rc = wire_recv_json(control, &said, fds, &n, err);

	if (rc != WIRE_MESSAGE)
		return rc;
	if (strcmp(text_of(said, "do"), "connect") == 0 && n == 1) {
		connect_guest(r, fds[0]);
		return 0;
	}
	while (n > 0)
		close(fds[--n]);
	if (strcmp(text_of(said, "do"), "stats") == 0)
		return say_stats(r, control, err);
	return err_set(err, ERR_RETRY, "the worker asked for '%.40s'; known are connect (with one file) and stats", text_of(said, "do"));
}

/* ---- the loop ---- */

/* What to wait for; at[i] is the guest of fds[i + 2]. */
static size_t gather(struct reception *r, struct pollfd *fds, struct guest **at)
{
	size_t n = 0;
	scoped_lock(&r->lock);

	for (size_t i = 0; i < MOST_GUESTS; i++) {
		struct guest *g = &r->guests[i];

		if (g->sock < 0 || g->is_leaving)
			continue;
		g->is_muted = g->is_muted && g->request;
		fds[n + 2] = (struct pollfd){ .fd = g->sock, .events = g->is_muted ? POLLRDHUP : POLLIN | POLLRDHUP };
		at[n++] = g;
	}
	return n;
}

static void see_off(struct reception *r)
{
	uint64_t count;

	if (read(r->wake, &count, sizeof count) < 0)
		return;
	for (size_t i = 0; i < MOST_GUESTS; i++)
		if (r->guests[i].is_leaving && !is_busy(&r->guests[i]))
			close_guest(&r->guests[i]);
}

static int turn(struct reception *r, int control, struct err *err)
{
	struct pollfd fds[MOST_GUESTS + 2] = { { .fd = control, .events = POLLIN }, { .fd = r->wake, .events = POLLIN } };
	struct guest *at[MOST_GUESTS];
	size_t n = gather(r, fds, at);

	if (poll(fds, n + 2, crew_watch(r->crew)) < 0)
		must(errno == EINTR);
	for (size_t i = 0; i < n; i++)
		if (fds[i + 2].revents)
			attend(r, at[i], fds[i + 2].revents);
	if (fds[1].revents)
		see_off(r);
	return fds[0].revents ? obey(r, control, err) : 0;
}

struct reception *reception_open(struct crew *crew)
{
	struct reception *r = xcalloc(1, sizeof *r);

	r->crew = crew;
	mutex_init(&r->lock);
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(r->wake >= 0);
	for (size_t i = 0; i < MOST_GUESTS; i++)
		r->guests[i].sock = -1;
	return r;
}

int reception_run(struct reception *r, int control, struct err *err)
{
	int rc;

	do
		rc = turn(r, control, err);
	while (rc == 0);
	return rc == WIRE_END ? 0 : -1;
}

void reception_close(struct reception *r)
{
	for (size_t i = 0; i < MOST_GUESTS; i++)
		if (r->guests[i].sock >= 0)
			close(r->guests[i].sock);
	close(r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
