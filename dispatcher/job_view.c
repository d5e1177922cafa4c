#include "job_view.h"

#include "fleet.h"
#include "outage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_MAX "20000"

/* Columns of the query for the job that the answer does not show as they are; they follow the pictures. */
enum { JOB_BODY, JOB_NEACH, JOB_ITEMS, JOB_DEFINITION, JOB_HIDDEN };
enum { STEP_ID, STEP_TOOL, STEP_QUEUE, STEP_COUNTS, STEP_SHOWN, STEP_PER_ITEM = STEP_SHOWN, STEP_IDX, STEP_ENDED };
enum { INST_STEP, INST_ITEM, INST_ORDINAL, INST_QUEUE, INST_STATE, INST_DUE, INST_ATTEMPT, INST_BACKEND };

struct view {
	struct request *req;
	const char *id;
	PGresult *job, *steps, *instances, *attempts;
	int hidden;             /* first hidden column of `job` */
	int64_t neach, items;
	json_t *images;         /* of the job; taking one in SQL would unpack the whole list for each row */
	json_t *needs;          /* {step: [names]} */
	json_t *places;         /* {step: row of `steps`} */
	json_t *workers;        /* NULL: Redis did not answer, or nobody asks */
	int64_t from;           /* ordinals [from, from + nended) have a mark in `ended` */
	size_t nended;
	char *ended;
	int next_attempt;       /* row of `attempts` */
};

static void view_done(struct view *v)
{
	PQclear(v->job);
	PQclear(v->steps);
	PQclear(v->instances);
	PQclear(v->attempts);
	json_decref(v->images);
	json_decref(v->needs);
	json_decref(v->places);
	json_decref(v->workers);
	free(v->ended);
}

static int64_t hidden(const struct view *v, int column)
{
	return pg_int(v->job, 0, v->hidden + column);
}

static int load_job(struct view *v)
{
	static const char sql[] = "SELECT " JOB_VIEW_COLUMNS ", coalesce(j.images, '[]') AS images, "
		"d.body, d.neach, j.items, j.definition FROM job j JOIN definition d ON d.id = j.definition WHERE j.id = $1::uuid";
	scoped(json_decref_p) json_t *body = NULL;
	json_t *step;
	size_t i;

	if (request_query(v->req, &v->job, sql, PG_VALUES(v->id)) < 0)
		return -1;
	if (PQntuples(v->job) != 1) {
		answer_error(v->req, 404, "there is no job '%s'", v->id);
		return -1;
	}
	v->hidden = PQnfields(v->job) - JOB_HIDDEN;
	v->neach = hidden(v, JOB_NEACH);
	v->items = hidden(v, JOB_ITEMS);
	v->images = json_loads(pg_text(v->job, 0, v->hidden - 1), 0, NULL);
	v->needs = json_object();
	body = json_loads(pg_text(v->job, 0, v->hidden + JOB_BODY), 0, NULL);
	json_array_foreach(json_object_get(body, "steps"), i, step)
		if (json_is_array(json_object_get(step, "needs")))
			json_object_set(v->needs, json_string_value(json_object_get(step, "id")), json_object_get(step, "needs"));
	return 0;
}

static int load_steps(struct view *v)
{
	static const char sql[] =
		"SELECT n.id AS step, n.tool, n.queue, coalesce(c.counts, '{}') AS state_counts, n.per_item, n.idx, coalesce(c.ended, 0) "
		"FROM definition_step n LEFT JOIN (SELECT per_item, idx, jsonb_object_agg(state, n) AS counts, "
		"  sum(n) FILTER (WHERE state IN ('succeeded', 'failed', 'skipped', 'cancelled')) AS ended FROM ("
		"    SELECT ordinal < $2::int AS per_item, CASE WHEN ordinal < $2::int THEN ordinal % $3::int ELSE ordinal - $2::int END AS idx, "
		"    state, count(*) AS n FROM step WHERE job = $1::uuid GROUP BY 1, 2, 3) AS s GROUP BY 1, 2) AS c "
		"ON c.per_item = n.per_item AND c.idx = n.idx WHERE n.definition = $4::bigint ORDER BY n.per_item DESC, n.idx";
	char each[24], neach[24], definition[24];

	snprintf(each, sizeof each, "%lld", (long long)(v->items * v->neach));
	snprintf(neach, sizeof neach, "%lld", (long long)max_of(v->neach, (int64_t)1));
	snprintf(definition, sizeof definition, "%lld", (long long)hidden(v, JOB_DEFINITION));
	if (request_query(v->req, &v->steps, sql, PG_VALUES(v->id, each, neach, definition)) < 0)
		return -1;
	v->places = json_object();
	for (int i = 0; i < PQntuples(v->steps); i++)
		json_object_set_new(v->places, pg_text(v->steps, i, STEP_ID), json_integer(i));
	return 0;
}

