#include "events.h"

#include "clock.h"
#include "errand.h"
#include "job_wait.h"
#include "log.h"
#include "pg.h"
#include "progress_event.h"
#include "redis.h"
#include "uuid.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BUCKETS       4096
#define OPEN_MAX      1000              /* jobs in the first picture of all jobs */
#define TOPICS_MAX   20000
#define TICK_MS       1000
#define RECENT_MS     5000
#define ID_AGE_MS     1500              /* intake makes ids, and then waits a second for what gets them */
#define KEEP_ALIVE_MS 15000
#define ONE_JOB_BYTES (16 << 10)        /* pending, before only the newest is kept */
#define ALL_BYTES     (256 << 10)       /* pending, before the stream ends */
#define CHANNEL       "pixelfleet:events:"

struct sub {
	struct sub *next;
	struct stream *stream;
	char job[UUID_TEXT];            /* "": all */
	char since[UUID_TEXT];          /* the least id of a job that was made after it came */
	bool fresh;                     /* has not seen its first picture */
};

/* What was last said of a job. */
struct topic {
	struct topic *next;             /* in the bucket */
	char id[UUID_TEXT];
	char *text;                     /* the event; NULL: nothing said yet */
	bool open, seen;
	struct sub *subs;
};

struct events {
	pthread_t thread;
	pthread_mutex_t lock;           /* of incoming, nsubs, ending and stopping */
	struct sub *incoming;
	size_t nsubs;
	bool ending, stopping;
	int wake_fd;

	/* The thread's own: */
	struct pg pg;
	struct redis redis;
	struct topic *buckets[BUCKETS];
	size_t ntopics;
	struct sub *all;
	int64_t tick_at, keep_alive_at;
	bool subscribed, pg_ok;
};

static void wake(struct events *e)
{
	const uint64_t one = 1;

	(void)!write(e->wake_fd, &one, sizeof one);
}

static void sub_end(struct events *e, struct sub *s)
{
	stream_end(s->stream);
	free(s);
	pthread_mutex_lock(&e->lock);
	e->nsubs--;
	pthread_mutex_unlock(&e->lock);
}

static struct topic **bucket(struct events *e, const char *id)
{
	uint32_t h = 2166136261u;

	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	return &e->buckets[h % BUCKETS];
}

static struct topic *topic_find(struct events *e, const char *id)
{
	struct topic *w = *bucket(e, id);

	while (w && strcmp(w->id, id) != 0)
		w = w->next;
	return w;
}

static struct topic *topic_get(struct events *e, const char *id)
{
	struct topic *w = topic_find(e, id), **b = bucket(e, id);

	if (w)
		return w;
	w = xcalloc(1, sizeof *w);
	memcpy(w->id, id, UUID_TEXT);
	w->next = *b;
	*b = w;
	e->ntopics++;
	return w;
}

static void topic_free(struct events *e, struct topic *w)
{
	struct topic **at = bucket(e, w->id);

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	e->ntopics--;
	free(w->text);
	free(w);
}

static void end_subs(struct events *e, struct topic *w)
{
	for (struct sub *s = w->subs, *next; s; s = next) {
		next = s->next;
		sub_end(e, s);
	}
	w->subs = NULL;
}

/* Whether it is still there. */
static bool tell_all(struct sub *s, const char *text)
{
	ptrdiff_t pending = stream_write(s->stream, text, strlen(text));

	if (pending > ALL_BYTES)
		log_warn("events.slow", "pending=%td", pending);
	return pending >= 0 && pending <= ALL_BYTES;
}

static bool tell_one(struct sub *s, const char *text)
{
	if (stream_pending(s->stream) > ONE_JOB_BYTES)
		return stream_rewrite(s->stream, text, strlen(text)) >= 0;
	return stream_write(s->stream, text, strlen(text)) >= 0;
}

/* Calls tell for each of a list, and lets those go that it says no for. */
#define EACH_SUB(e, list, s, tell) \
	for (struct sub **at_ = (list), *s; (s = *at_) != NULL;) { \
		if (tell) { \
			at_ = &s->next; \
		} else { \
			*at_ = s->next; \
			sub_end(e, s); \
		} \
	}

