#include "outage.h"

#include "breaker.h"
#include "clock.h"
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK   "1000"
#define NEWS_MS 500             /* other dispatchers tell of a probe within this */
#define OLDEST "SELECT r.job::text, r.ordinal, s.attempt, s.pass FROM retry r JOIN step s ON s.job = r.job AND s.ordinal = r.ordinal " \
	"WHERE r.backend = $1 AND r.due_at <= now() ORDER BY r.due_at LIMIT "

/* A look into the index for each name. */
static int find_backends(struct pg *pg, PGresult **ret, struct err *err)
{
	return pg_query(pg, ret, err, "WITH RECURSIVE b AS ((SELECT backend FROM retry WHERE backend IS NOT NULL ORDER BY backend LIMIT 1) "
		"UNION ALL SELECT (SELECT r.backend FROM retry r WHERE r.backend IS NOT NULL AND r.backend > b.backend ORDER BY r.backend LIMIT 1) "
		"FROM b WHERE b.backend IS NOT NULL) SELECT backend FROM b WHERE backend IS NOT NULL", PG_NONE);
}

static int count_waiting(struct dispatcher *d, struct pg *pg, const char *backend, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(pg, &r, err, "SELECT count(*) FROM retry WHERE backend = $1", PG_VALUES(backend)) < 0)
		return -1;
	breakers_waiting(d->breakers, backend, pg_int(r, 0, 0));
	return 0;
}

/* Whether the next probe has to wait for the last one: the step that the lock names is still on its way (`retrying`: another
 * dispatcher is about to push it). When it is not, because it came back, which changes its pass, or was cancelled, the lock
 * goes; but when nothing is known here of how it ended, another dispatcher may be about to say it. */
static int check_probe(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *key, const struct breaker *k, bool *ret_wait,
	struct err *err)
{
	scoped(freeReplyObject_p) redisReply *held = NULL;
	scoped(PQclear_p) PGresult *r = NULL;
	char job[37], ordinal[12], attempt[12], pass[12];
	unsigned probes = 0;

	*ret_wait = false;
	if (redis_command(redis, &held, err, "GET %s", key) < 0)
		return -1;
	if (held->type != REDIS_REPLY_STRING)
		return 0;
	if (sscanf(held->str, "%36[0-9a-f-]/%11[0-9]/%11[0-9]/%11[0-9]/%u", job, ordinal, attempt, pass, &probes) == 5 && strlen(job) == 36) {
		if (pg_query(pg, &r, err, "SELECT FROM step WHERE job = $1::uuid AND ordinal = $2::int AND attempt = $3::int AND pass = $4::int "
				"AND state IN ('queued', 'retrying')", PG_VALUES(job, ordinal, attempt, pass)) < 0)
			return -1;
		*ret_wait = PQntuples(r) > 0;
	}
	if (*ret_wait)
		return 0;
	if (k->probes <= probes) {
		*ret_wait = true;
		breakers_hold(d->breakers, k->name, clock_mono_ms() + NEWS_MS);
	}
	return redis_script(redis, "unlock", 1, 2, (const char *[]){ key, held->str }, NULL, NULL, err);
}

/* For how long a probe that does not come back keeps the next one from going. What hangs holds a slot: never more than two. */
static unsigned probe_life_ms(const struct dispatcher *d, const struct breaker *k)
{
	unsigned interval = breakers_interval_ms(d->breakers, k->name, k->probes);
	unsigned half = min_of(d->conf.request_timeout_s, 86400u) * 500;

	if (strcmp(k->name, "triton") == 0)
		return interval + 2000;
	return max_of(2 * interval + 5000, half);
}

static int lock_probe(struct dispatcher *d, struct redis *redis, const char *key, const struct breaker *k, const PGresult *row, bool *ret,
	struct err *err)
{
	scoped(freeReplyObject_p) redisReply *r = NULL;

	if (redis_command(redis, &r, err, "SET %s %s/%s/%s/%s/%u NX PX %u", key, pg_text(row, 0, 0), pg_text(row, 0, 1), pg_text(row, 0, 2),
		    pg_text(row, 0, 3), k->probes, probe_life_ms(d, k)) < 0)
		return -1;
	*ret = r->type == REDIS_REPLY_STATUS;
	return 0;
}

static int probe(struct dispatcher *d, struct pg *pg, struct redis *redis, const struct breaker *k, outage_release release, void *arg,
	struct err *err)
{
	scoped(free_p) char *key = xasprintf("pixelfleet:probe:%s", k->name);
	scoped(PQclear_p) PGresult *r = NULL;
	bool wait, locked = false;

