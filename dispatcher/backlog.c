#include "backlog.h"

#include <stdio.h>
#include <string.h>

#define LOCK_KEY "72627266"

/* ---- into the table ---- */

void backlog_done(struct backlog *b)
{
	table_done(&b->table);
}

static void add_row(struct table *t, const struct backlog *b, const struct backlog_open *o)
{
	if (!t->n)
		table_begin(t, "tuiss");
	pg_column_text(&t->columns[0], o->queue);
	pg_column_uuid(&t->columns[1], b->job);
	pg_column_int(&t->columns[2], o->series.ordinal);
	pg_column_int(&t->columns[3], o->series.stride);
	pg_column_int(&t->columns[4], o->series.steps);
	t->rows++;
}

static void add_open(struct backlog *b)
{
	for (int k = 0; k < b->nopen; k++)
		add_row(&b->table, b, &b->open[k]);
	b->nopen = 0;
}

static struct backlog_open *find_open(struct backlog *b, const char *queue)
{
	for (int k = 0; k < b->nopen; k++)
		if (strcmp(b->open[k].queue, queue) == 0)
			return &b->open[k];
	return NULL;
}

static const char insert[] = "INSERT INTO backlog (queue, job, ordinal, stride, steps) " \
	"SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::smallint[], $5::smallint[])";

int backlog_add(struct backlog *b, struct pg *pg, const char *queue, const uint8_t job[16], int ordinal, struct err *err)
{
	struct backlog_open *o;

	if (b->nopen && memcmp(b->job, job, sizeof b->job) != 0)
		add_open(b);
	memcpy(b->job, job, sizeof b->job);
	o = find_open(b, queue);
	if (o && series_extend(&o->series, ordinal))
		return 0;
	if (o)
		add_row(&b->table, b, o);
	else if (b->nopen == BACKLOG_OPEN)
		add_open(b);
	if (!o)
		o = &b->open[b->nopen++];
	*o = (struct backlog_open){ queue, series_of(ordinal) };
	return table_step(&b->table, pg, insert, err);
}

int backlog_send(struct backlog *b, struct pg *pg, struct err *err)
{
	add_open(b);
	return table_send(&b->table, pg, insert, err);
}

/* ---- and out of it ---- */

/* The rows at the head, and how many steps there are with each: as many as fit go, and of the next one what still fits. */
#define TAKE "WITH head AS MATERIALIZED (SELECT seq, steps, sum(steps) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS upto " \
	"FROM (SELECT seq, steps FROM backlog WHERE queue = $1 AND seq >= $2::bigint ORDER BY seq LIMIT $3::int) h), " \
	"whole AS (DELETE FROM backlog WHERE queue = $1 AND seq >= $2::bigint AND seq <= (SELECT max(seq) FROM head WHERE upto <= $4::int) " \
	"RETURNING seq, job, ordinal, stride, steps::int), " \
	"part AS (UPDATE backlog b SET ordinal = b.ordinal + h.n * b.stride, steps = b.steps - h.n " \
	"FROM (SELECT seq, ($4::int - upto + steps)::int AS n FROM head WHERE upto > $4::int AND upto - steps < $4::int) h " \
	"WHERE b.queue = $1 AND b.seq = h.seq RETURNING b.seq, b.job, b.ordinal - h.n * b.stride, b.stride, h.n), " \
	"taken (seq, job, ordinal, stride, steps) AS MATERIALIZED (SELECT * FROM whole UNION ALL SELECT * FROM part) "

/* Of the steps that stand side by side one look at a stretch of the table, of others one each. OFFSET 0: by the index, row for
 * row, whatever the planner thinks of the numbers above. */
#define LOOK "SELECT t.seq, t.job, s.ordinal, s.attempt, s.pass, s.state = 'queued' FROM taken t CROSS JOIN LATERAL " \
	"(SELECT * FROM step WHERE job = t.job AND ordinal >= t.ordinal AND ordinal < t.ordinal + t.steps OFFSET 0) s WHERE t.stride = 1 " \
	"UNION ALL SELECT t.seq, t.job, s.ordinal, s.attempt, s.pass, s.state = 'queued' FROM taken t CROSS JOIN LATERAL " \
	"(SELECT generate_series(t.ordinal, t.ordinal + (t.steps - 1) * t.stride, t.stride) AS ordinal OFFSET 0) o CROSS JOIN LATERAL " \
	"(SELECT * FROM step WHERE job = t.job AND ordinal = o.ordinal OFFSET 0) s WHERE t.stride > 1 ORDER BY 1, 3"

static int begin(struct pg *pg, const char *queue, bool *ret_mine, struct err *err)
{
	PGresult *r[3];

	if (pg_settle(pg, err) < 0 || pg_send(pg, err, "BEGIN", PG_NONE) < 0 ||
	    pg_send(pg, err, "SET LOCAL synchronous_commit = off", PG_NONE) < 0 ||
	    pg_send(pg, err, "SELECT pg_try_advisory_xact_lock(" LOCK_KEY ", hashtext($1))", PG_VALUES(queue)) < 0 || pg_wait(pg, r, err) < 0)
		return -1;
	*ret_mine = pg_bool(r[2], 0, 0);
	for (size_t k = 0; k < countof(r); k++)
		PQclear(r[k]);
	return 0;
}

/* The lock is a statement of its own: what follows sees all that who had it before has done. */
int backlog_take(struct pg *pg, const char *queue, int64_t from, int rows, int most, PGresult **ret, struct err *err)
{
	char first[24], rows_most[16], steps_most[16];
	bool is_mine;

	snprintf(first, sizeof first, "%lld", (long long)from);
	snprintf(rows_most, sizeof rows_most, "%d", rows);
	snprintf(steps_most, sizeof steps_most, "%d", most);
	if (begin(pg, queue, &is_mine, err) < 0)
		return -1;
	if (!is_mine)
		return 0;
	if (pg_send_params(pg, err, TAKE LOOK, &(struct pg_params){ .n = 4, .is_binary = true,
			.values = (const char *const[]){ queue, first, rows_most, steps_most } }) < 0)
		return -1;
	return pg_wait(pg, ret, err);
}