/* What the ledger or PostgreSQL says of a job now; text is an event. */
static void publish(struct events *e, const char *id, const char *text, bool open)
{
	struct topic *w = topic_find(e, id);

	if (!w && e->all && e->ntopics < TOPICS_MAX)
		w = topic_get(e, id);
	if (!w)
		return;
	w->seen = true;
	if (!w->text || strcmp(w->text, text) != 0) {
		EACH_SUB(e, &w->subs, s, s->fresh || tell_one(s, text));
		EACH_SUB(e, &e->all, s, s->fresh || tell_all(s, text));
		free(w->text);
		w->text = xstrdup(text);
		w->open = open;
	}
}

/* PostgreSQL was asked for it, and has no such job. */
static bool is_gone(const struct topic *w, bool complete)
{
	return complete && !w->seen;
}

/* Open jobs are, and those that began and ended since it came. */
static bool is_in_first_picture(const struct sub *s, const struct topic *w)
{
	return w->open || strcmp(w->id, s->since) >= 0;
}

/* Streams whose first picture can be sent get it; jobs that ended or are gone are let go.
 * complete: PostgreSQL was asked, not only one message read. */
static void settle(struct events *e, bool complete)
{
	for (size_t b = 0; b < BUCKETS; b++) {
		for (struct topic *w = e->buckets[b], *next; w; w = next) {
			next = w->next;
			if (w->text) {
				EACH_SUB(e, &w->subs, s, !s->fresh || (s->fresh = false, tell_one(s, w->text)));
				if (complete)
					EACH_SUB(e, &e->all, s, !s->fresh || !is_in_first_picture(s, w) || tell_all(s, w->text));
			}
			if (is_gone(w, complete) || (w->text && !w->open))
				end_subs(e, w);
			if (!w->subs && (is_gone(w, complete) || !e->all))
				topic_free(e, w);
		}
	}
	for (struct sub *s = e->all; s && complete; s = s->next)
		s->fresh = false;
}

static void event_text(struct buf *b, const char *id, const char *state, const int64_t n[5])
{
	buf_clear(b);
	buf_printf(b, "event: job\ndata: {\"id\":\"%s\",\"state\":\"%s\",\"total\":%lld,\"succeeded\":%lld,\"failed\":%lld,"
		"\"skipped\":%lld,\"cancelled\":%lld}\n\n", id, state, (long long)n[0], (long long)n[1], (long long)n[2],
		(long long)n[3], (long long)n[4]);
}

static bool has_fresh(const struct events *e)
{
	for (const struct sub *s = e->all; s; s = s->next)
		if (s->fresh)
			return true;
	for (size_t b = 0; b < BUCKETS; b++)
		for (const struct topic *w = e->buckets[b]; w; w = w->next)
			for (const struct sub *s = w->subs; s; s = s->next)
				if (s->fresh)
					return true;
	return false;
}

/* One query for everything that is watched. Who watches all jobs also hears of the young ones that have ended: ledgers
 * begin to publish a moment after the first subscription. */
static void ask_postgres(struct events *e)
{
	static const char sql[] =
		"SELECT id, state, total, succeeded, failed, skipped, cancelled FROM job WHERE id = ANY($1::uuid[]) "
		"UNION (SELECT id, state, total, succeeded, failed, skipped, cancelled FROM job "
		"WHERE $2::boolean AND state = 'running' ORDER BY id DESC LIMIT $3::int) "
		"UNION (SELECT id, state, total, succeeded, failed, skipped, cancelled FROM job "
		"WHERE $2::boolean AND id >= $4::uuid ORDER BY id DESC LIMIT $3::int)";
	scoped(buf_free) struct buf ids = { 0 }, most = { 0 }, text = { 0 };
	scoped(PQclear_p) PGresult *r = NULL;
	char recent[UUID_TEXT];
	struct err err;

	uuid_at(clock_wall_us() / 1000 - RECENT_MS, recent);
	pg_array_begin(&ids);
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct topic *w = e->buckets[b]; w; w = w->next) {
			w->seen = false;
			if (!w->text || w->open)
				pg_array_word(&ids, w->id);
		}
	pg_array_end(&ids);
	buf_printf(&most, "%d", OPEN_MAX);
	if (pg_query(&e->pg, &r, &err, sql, PG_VALUES(ids.text, e->all ? "t" : "f", most.text, recent)) < 0) {
		if (e->pg_ok)
			log_warn("events.postgres", "err=%s", log_quote(err.msg));
		e->pg_ok = false;
		return;
	}
	e->pg_ok = true;
	for (int i = 0; i < PQntuples(r); i++) {
		int64_t n[5];

		for (int k = 0; k < 5; k++)
			n[k] = pg_int(r, i, 2 + k);
		event_text(&text, pg_text(r, i, 0), pg_text(r, i, 1), n);
		publish(e, pg_text(r, i, 0), text.text, strcmp(pg_text(r, i, 1), "running") == 0);
	}
	settle(e, true);
}