static int load_instances(struct view *v, int limit, int after)
{
	static const char sql[] =
		"SELECT v.step, v.item, v.ordinal, v.queue, v.state, " ROWS_TIME("CASE WHEN r.backend IS NULL THEN r.due_at END") " AS due_at, v.attempt, "
		"r.backend, r.reason AS backend_fault, v.tool, v.deaths, "
		"v.waiting_on, v.reason, nullif(v.skipped_by, -1) AS skipped_by, " ROWS_TIME("v.changed_at") " AS changed_at, v.ms, "
		"coalesce(v.artifacts, '[]') AS artifacts, v.data FROM step_view v LEFT JOIN retry r ON r.job = v.job AND r.ordinal = v.ordinal "
		"WHERE v.job = $1::uuid AND v.ordinal > $2::int ORDER BY v.ordinal LIMIT $3::int";
	static const char attempts[] =
		"SELECT ordinal, attempt, " ROWS_TIME("at") " AS at, worker, json_build_object('kind', kind, 'message', message) AS error, ms, "
		"nullif(peak_rss_kb, 0) AS peak_rss_kb, nullif(signal, 0) AS signal FROM attempt "
		"WHERE job = $1::uuid AND ordinal BETWEEN $2::int AND $3::int ORDER BY ordinal, at LIMIT " ATTEMPTS_MAX;
	char from[16], most[16];
	int n;

	snprintf(from, sizeof from, "%d", after);
	snprintf(most, sizeof most, "%d", limit);
	if (request_query(v->req, &v->instances, sql, PG_VALUES(v->id, from, most)) < 0)
		return -1;
	n = PQntuples(v->instances);
	return request_query(v->req, &v->attempts, attempts, PG_VALUES(v->id, n ? pg_text(v->instances, 0, INST_ORDINAL) : "0",
		n ? pg_text(v->instances, n - 1, INST_ORDINAL) : "-1"));
}

static bool any_is(const struct view *v, const char *state)
{
	for (int i = 0; i < PQntuples(v->instances); i++)
		if (strcmp(pg_text(v->instances, i, INST_STATE), state) == 0)
			return true;
	return false;
}

/* Which of the page's items' instances have ended; what has no row has not. */
static int load_ended(struct view *v)
{
	static const char sql[] = "SELECT ordinal FROM step WHERE job = $1::uuid AND ordinal BETWEEN $2::int AND $3::int "
		"AND state IN ('succeeded', 'failed', 'skipped', 'cancelled')";
	scoped(PQclear_p) PGresult *r = NULL;
	int n = PQntuples(v->instances);
	int64_t each = v->items * v->neach, last;
	char from[24], to[24];

	if (!n || !any_is(v, "blocked") || !v->neach)
		return 0;
	v->from = pg_int(v->instances, 0, INST_ORDINAL) / v->neach * v->neach;
	last = min_of((pg_int(v->instances, n - 1, INST_ORDINAL) / v->neach + 1) * v->neach, each);
	if (last <= v->from)
		return 0;
	v->nended = (size_t)(last - v->from);
	v->ended = xcalloc(v->nended, 1);
	snprintf(from, sizeof from, "%lld", (long long)v->from);
	snprintf(to, sizeof to, "%lld", (long long)last - 1);
	if (request_query(v->req, &r, sql, PG_VALUES(v->id, from, to)) < 0)
		return -1;
	for (int i = 0; i < PQntuples(r); i++)
		v->ended[pg_int(r, i, 0) - v->from] = 1;
	return 0;
}

static void load_workers(struct view *v)
{
	struct err err;

	if (any_is(v, "queued") && fleet_workers(request_redis(v->req), &v->workers, &err) < 0)
		v->workers = NULL;      /* then it is not said who serves */
}

static bool is_per_item(const struct view *v, int step)
{
	return *pg_text(v->steps, step, STEP_PER_ITEM) == 't';
}

/* How many instances of a step an instance of `item` (or, with all_items, one over all of them) still waits for. */
static int64_t open_of(const struct view *v, int step, int64_t item, bool all_items)
{
	int64_t ordinal = item * v->neach + pg_int(v->steps, step, STEP_IDX) - v->from;

	if (is_per_item(v, step) && !all_items)
		return ordinal < 0 || (size_t)ordinal >= v->nended || !v->ended[ordinal];
	return (is_per_item(v, step) ? v->items : 1) - pg_int(v->steps, step, STEP_ENDED);
}

static void waits_for_needs(const struct view *v, int row, struct buf *to)
{
	const char *step = pg_text(v->instances, row, INST_STEP), *separator = "";
	const json_t *self = json_object_get(v->places, step), *need, *place;
	bool all_items = self && !is_per_item(v, (int)json_integer_value(self));
	int64_t open;
	size_t i;

	json_array_foreach(json_object_get(v->needs, step), i, need) {
		place = json_object_get(v->places, json_string_value(need));
		if (!place)
			continue;
		open = open_of(v, (int)json_integer_value(place), pg_int(v->instances, row, INST_ITEM), all_items);
		if (open <= 0)
			continue;
		buf_printf(to, "%s%s", separator, json_string_value(need));
		if (all_items && is_per_item(v, (int)json_integer_value(place)))
			buf_printf(to, " (%lld of %lld)", (long long)open, (long long)v->items);
		separator = ", ";
	}
	if (!to->len)
		buf_puts(to, json_object_get(v->needs, step) ? "the ledger" : "the other steps");
}

