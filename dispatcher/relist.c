#include "relist.h"

#include "deadletter.h"
#include "log.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define LETTERS_PAGE 500

/* ---- what is not listed ---- */

/* But those that were put back and wait in a queue, or run: they would be listed twice when they fail again. */
static int relist_queue(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *queue, const struct taskset *set, struct err *err)
{
	scoped(free_p) char *most = xasprintf("%u", d->conf.dlq_max);
	scoped(PQclear_p) PGresult *r = NULL;
	int rows;

	if (pg_query(pg, &r, err, "SELECT job::text, ordinal FROM (SELECT job, ordinal, failed_at FROM dead_letter WHERE queue = $1 "
			"AND discarded_at IS NULL ORDER BY failed_at DESC LIMIT $2::int) l ORDER BY failed_at", PG_VALUES(queue, most)) < 0)
		return -1;
	rows = PQntuples(r);
	for (int from = 0; from < rows; from += LETTERS_PAGE) {
		scoped(work_done) struct work w = { 0 };
		scoped(letters_free) struct letters l = { 0 };
		struct want which[LETTERS_PAGE];
		size_t n = 0;

		for (int row = from; row < min_of(from + LETTERS_PAGE, rows); row++)
			if (!taskset_has(set, pg_text(r, row, 0), (int)pg_int(r, row, 1)))
				which[n++] = (struct want){ work_add_job(&w, pg_text(r, row, 0)), (int)pg_int(r, row, 1) };
		if (letters_build(d, pg, &w, which, n, &l, err) < 0 || letters_push(d, pg, redis, &l, true, err) < 0)
			return -1;
	}
	return 0;
}

/* How the letter begins, and the letter: two arguments of the script. */
static void add_refusal(const PGresult *r, int row, char **argv)
{
	scoped(json_decref_p) json_t *problems = json_loads(pg_text(r, row, 3), 0, NULL);
	scoped(buf_free) struct buf letter = { 0 };
	size_t size;
	unsigned char *bytes = PQunescapeBytea((const unsigned char *)pg_text(r, row, 2), &size);

	must(bytes != NULL);
	refusal_text(pg_text(r, row, 0), pg_text(r, row, 1), (const char *)bytes, size, problems, &letter);
	PQfreemem(bytes);
	argv[0] = xasprintf("{\"id\":\"%s\",", pg_text(r, row, 0));
	argv[1] = buf_take(&letter);
}

static int relist_refusals(struct dispatcher *d, struct redis *redis, const PGresult *r, int from, int to, struct err *err)
{
	scoped(free_p) char **argv = xcalloc(3 + 2 * (size_t)(to - from), sizeof *argv);
	int argc = 3, rc;

	argv[0] = xstrdup("pixelfleet:dlq:jobs"), argv[1] = xasprintf("%u", d->conf.dlq_max), argv[2] = xstrdup("again");
	for (int row = from; row < to; row++, argc += 2)
		add_refusal(r, row, argv + argc);
	rc = redis_script(redis, "dlq_add", 1, argc, (const char **)argv, NULL, NULL, err);
	for (int k = 0; k < argc; k++)
		free(argv[k]);
	return rc;
}

/* What was refused a moment ago, intake itself is about to list. The newest comes to the head. */
static int relist_refused(struct dispatcher *d, struct pg *pg, struct redis *redis, struct err *err)
{
	scoped(free_p) char *most = xasprintf("%u", d->conf.dlq_max);
	scoped(PQclear_p) PGresult *r = NULL;
	int rows;

	if (pg_query(pg, &r, err, "SELECT * FROM (SELECT id::text, to_char(at, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), submission, problems::text "
			"FROM refused WHERE at < now() - interval '2 seconds' ORDER BY id DESC LIMIT $1::int) newest ORDER BY id", PG_VALUES(most)) < 0)
		return -1;
	rows = PQntuples(r);
	for (int from = 0; from < rows; from += LETTERS_PAGE)
		if (relist_refusals(d, redis, r, from, min_of(from + LETTERS_PAGE, rows), err) < 0)
			return -1;
	return 0;
}

int relist_missing(struct dispatcher *d, struct pg *pg, struct redis *redis, const struct taskset *set, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_query(pg, &r, err, "SELECT DISTINCT queue FROM dead_letter WHERE discarded_at IS NULL", PG_NONE) < 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++)
		if (relist_queue(d, pg, redis, pg_text(r, row, 0), set, err) < 0)
			return -1;
	return relist_refused(d, pg, redis, err);
}

/* ---- what is listed and should not be ---- */

/* Letters of one list: those that no row stands behind, and those that are there twice. */
struct suspects {
	struct letter *gone;            /* of each only what letters_take() needs */
	size_t ngone, cap_gone;
	struct want *twice;
	size_t ntwice, cap_twice;
};

static void suspects_done(struct suspects *s)
{
	for (size_t k = 0; k < s->ngone; k++)
		free(s->gone[k].begins);
	free(s->gone);
	free(s->twice);
}

/* {"job":"...","step":"...","item":0,"tool":... : up to the tool. NULL: somebody else's entry. */
static char *beginning(const char *entry)
{
	const char *tool = strncmp(entry, "{\"job\":\"", 8) == 0 ? strstr(entry, ",\"tool\":") : NULL;

	return tool ? xstrndup(entry, (size_t)(tool - entry) + 1) : NULL;
}

static void suspect(struct suspects *s, struct letter *l, char *queue)
{
	s->gone = grow(s->gone, s->ngone + 1, &s->cap_gone, sizeof *s->gone);
	s->gone[s->ngone++] = (struct letter){ .queue = queue, .begins = steal(&l->begins) };
}

