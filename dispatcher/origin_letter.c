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

/* One run of origin_letters_push(). */
struct round {
	json_t *refused;                /* origins whose list Redis does not take letters for: a key of another type, say */
	bool is_broken;                 /* Redis takes none at all just now */
	struct err why;
};

/* Whose letter is on its list now is in `ids`. */
static unsigned push_all(struct dispatcher *d, struct redis *redis, const PGresult *r, struct round *round, struct buf *ids)
{
	unsigned pushed = 0;

	for (int row = 0; row < PQntuples(r) && !round->is_broken; row++) {
		if (json_object_get(round->refused, pg_text(r, row, 1)))
			continue;
		if (push_one(d, redis, r, row, &round->why) == 0) {
			pg_array_word(ids, pg_text(r, row, 0));
			pushed++;
		} else if (round->why.kind == ERR_RETRY) {
			round->is_broken = true;
		} else {
			json_object_set_new(round->refused, pg_text(r, row, 1), json_true());
		}
	}
	return pushed;
}

static void refused_lists(const struct round *round, struct buf *to)
{
	const char *origin;
	json_t *one;

	pg_array_begin(to);
	json_object_foreach(round->refused, origin, one)
		pg_array_text(to, origin);
	pg_array_end(to);
}

static int push_and_mark(struct dispatcher *d, struct pg *pg, struct redis *redis, struct round *round, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(buf_free) struct buf ids = { 0 }, not = { 0 };
	unsigned pushed;

	refused_lists(round, &not);
	/* The rows stay locked until they are marked: no two dispatchers push the same ones. */
	if (pg_query(pg, &r, err, "SELECT job::text, origin, message, error FROM origin_letter WHERE pushed_at IS NULL "
			"AND origin <> ALL ($1::text[]) ORDER BY at, job LIMIT " AT_ONCE " FOR UPDATE SKIP LOCKED", PG_VALUES(not.text)) < 0)
		return -1;
	pg_array_begin(&ids);
	pushed = push_all(d, redis, r, round, &ids);
	pg_array_end(&ids);
	if (!pushed)
		return 0;
	fault_die("letters.pushed");
	if (pg_query(pg, NULL, err, "UPDATE origin_letter SET pushed_at = now() WHERE job = ANY($1::uuid[])", PG_VALUES(ids.text)) < 0)
		return -1;
	metric_add(METRIC_ORIGIN_LETTERS, pushed);
	return 0;
}

static int push_some(struct dispatcher *d, struct pg *pg, struct redis *redis, struct round *round, struct err *err)
{
	if (pg_script(pg, "BEGIN", err) < 0)
		return -1;
	if (push_and_mark(d, pg, redis, round, err) == 0 && pg_script(pg, "COMMIT", err) == 0)
		return 0;
	pg_rollback(pg);
	return -1;
}

int origin_letters_push(struct dispatcher *d, struct pg *pg, struct redis *redis, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(json_decref_p) json_t *refused = json_object();
	struct round round = { .refused = refused };
	size_t known;

	if (pg_query(pg, &r, err, "SELECT EXISTS (SELECT FROM origin_letter WHERE pushed_at IS NULL)", PG_NONE) < 0)
		return -1;
	if (*pg_text(r, 0, 0) != 't')
		return 0;
	do {                            /* a list that is refused keeps no other back, however many are owed to it */
		known = json_object_size(refused);
		if (push_some(d, pg, redis, &round, err) < 0)
			return -1;
	} while (!round.is_broken && json_object_size(refused) > known);
	if (!round.is_broken && !known)
		return 0;
	*err = round.why;
	return -1;
}
