#include "load.h"

#include "defstore.h"
#include "job_facts.h"
#include "pg_column.h"
#include "ranges.h"

#include <stdlib.h>
#include <string.h>

#define JOB_COLUMNS "id, definition, state, high, stopped_by, stop_reason, items, total, made, succeeded, failed, skipped, cancelled, " \
	"origin IS NOT NULL, params IS NOT NULL"

static int read_job(struct pg *pg, struct wjob *j, const PGresult *r, int row, struct err *err)
{
	if (j->def && j->definition != pg_int(r, row, 1))
		definition_unref(steal(&j->def));
	j->definition = pg_int(r, row, 1);
	j->was = (struct job_row){ .state = job_state_parse(pg_text(r, row, 2)), .stop_reason = skip_reason_parse(pg_text(r, row, 5)),
		.stopped_by = pg_text(r, row, 4) ? (int)pg_int(r, row, 4) : -1, .made = (int)pg_int(r, row, 8), .succeeded = (int)pg_int(r, row, 9),
		.failed = (int)pg_int(r, row, 10), .skipped = (int)pg_int(r, row, 11), .cancelled = (int)pg_int(r, row, 12) };
	j->state = j->was.state;
	j->stop_reason = j->was.stop_reason;
	j->stopped_by = j->was.stopped_by;
	j->made = j->was.made;
	j->succeeded = j->was.succeeded;
	j->failed = j->was.failed;
	j->skipped = j->was.skipped;
	j->cancelled = j->was.cancelled;
	j->high = pg_bool(r, row, 3);
	j->items = (int)pg_int(r, row, 6);
	j->total = (int)pg_int(r, row, 7);
	j->has_origin = pg_bool(r, row, 13);
	j->has_params = pg_bool(r, row, 14);
	j->is_loaded = true;
	if (!j->def)
		job_facts_put(j->raw, &(struct job_facts){ j->definition, j->items, j->total });
	return j->def ? 0 : definition_load(pg, j->definition, &j->def, err);
}

int load_known(struct pg *pg, struct work *w, struct err *err)
{
	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];
		struct job_facts f;

		if (j->def || !job_facts_get(j->raw, &f))
			continue;
		if (definition_load(pg, f.definition, &j->def, err) < 0) {
			if (err->kind == ERR_RETRY)
				return -1;
			continue;       /* another database than before: its row will tell */
		}
		j->definition = f.definition;
		j->items = f.items;
		j->total = j->made = f.total;
	}
	return 0;
}

/* Jobs whose row is to be loaded. */
static void list_unloaded(const struct work *w, struct pg_column *ids)
{
	for (size_t k = 0; k < w->njobs; k++)
		if (!w->jobs[k]->is_loaded && !w->jobs[k]->is_new)
			pg_column_uuid(ids, w->jobs[k]->raw);
}

/* Of a job without a row nothing is known, whatever was. */
static void forget_missing(struct work *w)
{
	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];

		if (j->is_loaded || j->is_new)
			continue;
		definition_unref(steal(&j->def));
		j->made = j->total = 0;
	}
}

int load_jobs_take(struct pg *pg, struct work *w, const PGresult *r, struct err *err)
{
	for (int row = 0; row < PQntuples(r); row++) {
		uint8_t raw[16];
		struct wjob *j;

		pg_uuid(r, row, 0, raw);
		j = work_job_raw(w, raw);
		must(j != NULL);
		if (read_job(pg, j, r, row, err) < 0)
			return -1;
	}
	forget_missing(w);
	return 0;
}

static int send_jobs_query(struct pg *pg, struct work *w, const char *sql, const char *one, struct err *err)
{
	scoped(pg_column_free) struct pg_column ids = { .type = PG_UUID };

	list_unloaded(w, &ids);
	return (ids.rows == 1 ? pg_send_row : pg_send_columns)(pg, err, ids.rows == 1 ? one : sql, 1, (struct pg_column *[]){ &ids }, true);
}

int load_jobs_send(struct pg *pg, struct work *w, struct err *err)
{
	return send_jobs_query(pg, w, "SELECT " JOB_COLUMNS " FROM job WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE",
		"SELECT " JOB_COLUMNS " FROM job WHERE id = $1::uuid FOR NO KEY UPDATE", err);
}

int load_jobs(struct pg *pg, struct work *w, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	bool any = false;

	for (size_t k = 0; k < w->njobs && !any; k++)
		any = !w->jobs[k]->is_loaded && !w->jobs[k]->is_new;
	if (!any)
		return 0;
	if (pg_settle(pg, err) < 0 || send_jobs_query(pg, w, "SELECT " JOB_COLUMNS " FROM job WHERE id = ANY($1::uuid[])",
			"SELECT " JOB_COLUMNS " FROM job WHERE id = $1::uuid", err) < 0 || pg_wait(pg, &r, err) < 0)
		return -1;
	return load_jobs_take(pg, w, r, err);
}

static void read_inst(struct work *w, const PGresult *r, int row)
{
	uint8_t raw[16];
	struct wjob *j;
	int ordinal = (int)pg_int(r, row, 1);
	struct inst *i;

	pg_uuid(r, row, 0, raw);
	j = work_job_raw(w, raw);
	i = work_inst(j, ordinal);
	if (i)          /* what is in memory is newer */
		return;
	i = work_add_inst(w, j, ordinal);
	i->was = (struct step_row){ .state = step_state_parse(pg_text(r, row, 2)), .reason = skip_reason_parse(pg_text(r, row, 3)),
		.attempt = (int)pg_int(r, row, 4), .deaths = (int)pg_int(r, row, 5), .waiting_on = (int)pg_int(r, row, 6),
		.missing = (int)pg_int(r, row, 7), .skipped_by = (int)pg_int(r, row, 8) };
	i->state = i->was.state;
	i->reason = i->was.reason;
	i->attempt = i->was.attempt;
	i->deaths = i->was.deaths;
	i->waiting_on = i->was.waiting_on;
	i->missing = i->was.missing;
	i->skipped_by = i->was.skipped_by;
	i->pass = (int)pg_int(r, row, 9);
}

