#include "leaf.h"

#include "pg_column.h"

#include <string.h>

#define ARTIFACTS_MAX 1000      /* of a batch: it has to be one pipeline, which a long table is not */
#define WRONG "22012"           /* division by zero: how a statement says that it does not want to have been done */

/* ---- what is expected ---- */

static bool is_leaf(struct work *w, const struct op *op)
{
	const struct report *r = &op->report;
	const struct wjob *j;
	int item;

	if (op->kind != OP_REPORT || r->failed || r->is_requeue)
		return false;
	j = work_job(w, op->job);
	return j && j->def && op->ordinal >= 0 && op->ordinal < j->total && !work_node(j, op->ordinal, &item)->ndependents;
}

static void expect(struct work *w, struct wjob *j, const struct op *op)
{
	struct inst *i;

	j->state = JOB_RUNNING;
	j->stopped_by = -1;
	j->is_loaded = true;
	if (work_inst(j, op->ordinal))          /* the same report twice */
		return;
	i = work_add_inst(w, j, op->ordinal);
	i->was = (struct step_row){ .state = STEP_QUEUED, .attempt = op->report.attempt, .skipped_by = -1 };
	i->state = STEP_QUEUED;
	i->attempt = op->report.attempt;
	i->skipped_by = -1;
}

bool leaf_expect(struct work *w, struct op **ops, size_t n)
{
	size_t artifacts = 0;

	for (size_t k = 0; k < n; k++) {
		if (!is_leaf(w, ops[k]))
			return false;
		artifacts += json_array_size(ops[k]->report.artifact_list);
	}
	if (artifacts > ARTIFACTS_MAX)
		return false;
	for (size_t k = 0; k < n; k++)
		expect(w, work_job(w, ops[k]->job), ops[k]);
	return true;
}

/* ---- what is written ---- */

/* A job that has so many more: it ends when these are all, and must not end otherwise. */
#define JOB_COUNTS(more) "UPDATE job j SET succeeded = j.succeeded + " more ", " \
	"state = CASE WHEN j.succeeded + " more " = j.total THEN 'succeeded' ELSE j.state END, " \
	"ended_at = CASE WHEN j.succeeded + " more " = j.total THEN clock_timestamp() END"
/* `running` is the least state. Not "=": with that PostgreSQL walks the index of the open jobs, all of them, beside the list. */
#define JOB_IS_WELL(more) "j.state <= 'running' AND j.stop_reason IS NULL AND (j.succeeded + " more " = j.total OR " \
	"j.succeeded + j.failed + j.skipped + j.cancelled + " more " < j.total) " \
	"RETURNING j.id, j.state, j.succeeded, j.failed, j.skipped, j.cancelled"
#define STEP_ENDS "UPDATE step s SET state = 'succeeded', changed_at = clock_timestamp(), "
#define IS_QUEUED "s.state = 'queued' RETURNING 1"
/* A row is always there, and with it the sums are: first that of the jobs, and with it the locks. */
#define ALL_OF(jobs, steps) "SELECT 1 / ((SELECT count(*) FROM counted) = " jobs " AND (SELECT count(*) FROM ended) = " steps ")::int, " \
	"c.* FROM (VALUES (1)) one LEFT JOIN counted c ON true"

/* For who reads PostgreSQL's log. */
#define REMARK "/* 'division by zero' here: not all was as expected, and is written another way */ "

static const char many[] = REMARK "WITH counted AS (" JOB_COUNTS("u.n") " FROM unnest($1::uuid[], $2::int[]) u(id, n) WHERE j.id = u.id AND "
	JOB_IS_WELL("u.n") "), ended AS (" STEP_ENDS "ms = u.ms, artifacts = u.artifacts, data = u.data "
	"FROM unnest($3::uuid[], $4::int[], $5::real[], $6::jsonb[], $7::jsonb[]) u(job, ordinal, ms, artifacts, data) "
	"WHERE s.job = u.job AND s.ordinal = u.ordinal AND " IS_QUEUED ") " ALL_OF("cardinality($1::uuid[])", "cardinality($3::uuid[])");
static const char one[] = REMARK "WITH counted AS (" JOB_COUNTS("1") " WHERE j.id = $1::uuid AND " JOB_IS_WELL("1") "), ended AS (" STEP_ENDS
	"ms = $3::real, artifacts = $4::jsonb, data = $5::jsonb WHERE s.job = $1::uuid AND s.ordinal = $2::int AND " IS_QUEUED ") "
	ALL_OF("1", "1");

enum { JOB_ID, JOB_MORE, STEP_JOB, STEP_ORDINAL, STEP_MS, STEP_ARTIFACTS, STEP_DATA, COLUMNS };

static int add_steps(struct pg_column *c, const struct wjob *j)
{
	int n = 0;

	for (size_t s = 0; s < j->nslots; s++) {
		const struct inst *i = j->slots[s];

		if (!i)
			continue;
		must(i->dirty && i->state == STEP_SUCCEEDED);
		pg_column_uuid(&c[STEP_JOB], j->raw);
		pg_column_int(&c[STEP_ORDINAL], i->ordinal);
		pg_column_real(&c[STEP_MS], i->ms);
		pg_column_text(&c[STEP_ARTIFACTS], i->artifacts);
		pg_column_text(&c[STEP_DATA], i->data);
		n++;
	}
	return n;
}

int leaf_send(struct pg *pg, const struct work *w, struct err *err)
{
	struct pg_column c[COLUMNS] = { { .type = PG_UUID }, { .type = PG_INT4 }, { .type = PG_UUID }, { .type = PG_INT4 },
		{ .type = PG_FLOAT4 }, { .type = PG_JSONB }, { .type = PG_JSONB } };
	struct pg_column *columns[COLUMNS];
	int rc;

	for (size_t k = 0; k < w->njobs; k++) {
		pg_column_uuid(&c[JOB_ID], w->jobs[k]->raw);
		pg_column_int(&c[JOB_MORE], add_steps(c, w->jobs[k]));
	}
	for (int k = 0; k < COLUMNS; k++)
		columns[k] = &c[k];
	if (c[STEP_JOB].rows == 1)
		rc = pg_send_row(pg, err, one, COLUMNS - STEP_JOB, columns + STEP_JOB, true);
	else
		rc = pg_send_columns(pg, err, many, COLUMNS, columns, true);
	for (int k = 0; k < COLUMNS; k++)
		pg_column_free(&c[k]);
	return rc;
}

bool leaf_was_wrong(const struct pg *pg)
{
	return strcmp(pg->sqlstate, WRONG) == 0;
}

void leaf_take(struct work *w, const PGresult *r)
{
	for (int row = 0; row < PQntuples(r); row++) {
		uint8_t raw[16];
		struct wjob *j;

		pg_uuid(r, row, 1, raw);
		j = work_job_raw(w, raw);
		must(j != NULL);
		j->state = job_state_parse(pg_text(r, row, 2));
		j->succeeded = (int)pg_int(r, row, 3);
		j->failed = (int)pg_int(r, row, 4);
		j->skipped = (int)pg_int(r, row, 5);
		j->cancelled = (int)pg_int(r, row, 6);
		j->ended = j->state != JOB_RUNNING;
	}
}
