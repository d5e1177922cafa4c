#include "refusals.h"

#include "deadletter.h"
#include "rows.h"

#include <stdio.h>
#include <string.h>

#define LIST   "pixelfleet:dlq:jobs"
#define WINDOW 20               /* entries read at once; one may have a megabyte */

static void free_bytes(unsigned char *bytes)
{
	PQfreemem(bytes);
}
DEFINE_SCOPED(unsigned char *, free_bytes)

int refusals_list(struct pg *pg, int limit, int offset, struct buf *to, int64_t *ret_total, struct err *err)
{
	static const char sql[] = "SELECT id, " ROWS_TIME("at") ", submission, problems FROM refused ORDER BY at DESC, id DESC "
		"LIMIT $1::int OFFSET $2::int";
	scoped(PQclear_p) PGresult *r = NULL, *total = NULL;
	char most[16], skip[16];

	snprintf(most, sizeof most, "%d", limit);
	snprintf(skip, sizeof skip, "%d", offset);
	if (pg_query(pg, &total, err, "SELECT count(*) FROM refused", PG_NONE) < 0 || pg_query(pg, &r, err, sql, PG_VALUES(most, skip)) < 0)
		return -1;
	buf_puts(to, "[");
	for (int i = 0; i < PQntuples(r); i++) {
		size_t len = 0;
		scoped(free_bytes_p) unsigned char *bytes = PQunescapeBytea((const unsigned char *)pg_text(r, i, 2), &len);
		scoped(json_decref_p) json_t *problems = json_loads(pg_text(r, i, 3), 0, NULL);

		must(bytes != NULL);
		buf_puts(to, i ? "," : "");
		refusal_text(pg_text(r, i, 0), pg_text(r, i, 1), (const char *)bytes, len, problems, to);
	}
	buf_puts(to, "]");
	*ret_total = pg_int(total, 0, 0);
	return 0;
}

static bool begins_with_id(const redisReply *entry, const char *id)
{
	char begins[64];
	int n = snprintf(begins, sizeof begins, "{\"id\":\"%s\"", id);

	return entry->len >= (size_t)n && memcmp(entry->str, begins, (size_t)n) == 0;
}

static int unlist(struct redis *redis, const char *id, struct err *err)
{
	for (int from = 0;; from += WINDOW) {
		scoped(freeReplyObject_p) redisReply *window = NULL;

		if (redis_command(redis, &window, err, "LRANGE " LIST " %d %d", from, from + WINDOW - 1) < 0)
			return -1;
		for (size_t i = 0; i < window->elements; i++)
			if (begins_with_id(window->element[i], id))
				return redis_command(redis, NULL, err, "LREM " LIST " 1 %b", window->element[i]->str, window->element[i]->len);
		if (window->elements < WINDOW)
			return 0;
	}
}

/* Takes one away, everywhere. */
static int drop(struct pg *pg, struct redis *redis, const char *id, struct err *err)
{
	if (pg_query(pg, NULL, err, "DELETE FROM refused WHERE id = $1::uuid", PG_VALUES(id)) < 0)
		return -1;
	return unlist(redis, id, err);
}

/* One at a time: each may be a megabyte, and a crash in between repeats one at most. */
static int next(struct pg *pg, const char *id, PGresult **ret, struct err *err)
{
	return pg_query(pg, ret, err, "SELECT id, submission FROM refused WHERE $1::uuid IS NULL OR id = $1::uuid ORDER BY id LIMIT 1",
		PG_VALUES(id));
}

int refusals_retry(struct pg *pg, struct redis *redis, const char *id, int64_t *ret_n, struct err *err)
{
	scoped(PQclear_p) PGresult *count = NULL;
	int64_t n = 0, most;

	/* Those that are refused again while this runs are not taken twice. */
	if (pg_query(pg, &count, err, "SELECT count(*) FROM refused", PG_NONE) < 0)
		return -1;
	for (most = pg_int(count, 0, 0); n < most; n++) {
		scoped(PQclear_p) PGresult *r = NULL;
		scoped(free_bytes_p) unsigned char *bytes = NULL;
		size_t len = 0;

		if (next(pg, id, &r, err) < 0)
			return -1;
		if (!PQntuples(r))
			break;
		bytes = PQunescapeBytea((const unsigned char *)pg_text(r, 0, 1), &len);
		must(bytes != NULL);
		if (redis_command(redis, NULL, err, "LPUSH pixelfleet:jobs %b", bytes, len) < 0 || drop(pg, redis, pg_text(r, 0, 0), err) < 0)
			return -1;
	}
	*ret_n = n;
	return 0;
}

int refusals_discard(struct pg *pg, struct redis *redis, const char *id, int64_t *ret_n, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(pg, &r, err, "DELETE FROM refused WHERE $1::uuid IS NULL OR id = $1::uuid RETURNING 1", PG_VALUES(id)) < 0)
		return -1;
	if (id ? unlist(redis, id, err) < 0 : redis_command(redis, NULL, err, "DEL " LIST) < 0)
		return -1;
	*ret_n = PQntuples(r);
	return 0;
}
