/* api_health.c - health, ready, metrics. */
#include "breaker.h"
#include "clock.h"
#include "fleet.h"
#include "metrics.h"
#include "request.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_MS  5000
#define WORKERS_MS 500

void api_health(struct request *req)
{
	answer_json(req, 200, json_pack("{s:s, s:s}", "status", "ok", "version", VERSION));
}

/* How many workers are alive; asked for at most twice a second, however often /ready is. -1: Redis did not answer. */
static int workers_alive(struct request *req)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int64_t asked_ms;
	static int alive = -1;
	scoped(json_decref_p) json_t *workers = NULL;
	struct err err;
	int n;

	pthread_mutex_lock(&lock);
	if (!asked_ms || clock_mono_ms() - asked_ms > WORKERS_MS) {
		alive = fleet_workers(request_redis(req), &workers, &err) < 0 ? -1 : fleet_alive(workers);
		asked_ms = clock_mono_ms();
	}
	n = alive;
	pthread_mutex_unlock(&lock);
	return n;
}

static void reason(json_t *list, const char *fmt, ...) printf_like(2, 3);
static void reason(json_t *list, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	json_array_append_new(list, json_string(text));
}

static bool is_fresh(json_t *list, const char *what, int64_t seen_ms)
{
	int64_t age = clock_mono_ms() - seen_ms;

	if (!seen_ms)
		reason(list, "%s has not answered yet", what);
	else if (age > FRESH_MS)
		reason(list, "%s has not answered for %lld s", what, (long long)(age / 1000));
	return seen_ms && age <= FRESH_MS;
}

void api_ready(struct request *req)
{
	const struct dispatcher *d = req->d;
	json_t *reasons = json_array();
	int workers;

	if (d->stopping)
		reason(reasons, "this dispatcher is stopping");
	is_fresh(reasons, "PostgreSQL", d->pg_seen_ms);
	if (is_fresh(reasons, "Redis", d->redis_seen_ms)) {
		if (!d->redis_noeviction)
			reason(reasons, "Redis may throw tasks away: its maxmemory-policy must be noeviction");
		workers = workers_alive(req);
		if (workers <= 0)
			reason(reasons, workers ? "Redis does not answer" : "no worker is alive");
	}
	if (d->rebuilding)
		reason(reasons, "the queues are being rebuilt from PostgreSQL");
	if (json_array_size(reasons)) {
		answer_json(req, 503, json_pack("{s:b, s:o}", "ready", 0, "reasons", reasons));
		return;
	}
	json_decref(reasons);
	answer_json(req, 200, json_pack("{s:b}", "ready", 1));
}

/* A label's value: what the text format wants escaped. */
static void label(struct buf *to, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '"')
			buf_add(to, "\\", 1);
		if (*s == '\n')
			buf_puts(to, "\\n");
		else
			buf_add(to, s, 1);
	}
}

static void print_queues(struct buf *to, const json_t *queues)
{
	static const struct { const char *member, *name, *help; } gauges[] = {
		{ "queued", "pixelfleet_queue_depth", "tasks that wait in Redis" },
		{ "oldest_age_s", "pixelfleet_queue_oldest_age_seconds", "age of the task at the head" },
		{ "backlog", "pixelfleet_queue_backlog", "tasks over the window, in the backlog table" },
		{ "running", "pixelfleet_queue_running", "tasks that workers run" },
		{ "dead", "pixelfleet_queue_dead_letters", "dead letters that nobody has given up" },
		{ "served_by", "pixelfleet_queue_workers", "workers that serve it" },
	};
	json_t *q, *v;
	size_t i;

	for (size_t g = 0; g < countof(gauges); g++) {
		buf_printf(to, "# HELP %s %s\n# TYPE %s gauge\n", gauges[g].name, gauges[g].help, gauges[g].name);
		json_array_foreach(queues, i, q) {
			v = json_object_get(q, gauges[g].member);
			buf_printf(to, "%s{queue=\"", gauges[g].name);
			label(to, json_string_value(json_object_get(q, "queue")));
			buf_printf(to, "\"} %.15g\n", v ? json_number_value(v) : 0);
		}
	}
}

static void print_lists(struct buf *to, const json_t *lists)
{
	static const char *const lengths[][2] = { { "list", "waiting" }, { "dead_letters", "dead" } };
	const json_t *o;
	size_t i;

	buf_puts(to, "# HELP pixelfleet_list_depth messages in the lists of the photo and text queues and of their dead letters\n"
		"# TYPE pixelfleet_list_depth gauge\n");
	json_array_foreach(lists, i, o)
		for (size_t k = 0; k < countof(lengths); k++) {
			buf_puts(to, "pixelfleet_list_depth{list=\"");
			label(to, json_string_value(json_object_get(o, lengths[k][0])));
			buf_printf(to, "\"} %lld\n", (long long)json_integer_value(json_object_get(o, lengths[k][1])));
		}
}

/* 0: closed, but there were faults lately. */
static void print_breakers(const struct dispatcher *d, struct buf *to)
{
	size_t n;
	scoped(free_p) struct breaker *all = breakers_all(d->breakers, &n);

	buf_puts(to, "# HELP pixelfleet_breaker_open whether the circuit of a backend is open, so that steps wait for it\n"
		"# TYPE pixelfleet_breaker_open gauge\n");
	for (size_t i = 0; i < n; i++) {
		buf_puts(to, "pixelfleet_breaker_open{backend=\"");
		label(to, all[i].name);
		buf_printf(to, "\"} %d\n", all[i].state != BREAKER_CLOSED);
	}
}

static void gauge(struct buf *to, const char *name, const char *help, double value)
{
	buf_printf(to, "# HELP %s %s\n# TYPE %s gauge\n%s %.15g\n", name, help, name, name, value);
}

static void print_fleet(struct request *req, struct buf *to)
{
	scoped(json_decref_p) json_t *queues = NULL, *workers = NULL, *lists = NULL;
	scoped(freeReplyObject_p) redisReply *intake = NULL;
	scoped(PQclear_p) PGresult *r = NULL;
	struct redis *redis = request_redis(req);
	struct err err;
	bool redis_up = fleet_workers(redis, &workers, &err) == 0 && redis_command(redis, &intake, &err, "LLEN pixelfleet:jobs") == 0;
	bool pg_up = pg_query(request_pg(req), &r, &err, "SELECT count(*) FROM job WHERE state = 'running'", PG_NONE) == 0;

	gauge(to, "pixelfleet_redis_up", "whether Redis answers", redis_up);
	gauge(to, "pixelfleet_postgres_up", "whether PostgreSQL answers", pg_up);
	if (redis_up) {
		gauge(to, "pixelfleet_workers", "workers that are alive", fleet_alive(workers));
		gauge(to, "pixelfleet_intake_depth", "submissions that wait in pixelfleet:jobs", (double)intake->integer);
	}
	if (pg_up)
		gauge(to, "pixelfleet_jobs_open", "jobs that have not ended", (double)pg_int(r, 0, 0));
	if (redis_up && pg_up && fleet_queues(redis, request_pg(req), &queues, &err) == 0)
		print_queues(to, queues);
	if (redis_up && fleet_lists(redis, req->d->origins, &lists, &err) == 0)
		print_lists(to, lists);
}

void api_metrics(struct request *req)
{
	struct buf text = { 0 };

	metrics_print(&text);
	print_breakers(req->d, &text);
	print_fleet(req, &text);
	answer_bytes(req, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}