	if (check_probe(d, pg, redis, key, k, &wait, err) < 0)
		return -1;
	if (wait)
		return 0;
	if (pg_query(pg, &r, err, OLDEST "1", PG_VALUES(k->name)) < 0)
		return -1;
	if (PQntuples(r) && lock_probe(d, redis, key, k, r, &locked, err) < 0)
		return -1;
	if (!locked)
		return 0;
	if (release(arg, r, true, err) < 0) {
		struct err ignored;

		if (redis_command(redis, NULL, &ignored, "DEL %s", key) < 0)
			return -1;              /* it expires */
		return -1;
	}
	metric_add(METRIC_BREAKER_PROBES, 1);
	breakers_probing(d->breakers, k->name, clock_mono_ms());
	return count_waiting(d, pg, k->name, err);
}

static int look_at(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *backend, outage_release release, void *arg,
	struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	struct breaker k;

	if (breakers_wants_probe(d->breakers, backend, clock_mono_ms(), &k))
		return probe(d, pg, redis, &k, release, arg, err);
	if (!breakers_may_flow(d->breakers, backend, clock_mono_ms()))
		return 0;
	if (pg_query(pg, &r, err, OLDEST CHUNK, PG_VALUES(backend)) < 0)
		return -1;
	return release(arg, r, false, err);
}

int outage_run(struct dispatcher *d, struct pg *pg, struct redis *redis, outage_release release, void *arg, struct err *err)
{
	scoped(PQclear_p) PGresult *names = NULL;

	if (find_backends(pg, &names, err) < 0)
		return -1;
	for (int row = 0; row < PQntuples(names); row++)
		if (look_at(d, pg, redis, pg_text(names, row, 0), release, arg, err) < 0)
			return -1;
	return 0;
}

/* ---- for people ---- */

static json_t *all_open(struct dispatcher *d)
{
	scoped(free_p) struct breaker *all = NULL;
	json_t *list = json_array();
	size_t n;

	if (!breakers_count(d->breakers))
		return list;
	all = breakers_all(d->breakers, &n);
	for (size_t i = 0; i < n; i++)
		if (all[i].state != BREAKER_CLOSED)
			json_array_append_new(list, breaker_json(&all[i], clock_mono_ms(), clock_wall_us()));
	return list;
}

/* Borrowed from the list; NULL: it is not there. */
static json_t *named(const json_t *list, const char *member, const char *name)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (strcmp(json_string_value(json_object_get(o, member)), name) == 0)
			return o;
	return NULL;
}

static void copy_members(json_t *to, const json_t *from)
{
	static const char *const members[] = { "state", "since", "why", "next_probe" };

	json_object_set_new(to, "state", json_string("closed"));
	for (size_t m = 0; from && m < countof(members); m++)
		json_object_set(to, members[m], json_object_get(from, members[m]));
}

static void describe_row(const PGresult *r, int row, json_t *queues, json_t *breakers)
{
	json_int_t n = (json_int_t)pg_int(r, row, 2);
	json_t *queue = named(queues, "queue", pg_text(r, row, 0) ? pg_text(r, row, 0) : "");
	json_t *breaker = named(breakers, "backend", pg_text(r, row, 1)), *o;

	if (breaker)
		json_object_set_new(breaker, "waiting", json_integer(json_integer_value(json_object_get(breaker, "waiting")) + n));
	if (!queue)
		return;
	if (!json_object_get(queue, "waiting_on_backend"))
		json_object_set_new(queue, "waiting_on_backend", json_array());
	o = json_pack("{s:s, s:I}", "backend", pg_text(r, row, 1), "waiting", n);
	copy_members(o, breaker);
	json_array_append_new(json_object_get(queue, "waiting_on_backend"), o);
}

int outage_describe(struct dispatcher *d, struct pg *pg, json_t *queues, json_t **ret_breakers, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	json_t *breakers, *o;
	size_t i;

	if (pg_query(pg, &r, err, "SELECT queue, backend, count(*) FROM retry WHERE backend IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2", PG_NONE) < 0)
		return -1;
	breakers = all_open(d);
	json_array_foreach(breakers, i, o)
		json_object_set_new(o, "waiting", json_integer(0));
	for (int row = 0; row < PQntuples(r); row++)
		describe_row(r, row, queues, breakers);
	*ret_breakers = breakers;
	return 0;
}

json_t *outage_of(struct dispatcher *d, const char *backend)
{
	scoped(json_decref_p) json_t *list = all_open(d);

	return json_incref(named(list, "backend", backend));
}