/* Of that job alone. A listener that is behind does without: it is no news tomorrow. */
static void tell_progress(struct events *e, const char *channel, const json_t *message)
{
	const char *id = strncmp(channel, CHANNEL, sizeof CHANNEL - 1) == 0 ? channel + sizeof CHANNEL - 1 : "";
	struct topic *w = uuid_is(id) ? topic_find(e, id) : NULL;
	scoped(buf_free) struct buf text = { 0 };

	if (w && w->subs && progress_event(id, message, &text))
		EACH_SUB(e, &w->subs, s, s->fresh || stream_pending(s->stream) > ONE_JOB_BYTES ||
			stream_write(s->stream, text.text, text.len) >= 0);
}

static void take_message(struct events *e, const redisReply *reply)
{
	static const char *const names[] = { "total", "succeeded", "failed", "skipped", "cancelled" };
	scoped(json_decref_p) json_t *m = NULL;
	scoped(buf_free) struct buf text = { 0 };
	const char *id, *state;
	int64_t n[5];

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4 || reply->element[3]->type != REDIS_REPLY_STRING)
		return;
	m = json_loadb(reply->element[3]->str, reply->element[3]->len, JSON_REJECT_DUPLICATES, NULL);
	if (json_object_get(m, "progress")) {
		if (reply->element[2]->type == REDIS_REPLY_STRING)
			tell_progress(e, reply->element[2]->str, m);
		return;
	}
	id = json_string_value(json_object_get(m, "id"));
	state = json_string_value(json_object_get(m, "state"));
	if (!id || !uuid_is(id) || !state || strspn(state, "abcdefghijklmnopqrstuvwxyz") != strlen(state))
		return;
	for (int k = 0; k < 5; k++)
		n[k] = json_integer_value(json_object_get(m, names[k]));
	if (strcmp(state, "running") != 0)
		job_waits_told(id);
	event_text(&text, id, state, n);
	publish(e, id, text.text, strcmp(state, "running") == 0);
}

/* Without Redis the streams still get a picture every second. */
static void subscribe(struct events *e)
{
	struct err err;

	if (e->subscribed && e->redis.ctx)
		return;
	e->subscribed = redis_append(&e->redis, &err, "PSUBSCRIBE " CHANNEL "*") == 0 && redis_reply(&e->redis, NULL, &err) == 0;
	if (!e->subscribed)
		log_debug("events.redis", "err=%s", log_quote(err.msg));
}

/* Everything that has come. */
static void read_redis(struct events *e)
{
	struct err err;
	void *reply = NULL;

	do {
		scoped(freeReplyObject_p) redisReply *message = reply;

		reply = NULL;
		if (!message && redis_reply(&e->redis, &message, &err) < 0) {
			e->subscribed = false;          /* the next tick subscribes again */
			return;
		}
		take_message(e, message);
	} while (redisGetReplyFromReader(e->redis.ctx, &reply) == REDIS_OK && reply);
	settle(e, false);
}

static void keep_alive(struct events *e)
{
	static const char text[] = ": keep-alive\n\n";

	EACH_SUB(e, &e->all, s, stream_write(s->stream, text, sizeof text - 1) >= 0);
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct topic *w = e->buckets[b]; w; w = w->next)
			EACH_SUB(e, &w->subs, s, stream_pending(s->stream) > ONE_JOB_BYTES ||
				stream_write(s->stream, text, sizeof text - 1) >= 0);
}

