#include "fleet.h"

#include "clock.h"
#include "tools.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int fleet_time_parse(const char *text, int64_t *ret_us)
{
	struct tm tm = { 0 };
	int end = 0;
	int64_t us = 0;

	if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
		&tm.tm_sec, &end) != 6)
		return -1;
	text += end;
	if (*text == '.') {
		for (int64_t unit = 100000; *++text >= '0' && *text <= '9'; unit /= 10)
			us += (*text - '0') * unit;
	}
	if (strcmp(text, "Z") != 0 && strcmp(text, "+00:00") != 0)
		return -1;
	if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 ||
	    tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ret_us = (int64_t)timegm(&tm) * 1000000 + us;
	return 0;
}

double fleet_age_s(const char *entry, size_t len, int64_t now_us)
{
	scoped(json_decref_p) json_t *e = json_loadb(entry, len, 0, NULL);
	const json_t *task = json_object_get(e, "task");
	int64_t at;

	if (fleet_time_parse(json_string_value(json_object_get(task ? task : e, "enqueued_at")), &at) < 0)
		return -1;
	return max_of((double)(now_us - at) / 1e6, 0.0);
}

/* The heartbeats of a set's members; with a list's prefix also how long theirs is, as "held". */
static int heartbeats(struct redis *redis, const char *set, const char *prefix, const char *list, json_t *to, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *names = NULL;

	if (redis_command(redis, &names, err, "SMEMBERS %s", set) < 0)
		return -1;
	for (size_t i = 0; i < names->elements; i++) {
		if (redis_append(redis, err, "GET %s%s", prefix, names->element[i]->str) < 0 ||
		    (list && redis_append(redis, err, "LLEN %s%s", list, names->element[i]->str) < 0))
			return redis_close(redis), -1;
	}
	for (size_t i = 0; i < names->elements; i++) {
		scoped(freeReplyObject_p) redisReply *beat = NULL, *held = NULL;
		scoped(json_decref_p) json_t *o = NULL;

		if (redis_reply(redis, &beat, err) < 0 || (list && redis_reply(redis, &held, err) < 0))
			return redis_close(redis), -1;
		if (beat->type == REDIS_REPLY_STRING)
			o = json_loadb(beat->str, beat->len, 0, NULL);
		if (!json_is_object(o) && held && held->integer > 0) {
			json_decref(o);
			o = json_pack("{s:s, s:s}", "worker", names->element[i]->str, "state", "missing");
		}
		if (!json_is_object(o))
			continue;
		if (held)
			json_object_set_new(o, "held", json_integer(held->integer));
		json_array_append(to, o);
	}
	return 0;
}

