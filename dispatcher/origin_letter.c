#include "origin_letter.h"

#include "deadletter.h"
#include "fault.h"
#include "metrics.h"
#include "origin.h"

#include <string.h>

#include <sodium.h>

#define AT_ONCE  "200"
#define MARKED_S "604800"       /* that long a letter may be pushed and not yet marked, and is still not pushed again */

/* ---- rows ---- */

static int send_ended(struct pg *pg, struct work *w, struct err *err)
{
	scoped(buf_free) struct buf ids = { 0 };
	bool any = false;

	pg_array_begin(&ids);
	for (size_t k = 0; k < w->njobs; k++) {
		const struct wjob *j = w->jobs[k];

		if (j->ended && j->has_origin && j->state != JOB_SUCCEEDED && j->state != JOB_RUNNING)
			pg_array_word(&ids, j->id), any = true;
	}
	pg_array_end(&ids);
	if (!any)
		return 0;
	return pg_send(pg, err, "INSERT INTO origin_letter (job, origin, message, error) SELECT id, origin, convert_to(message, 'UTF8'), "
		"why_not_done(id) FROM job WHERE id = ANY($1::uuid[]) AND origin IS NOT NULL ON CONFLICT DO NOTHING", PG_VALUES(ids.text));
}

static int send_refused(struct pg *pg, const struct op *op, struct err *err)
{
	scoped(buf_free) struct buf why = { 0 };
	scoped(free_p) char *hex = xcalloc(2 * op->text_len + 3, 1);

	problems_text(op->problems, &why);
	memcpy(hex, "\\x", 2);
	sodium_bin2hex(hex + 2, 2 * op->text_len + 1, (const uint8_t *)op->text, op->text_len);
	return pg_send(pg, err, "INSERT INTO origin_letter (job, origin, message, error) VALUES ($1::uuid, $2, $3::bytea, $4) "
		"ON CONFLICT DO NOTHING", PG_VALUES(op->job, op->origin->list, hex, why.text ? why.text : ""));
}

int origin_letters_send(struct pg *pg, struct work *w, struct op **ops, size_t n, struct err *err)
{
	if (pg_is_full(pg) && pg_wait(pg, NULL, err) < 0)
		return -1;
	if (send_ended(pg, w, err) < 0)
		return -1;
	for (size_t k = 0; k < n; k++) {
		if (ops[k]->kind != OP_REFUSE || !ops[k]->origin)
			continue;
		if (pg_is_full(pg) && pg_wait(pg, NULL, err) < 0)
			return -1;
		if (send_refused(pg, ops[k], err) < 0)
			return -1;
	}
	return 0;
}

/* ---- letters ---- */

void origin_letter_text(const char *message, size_t len, const char *error, struct buf *to)
{
	scoped(json_decref_p) json_t *ignored = json_array();
	scoped(json_decref_p) json_t *letter = json_parse_strict(message, len, SUBMISSION_MAX_DEPTH, ignored);
	scoped(buf_free) struct buf text = { 0 };
	scoped(free_p) char *dumped = NULL;

	if (!json_is_object(letter)) {
		json_decref(letter);
		letter = json_pack("{s:o}", "message", bytes_readable(message, len));
	}
	buf_json_string(&text, error);          /* whatever bytes an error quotes: UTF-8 from here on */
	json_object_set_new(letter, "error", json_loadb(text.text, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
	dumped = json_dumps(letter, JSON_COMPACT | JSON_REAL_PRECISION(17));
	must(dumped != NULL);
	buf_puts(to, dumped);
}

/* Where letters of a list go; of one that the settings do not name any more, where they would go by default. */
static char *list_of(const struct dispatcher *d, const char *origin)
{
	const struct origin *o = origin_find(d->origins, origin);

	return o ? xstrdup(o->dlq) : xasprintf("%s_dlq", origin);
}

static int push_one(struct dispatcher *d, struct redis *redis, const PGresult *r, int row, struct err *err)
{
	scoped(free_p) char *list = list_of(d, pg_text(r, row, 1)), *mark = xasprintf("pixelfleet:letter:%s", pg_text(r, row, 0));
	scoped(buf_free) struct buf letter = { 0 };
	size_t size;
	unsigned char *bytes = PQunescapeBytea((const unsigned char *)pg_text(r, row, 2), &size);

	must(bytes != NULL);
	origin_letter_text((const char *)bytes, size, pg_text(r, row, 3), &letter);
	PQfreemem(bytes);
	return redis_script(redis, "letter", 2, 4, (const char *[]){ list, mark, letter.text, MARKED_S }, NULL, NULL, err);
}

/* Whose letter is on its list now is in `ids`. One that Redis refuses keeps no other back; *ret_why then says why. */
static unsigned push_all(struct dispatcher *d, struct redis *redis, const PGresult *r, struct buf *ids, bool *ret_failed,
	struct err *ret_why)
{
	unsigned pushed = 0;

	for (int row = 0; row < PQntuples(r); row++) {
		if (push_one(d, redis, r, row, ret_why) == 0) {
			pg_array_word(ids, pg_text(r, row, 0));
			pushed++;
			continue;
		}
		*ret_failed = true;
		if (ret_why->kind == ERR_RETRY)
			break;
	}
	return pushed;
}

static int push_and_mark(struct dispatcher *d, struct pg *pg, struct redis *redis, bool *ret_failed, struct err *ret_why, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(buf_free) struct buf ids = { 0 };
	unsigned pushed;

	/* The rows stay locked until they are marked: no two dispatchers push the same ones. */
	if (pg_query(pg, &r, err, "SELECT job::text, origin, message, error FROM origin_letter WHERE pushed_at IS NULL ORDER BY at, job "
			"LIMIT " AT_ONCE " FOR UPDATE SKIP LOCKED", PG_NONE) < 0)
		return -1;
	pg_array_begin(&ids);
	pushed = push_all(d, redis, r, &ids, ret_failed, ret_why);
	pg_array_end(&ids);
	if (!pushed)
		return 0;
	fault_die("letters.pushed");
	if (pg_query(pg, NULL, err, "UPDATE origin_letter SET pushed_at = now() WHERE job = ANY($1::uuid[])", PG_VALUES(ids.text)) < 0)
		return -1;
	metric_add(METRIC_ORIGIN_LETTERS, pushed);
	return 0;
}

int origin_letters_push(struct dispatcher *d, struct pg *pg, struct redis *redis, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	struct err why;
	bool failed = false;

	if (pg_query(pg, &r, err, "SELECT EXISTS (SELECT FROM origin_letter WHERE pushed_at IS NULL)", PG_NONE) < 0)
		return -1;
	if (*pg_text(r, 0, 0) != 't')
		return 0;
	if (pg_script(pg, "BEGIN", err) < 0)
		return -1;
	if (push_and_mark(d, pg, redis, &failed, &why, err) < 0 || pg_script(pg, "COMMIT", err) < 0) {
		pg_rollback(pg);
		return -1;
	}
	if (failed)
		*err = why;
	return failed ? -1 : 0;
}