static void end_everything(struct events *e)
{
	EACH_SUB(e, &e->all, s, false);
	for (size_t b = 0; b < BUCKETS; b++)
		while (e->buckets[b]) {
			end_subs(e, e->buckets[b]);
			topic_free(e, e->buckets[b]);
		}
}

/* False when it is time to stop. */
static bool take_incoming(struct events *e)
{
	struct sub *list;
	bool ending, stopping;

	pthread_mutex_lock(&e->lock);
	list = e->incoming;
	e->incoming = NULL;
	ending = e->ending;
	stopping = e->stopping;
	pthread_mutex_unlock(&e->lock);
	for (struct sub *s = list, *next; s; s = next) {
		struct sub **to = *s->job ? &topic_get(e, s->job)->subs : &e->all;

		next = s->next;
		s->next = *to;
		*to = s;
	}
	if (ending || stopping)
		end_everything(e);
	return !stopping;
}

static void wait_for_news(struct events *e)
{
	struct pollfd p[2] = { { .fd = e->wake_fd, .events = POLLIN }, { .fd = -1, .events = POLLIN } };
	int64_t ms = e->tick_at - clock_mono_ms();
	uint64_t count;

	if (e->subscribed && e->redis.ctx)
		p[1].fd = e->redis.ctx->fd;
	if (poll(p, 2, (int)max_of(ms, (int64_t)0)) <= 0)
		return;
	if (p[0].revents)
		(void)!read(e->wake_fd, &count, sizeof count);
	if (p[1].revents)
		read_redis(e);
}

static void tick(struct events *e, int64_t now)
{
	e->tick_at = now + TICK_MS;
	errands_expire(false);
	job_waits_expire(false);
	job_waits_ask(&e->pg);
	if (!e->ntopics && !e->all && !job_waits_listen()) {
		redis_close(&e->redis);
		e->subscribed = false;
		return;
	}
	subscribe(e);
	if (now >= e->keep_alive_at) {
		e->keep_alive_at = now + KEEP_ALIVE_MS;
		keep_alive(e);
	}
	ask_postgres(e);
}

static void *run(void *arg)
{
	struct events *e = arg;

	while (take_incoming(e)) {
		int64_t now = clock_mono_ms();

		if (now >= e->tick_at) {
			tick(e, now);
		} else if (has_fresh(e)) {
			subscribe(e);           /* before the picture, so that nothing is in between */
			ask_postgres(e);
		}
		wait_for_news(e);
	}
	return NULL;
}

struct events *events_start(const struct conf *conf)
{
	struct events *e = xcalloc(1, sizeof *e);
	sigset_t all, before;

	must(pthread_mutex_init(&e->lock, NULL) == 0);
	e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(e->wake_fd >= 0);
	e->pg_ok = true;
	pg_init(&e->pg, conf->database_url, NULL);
	redis_init(&e->redis, conf->redis_url);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	must(pthread_create(&e->thread, NULL, run, e) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e;
}

static void set(struct events *e, bool *flag)
{
	pthread_mutex_lock(&e->lock);
	*flag = true;
	pthread_mutex_unlock(&e->lock);
	wake(e);
}

void events_end_all(struct events *e)
{
	set(e, &e->ending);
}

void events_stop(struct events *e)
{
	if (!e)
		return;
	set(e, &e->stopping);
	pthread_join(e->thread, NULL);
	end_everything(e);
	close(e->wake_fd);
	pg_done(&e->pg);
	redis_done(&e->redis);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

bool events_is_full(struct events *e)
{
	bool full;

	pthread_mutex_lock(&e->lock);
	full = e->nsubs >= EVENTS_MAX_STREAMS;
	pthread_mutex_unlock(&e->lock);
	return full;
}

void events_add(struct events *e, const char *job, struct stream *take_stream)
{
	struct sub *s = xcalloc(1, sizeof *s);

	s->stream = take_stream;
	s->fresh = true;
	uuid_at(clock_wall_us() / 1000 - ID_AGE_MS, s->since);
	if (job)
		memcpy(s->job, job, UUID_TEXT);
	pthread_mutex_lock(&e->lock);
	s->next = e->incoming;
	e->incoming = s;
	e->nsubs++;
	pthread_mutex_unlock(&e->lock);
	wake(e);
}