#define STEP_COLUMNS "s.job, s.ordinal, s.state, s.reason, s.attempt, s.deaths, s.waiting_on, s.missing, s.skipped_by, s.pass"

static void read_insts(struct work *w, const PGresult *r)
{
	for (int row = 0; row < PQntuples(r); row++)
		read_inst(w, r, row);
}

static int load_ranges(struct pg *pg, struct work *w, struct ranges *of, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	ranges_end(of);
	if (pg_query(pg, &r, err, "SELECT " STEP_COLUMNS " FROM unnest($1::uuid[], $2::int[], $3::int[]) u(job, lo, hi) "
			"JOIN step s ON s.job = u.job AND s.ordinal >= u.lo AND s.ordinal < u.hi", PG_VALUES(of->jobs.text, of->lo.text, of->hi.text)) < 0)
		return -1;
	read_insts(w, r);
	ranges_done(of);
	return 0;
}

/* Whole jobs, piece by piece: no statement shall take long, and libpq keeps a result as text until it has been read. */
static int load_whole(struct pg *pg, struct work *w, struct err *err)
{
	scoped(ranges_done) struct ranges of = { .rows = 0 };

	for (size_t k = 0; k < w->nwants; k++) {
		struct wjob *j = w->wants[k].job;

		if (w->wants[k].ordinal >= 0 || j->loaded_all)
			continue;
		for (int from = 0, upto; from < j->made; from = upto) {
			upto = min_of(j->made, from + RANGES_ROWS - of.rows);
			ranges_add(&of, j->id, from, upto);
			if (of.rows >= RANGES_ROWS && load_ranges(pg, w, &of, err) < 0)
				return -1;
		}
		j->loaded_all = true;
	}
	return of.rows ? load_ranges(pg, w, &of, err) : 0;
}

static int by_place(const void *pa, const void *pb)
{
	const struct want *a = pa, *b = pb;
	int order = memcmp(a->job->raw, b->job->raw, sizeof a->job->raw);

	return order ? order : (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

int load_wants_send(struct pg *pg, struct work *w, bool *ret_sent, struct err *err)
{
	scoped(pg_column_free) struct pg_column jobs = { .type = PG_UUID }, ordinals = { .type = PG_INT4 };
	const struct want *last = NULL;

	if (w->nwants)
		qsort(w->wants, w->nwants, sizeof *w->wants, by_place);
	for (size_t k = 0; k < w->nwants; k++) {
		const struct want *want = &w->wants[k];

		if (want->ordinal < 0 || want->job->loaded_all || (last && by_place(last, want) == 0))
			continue;
		pg_column_uuid(&jobs, want->job->raw);
		pg_column_int(&ordinals, want->ordinal);
		last = want;
	}
	w->nwants = 0;
	*ret_sent = last != NULL;
	if (!last)
		return 0;
	if (jobs.rows == 1)
		return pg_send_row(pg, err, "SELECT " STEP_COLUMNS " FROM step s WHERE s.job = $1::uuid AND s.ordinal = $2::int", 2,
			(struct pg_column *[]){ &jobs, &ordinals }, true);
	return pg_send_columns(pg, err, "SELECT " STEP_COLUMNS " FROM unnest($1::uuid[], $2::int[]) u(job, ordinal) "
		"JOIN step s ON s.job = u.job AND s.ordinal = u.ordinal", 2, (struct pg_column *[]){ &jobs, &ordinals }, true);
}

void load_wants_take(struct work *w, const PGresult *r)
{
	read_insts(w, r);
}

int load_wants(struct pg *pg, struct work *w, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	bool was_sent;

	if (!w->nwants)
		return 0;
	if (load_whole(pg, w, err) < 0 || pg_settle(pg, err) < 0 || load_wants_send(pg, w, &was_sent, err) < 0)
		return -1;
	if (!was_sent)
		return 0;
	if (pg_wait(pg, &r, err) < 0)
		return -1;
	load_wants_take(w, r);
	return 0;
}

static json_t *read_json(const PGresult *r, int row, int col)
{
	return pg_text(r, row, col) ? json_loads(pg_text(r, row, col), 0, NULL) : NULL;
}

int load_inputs(struct pg *pg, struct wjob **jobs, size_t n, struct err *err)
{
	scoped(pg_column_free) struct pg_column ids = { .type = PG_UUID }, places = { .type = PG_INT4 };
	scoped(PQclear_p) PGresult *r = NULL;

	for (size_t k = 0; k < n; k++)
		if (!jobs[k]->inputs_known) {
			pg_column_uuid(&ids, jobs[k]->raw);
			pg_column_int(&places, (int64_t)k);
		}
	if (!ids.rows)
		return 0;
	if (pg_settle(pg, err) < 0 || pg_send_columns(pg, err, "SELECT u.place, j.images::text, j.params::text FROM unnest($1::uuid[], $2::int[]) u(id, place) "
			"JOIN job j ON j.id = u.id", 2, (struct pg_column *[]){ &ids, &places }, true) < 0 || pg_wait(pg, &r, err) < 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++) {
		struct wjob *j = jobs[pg_int(r, row, 0)];

		if (j->inputs_known)    /* it was listed twice */
			continue;
		j->images = read_json(r, row, 1);
		j->params = read_json(r, row, 2);
		j->inputs_known = true;
	}
	return 0;
}