int fleet_workers(struct redis *redis, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *list = json_array();

	if (heartbeats(redis, "pixelfleet:workers", "pixelfleet:worker:", "pixelfleet:running:", list, err) < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

int fleet_dispatchers(struct redis *redis, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *list = json_array();

	if (heartbeats(redis, "pixelfleet:dispatchers", "pixelfleet:dispatcher:", NULL, list, err) < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

int fleet_served_by(const json_t *workers, const char *queue)
{
	int n = 0;
	size_t i;
	json_t *w;

	json_array_foreach(workers, i, w)
		n += json_integer_value(json_object_get(json_object_get(w, "slots"), queue)) > 0;
	return n;
}

int fleet_running(const json_t *workers, const char *queue)
{
	int n = 0;
	size_t i, k;
	json_t *w, *task;

	json_array_foreach(workers, i, w) {
		json_array_foreach(json_object_get(w, "running"), k, task) {
			const char *q = json_string_value(json_object_get(task, "queue"));
			const char *tool = json_string_value(json_object_get(task, "tool"));
			const struct tool *t = q || !tool ? NULL : tool_find(tool);

			q = t ? t->queue : q;           /* a task that does not say is on its tool's own */
			n += q && strcmp(q, queue) == 0;
		}
	}
	return n;
}

int fleet_alive(const json_t *workers)
{
	int n = 0;
	size_t i;
	json_t *w;

	json_array_foreach(workers, i, w)
		n += json_object_get(w, "slots") != NULL;
	return n;
}

static void name_queue(json_t *names, const char *queue)
{
	if (!json_object_get(names, queue))
		json_object_set_new(names, queue, json_pack("{s:I, s:I}", "backlog", (json_int_t)0, "dead", (json_int_t)0));
}

/* What PostgreSQL knows: {queue: {"backlog","dead"}}. */
static int count_rows(struct pg *pg, json_t *names, struct err *err)
{
	static const char sql[] =
		"SELECT queue, sum(backlog)::bigint, sum(dead)::bigint FROM ("
		" SELECT queue, sum(steps) AS backlog, 0 AS dead FROM backlog GROUP BY queue"
		" UNION ALL SELECT queue, 0, count(*) FROM dead_letter WHERE discarded_at IS NULL GROUP BY queue"
		" UNION ALL SELECT DISTINCT queue, 0, 0 FROM definition_step) AS counted GROUP BY queue";
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(pg, &r, err, sql, PG_NONE) < 0)
		return -1;
	for (int i = 0; i < PQntuples(r); i++)
		json_object_set_new(names, pg_text(r, i, 0), json_pack("{s:I, s:I}", "backlog", (json_int_t)pg_int(r, i, 1),
			"dead", (json_int_t)pg_int(r, i, 2)));
	return 0;
}

static int name_queues(struct redis *redis, const json_t *workers, json_t *names, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *used = NULL;
	size_t n, i;
	const struct tool *tools = tools_all(&n);
	const char *queue;
	json_t *w, *slots;

	for (size_t t = 0; t < n; t++)
		name_queue(names, tools[t].queue);
	json_array_foreach(workers, i, w)
		json_object_foreach(json_object_get(w, "slots"), queue, slots)
			name_queue(names, queue);
	if (redis_command(redis, &used, err, "SMEMBERS pixelfleet:queues") < 0)
		return -1;
	for (size_t q = 0; q < used->elements; q++)
		name_queue(names, used->element[q]->str);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted names; the strings are the object's. */
static const char **sorted(json_t *names, size_t *ret_n)
{
	const char **list = xcalloc(json_object_size(names), sizeof *list), *name;
	size_t n = 0;
	json_t *value;

	json_object_foreach(names, name, value)
		list[n++] = name;
	qsort(list, n, sizeof *list, compare);
	*ret_n = n;
	return list;
}

static int read_queue(struct redis *redis, const char *name, json_t *o, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *len = NULL, *head = NULL;
	double age;

	if (redis_reply(redis, &len, err) < 0 || redis_reply(redis, &head, err) < 0)
		return redis_close(redis), -1;
	age = head->type == REDIS_REPLY_STRING ? fleet_age_s(head->str, head->len, clock_wall_us()) : -1;
	json_object_set_new(o, "queue", json_string(name));
	json_object_set_new(o, "queued", json_integer(len->type == REDIS_REPLY_INTEGER ? len->integer : 0));
	if (age >= 0)
		json_object_set_new(o, "oldest_age_s", json_real(round(age * 1000) / 1000));
	return 0;
}

int fleet_queues(struct redis *redis, struct pg *pg, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *names = json_object(), *list = json_array(), *workers = NULL;
	scoped(free_p) const char **order = NULL;
	size_t n;

	if (count_rows(pg, names, err) < 0 || fleet_workers(redis, &workers, err) < 0 || name_queues(redis, workers, names, err) < 0)
		return -1;
	order = sorted(names, &n);
	for (size_t i = 0; i < n; i++) {
		if (redis_append(redis, err, "LLEN pixelfleet:queue:%s", order[i]) < 0 ||
		    redis_append(redis, err, "LINDEX pixelfleet:queue:%s 0", order[i]) < 0)
			return redis_close(redis), -1;
	}
	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object_get(names, order[i]);

		if (read_queue(redis, order[i], o, err) < 0)
			return -1;
		json_object_set_new(o, "running", json_integer(fleet_running(workers, order[i])));
		json_object_set_new(o, "served_by", json_integer(fleet_served_by(workers, order[i])));
		json_array_append(list, o);
	}
	*ret = steal(&list);
	return 0;
}

/* Whatever people keep at such a key: what is no list has no length. */
static int read_length(struct redis *redis, json_t *o, const char *member, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *len = NULL;

	if (redis_reply(redis, &len, err) < 0 && err->kind == ERR_RETRY)
		return redis_close(redis), -1;
	json_object_set_new(o, member, json_integer(len ? len->integer : 0));
	return 0;
}

int fleet_lists(struct redis *redis, const struct origins *origins, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *list = json_array();
	size_t n;
	const struct origin *all = origins_all(origins, &n);

	for (size_t i = 0; i < n; i++)
		if (redis_append(redis, err, "LLEN %s", all[i].list) < 0 || redis_append(redis, err, "LLEN %s", all[i].dlq) < 0)
			return redis_close(redis), -1;
	for (size_t i = 0; i < n; i++) {
		json_t *o = json_pack("{s:s, s:s}", "list", all[i].list, "dead_letters", all[i].dlq);

		json_array_append_new(list, o);
		if (read_length(redis, o, "waiting", err) < 0 || read_length(redis, o, "dead", err) < 0)
			return -1;
	}
	*ret = steal(&list);
	return 0;
}