static struct letter read_letter(const redisReply *entry)
{
	scoped(json_decref_p) json_t *body = json_loadb(entry->str, entry->len, 0, NULL);
	const json_t *task = json_object_get(body, "task");
	const char *job = json_string_value(json_object_get(body, "job"));
	struct letter l = { .ordinal = (int)json_integer_value(json_object_get(task, "ordinal")) };

	if (!json_is_object(task) || !job || !uuid_is(job))
		return l;
	memcpy(l.job, job, UUID_TEXT);
	l.begins = beginning(entry->str);
	return l;
}

static int judge(struct pg *pg, struct work *w, struct letter *l, size_t n, char *queue, struct taskset *seen, struct suspects *s,
	struct err *err)
{
	scoped(buf_free) struct buf jobs = { 0 }, ordinals = { 0 };
	scoped(PQclear_p) PGresult *r = NULL;

	pg_array_begin(&jobs), pg_array_begin(&ordinals);
	for (size_t k = 0; k < n; k++) {
		pg_array_word(&jobs, l[k].begins ? l[k].job : "00000000-0000-0000-0000-000000000000");
		pg_array_int(&ordinals, l[k].ordinal);
	}
	pg_array_end(&jobs), pg_array_end(&ordinals);
	if (pg_query(pg, &r, err, "SELECT EXISTS (SELECT FROM dead_letter l WHERE l.job = u.job AND l.ordinal = u.ordinal "
			"AND l.discarded_at IS NULL) FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY u(job, ordinal, n) ORDER BY u.n", PG_VALUES(jobs.text, ordinals.text)) < 0)
		return -1;
	for (size_t k = 0; k < n; k++) {
		bool is_there = *pg_text(r, (int)k, 0) == 't', twice = is_there && taskset_has(seen, l[k].job, l[k].ordinal);

		if (!l[k].begins || (is_there && !twice)) {
			taskset_add(seen, l[k].job, l[k].ordinal);
			continue;
		}
		suspect(s, &l[k], queue);
		if (twice) {
			s->twice = grow(s->twice, s->ntwice + 1, &s->cap_twice, sizeof *s->twice);
			s->twice[s->ntwice++] = (struct want){ work_add_job(w, l[k].job), l[k].ordinal };
		}
	}
	return 0;
}

static int read_suspects(struct pg *pg, struct redis *redis, struct work *w, char *queue, struct suspects *s, struct err *err)
{
	scoped(taskset_done) struct taskset seen = { 0 };

	for (long long from = 0;; from += LETTERS_PAGE) {
		scoped(freeReplyObject_p) redisReply *r = NULL;
		struct letter l[LETTERS_PAGE];
		size_t n;
		int rc;

		if (redis_command(redis, &r, err, "LRANGE pixelfleet:dlq:%s %lld %lld", queue, from, from + LETTERS_PAGE - 1) < 0)
			return -1;
		n = min_of(r->elements, (size_t)LETTERS_PAGE);
		for (size_t k = 0; k < n; k++)
			l[k] = read_letter(r->element[k]);
		rc = judge(pg, w, l, n, queue, &seen, s, err);
		for (size_t k = 0; k < n; k++)
			free(l[k].begins);
		if (rc < 0 || n < LETTERS_PAGE)
			return rc;
	}
}

/* More entries than rows. The other way round they may be on their way: somebody is trying them again. */
static int is_too_long(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *queue, bool *ret, struct err *err)
{
	scoped(free_p) char *most = xasprintf("%u", d->conf.dlq_max);
	scoped(freeReplyObject_p) redisReply *len = NULL;
	scoped(PQclear_p) PGresult *r = NULL;

	if (redis_command(redis, &len, err, "LLEN pixelfleet:dlq:%s", queue) < 0 ||
	    pg_query(pg, &r, err, "SELECT count(*) FROM (SELECT FROM dead_letter WHERE queue = $1 AND discarded_at IS NULL LIMIT $2::int) l",
			PG_VALUES(queue, most)) < 0)
		return -1;
	*ret = len->integer > pg_int(r, 0, 0);
	return 0;
}

static int clean_queue(struct dispatcher *d, struct pg *pg, struct redis *redis, char *queue, struct err *err)
{
	scoped(suspects_done) struct suspects s = { 0 };
	scoped(work_done) struct work w = { 0 };
	scoped(letters_free) struct letters again = { 0 };

	if (read_suspects(pg, redis, &w, queue, &s, err) < 0)
		return -1;
	if (!s.ngone)
		return 0;
	log_info("relist.wrong", "queue=%s letters=%zu twice=%zu", queue, s.ngone, s.ntwice);
	return letters_take(redis, &(struct letters){ s.gone, s.ngone }, err) < 0 ||
		letters_build(d, pg, &w, s.twice, s.ntwice, &again, err) < 0 || letters_push(d, pg, redis, &again, true, err) < 0 ? -1 : 0;
}

int relist_wrong(struct dispatcher *d, struct pg *pg, struct redis *redis, bool even_short, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *names = NULL;

	if (redis_command(redis, &names, err, "SMEMBERS pixelfleet:queues") < 0)
		return -1;
	for (size_t k = 0; k < names->elements; k++) {
		bool look = even_short;

		if (!look && is_too_long(d, pg, redis, names->element[k]->str, &look, err) < 0)
			return -1;
		if (look && clean_queue(d, pg, redis, names->element[k]->str, err) < 0)
			return -1;
	}
	return 0;
}