static void waits_for_backend(const struct view *v, int row, struct buf *to)
{
	const char *backend = pg_text(v->instances, row, INST_BACKEND), *state;
	scoped(json_decref_p) json_t *breaker = outage_of(v->req->d, backend);

	buf_printf(to, "attempt %lld again, not counted: backend '%s' ", (long long)pg_int(v->instances, row, INST_ATTEMPT), backend);
	state = json_string_value(json_object_get(breaker, "state"));
	if (!state || strcmp(state, "overdue") == 0)
		buf_puts(to, "may be asked again, due now");
	else
		buf_printf(to, "has not answered since %s, next probe %s%s", json_string_value(json_object_get(breaker, "since")),
			json_string_value(json_object_get(breaker, "next_probe")), strcmp(state, "half_open") == 0 ? ", one is under way" : "");
}

static void waits_for(const struct view *v, int row, struct buf *to)
{
	const char *state = pg_text(v->instances, row, INST_STATE), *queue = pg_text(v->instances, row, INST_QUEUE);

	if (strcmp(state, "blocked") == 0)
		waits_for_needs(v, row, to);
	else if (strcmp(state, "queued") == 0)
		buf_printf(to, "queue '%s'%s", queue, v->workers && !fleet_served_by(v->workers, queue) ? ", which no worker serves" : "");
	else if (strcmp(state, "retrying") == 0 && pg_text(v->instances, row, INST_BACKEND))
		waits_for_backend(v, row, to);
	else if (strcmp(state, "retrying") == 0)
		buf_printf(to, "attempt %lld, due %s", (long long)pg_int(v->instances, row, INST_ATTEMPT) + 1,
			pg_text(v->instances, row, INST_DUE) ? pg_text(v->instances, row, INST_DUE) : "now");
}

static void add_attempts(struct view *v, int row, struct buf *to)
{
	int64_t ordinal = pg_int(v->instances, row, INST_ORDINAL);
	const char *separator = "";

	buf_puts(to, ",\"attempts\":[");
	for (; v->next_attempt < PQntuples(v->attempts) && pg_int(v->attempts, v->next_attempt, 0) == ordinal; v->next_attempt++) {
		buf_puts(to, separator);
		rows_object(to, v->attempts, v->next_attempt);
		separator = ",";
	}
	buf_puts(to, "]");
}

static void add_image(const struct view *v, int row, struct buf *to)
{
	const json_t *place = json_object_get(v->places, pg_text(v->instances, row, INST_STEP));
	const char *image = json_string_value(json_array_get(v->images, (size_t)pg_int(v->instances, row, INST_ITEM)));

	if (!image || !place || !is_per_item(v, (int)json_integer_value(place)))
		return;
	buf_puts(to, ",\"image\":");
	buf_json_string(to, image);
}

static void add_instances(struct view *v, struct buf *to)
{
	for (int i = 0; i < PQntuples(v->instances); i++) {
		scoped(buf_free) struct buf why = { 0 };

		buf_puts(to, i ? ",{" : "{");
		rows_members(to, v->instances, i, PQnfields(v->instances));
		add_image(v, i, to);
		add_attempts(v, i, to);
		waits_for(v, i, &why);
		if (why.len) {
			buf_puts(to, ",\"waits_for\":");
			buf_json_string(to, why.text);
		}
		buf_puts(to, "}");
	}
}

static void add_steps(const struct view *v, struct buf *to)
{
	for (int i = 0; i < PQntuples(v->steps); i++) {
		buf_puts(to, i ? ",{" : "{");
		rows_members(to, v->steps, i, STEP_SHOWN);
		buf_puts(to, "}");
	}
}

void job_view(struct request *req, const char *id, int limit, int after)
{
	scoped(view_done) struct view v = { .req = req, .id = id };
	struct buf text = { 0 };
	int n;

	if (load_job(&v) < 0 || load_steps(&v) < 0 || load_instances(&v, limit, after) < 0 || load_ended(&v) < 0)
		return;
	load_workers(&v);
	n = PQntuples(v.instances);
	buf_puts(&text, "{");
	rows_members(&text, v.job, 0, v.hidden);
	buf_puts(&text, ",\"steps\":[");
	add_steps(&v, &text);
	buf_puts(&text, "],\"instances\":[");
	add_instances(&v, &text);
	buf_puts(&text, "],\"next\":");
	buf_puts(&text, n == limit ? pg_text(v.instances, n - 1, INST_ORDINAL) : "null");
	buf_puts(&text, "}");
	answer_text(req, 200, &text);
}
