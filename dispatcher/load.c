#include "load.h"

#include "defstore.h"

#include <stdlib.h>
#include <string.h>

#define WHOLE_ROWS 200000       /* of one query, or one job's */

#define JOB_COLUMNS "id::text, definition, state, high, stopped_by, stop_reason, items, total, made, succeeded, failed, skipped, cancelled, " \
	"origin IS NOT NULL"

static int read_job(struct pg *pg, struct wjob *j, const PGresult *r, int row, struct err *err)
{
	j->definition = pg_int(r, row, 1);
	j->state = job_state_parse(pg_text(r, row, 2));
	j->high = *pg_text(r, row, 3) == 't';
	j->stopped_by = pg_text(r, row, 4) ? (int)pg_int(r, row, 4) : -1;
	j->stop_reason = skip_reason_parse(pg_text(r, row, 5));
	j->items = (int)pg_int(r, row, 6);
	j->total = (int)pg_int(r, row, 7);
	j->made = (int)pg_int(r, row, 8);
	j->succeeded = (int)pg_int(r, row, 9);
	j->failed = (int)pg_int(r, row, 10);
	j->skipped = (int)pg_int(r, row, 11);
	j->cancelled = (int)pg_int(r, row, 12);
	j->has_origin = *pg_text(r, row, 13) == 't';
	return definition_load(pg, j->definition, &j->def, err);
}

static bool list_unloaded(const struct work *w, struct buf *ids)
{
	bool any = false;

	pg_array_begin(ids);
	for (size_t k = 0; k < w->njobs; k++)
		if (!w->jobs[k]->def && !w->jobs[k]->is_new)
			pg_array_word(ids, w->jobs[k]->id), any = true;
	pg_array_end(ids);
	return any;
}

int load_jobs_take(struct pg *pg, struct work *w, const PGresult *r, struct err *err)
{
	for (int row = 0; row < PQntuples(r); row++) {
		struct wjob *j = work_job(w, pg_text(r, row, 0));

		must(j != NULL);
		if (read_job(pg, j, r, row, err) < 0)
			return -1;
	}
	return 0;
}

int load_jobs_send(struct pg *pg, struct work *w, struct err *err)
{
	scoped(buf_free) struct buf ids = { 0 };

	list_unloaded(w, &ids);
	return pg_send(pg, err, "SELECT " JOB_COLUMNS " FROM job WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", PG_VALUES(ids.text));
}

int load_jobs(struct pg *pg, struct work *w, bool lock, struct err *err)
{
	static const char locked[] = "SELECT " JOB_COLUMNS " FROM job WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE ";
	static const char plain[] = "SELECT " JOB_COLUMNS " FROM job WHERE id = ANY($1::uuid[])";
	scoped(buf_free) struct buf ids = { 0 };
	scoped(PQclear_p) PGresult *r = NULL;

	if (!list_unloaded(w, &ids))
		return 0;
	if (pg_query(pg, &r, err, lock ? locked : plain, PG_VALUES(ids.text)) < 0)
		return -1;
	return load_jobs_take(pg, w, r, err);
}

static void read_inst(struct work *w, const PGresult *r, int row)
{
	struct wjob *j = work_job(w, pg_text(r, row, 0));
	int ordinal = (int)pg_int(r, row, 1);
	struct inst *i = work_inst(j, ordinal);

	if (i)          /* what is in memory is newer */
		return;
	i = work_add_inst(j, ordinal);
	i->state = step_state_parse(pg_text(r, row, 2));
	i->reason = skip_reason_parse(pg_text(r, row, 3));
	i->attempt = (int)pg_int(r, row, 4);
	i->deaths = (int)pg_int(r, row, 5);
	i->waiting_on = (int)pg_int(r, row, 6);
	i->missing = (int)pg_int(r, row, 7);
	i->skipped_by = (int)pg_int(r, row, 8);
	i->pass = (int)pg_int(r, row, 9);
}

#define STEP_COLUMNS "s.job::text, s.ordinal, s.state, s.reason, s.attempt, s.deaths, s.waiting_on, s.missing, s.skipped_by, s.pass"

static void read_insts(struct work *w, const PGresult *r)
{
	for (int row = 0; row < PQntuples(r); row++)
		read_inst(w, r, row);
}

/* Whole jobs, a few large ones at a time: no statement shall take long. */
static int load_whole(struct pg *pg, struct work *w, struct err *err)
{
	for (size_t k = 0; k < w->nwants;) {
		scoped(buf_free) struct buf ids = { 0 };
		scoped(PQclear_p) PGresult *r = NULL;
		int rows = 0;

		pg_array_begin(&ids);
		for (; k < w->nwants && rows < WHOLE_ROWS; k++) {
			struct wjob *j = w->wants[k].job;

			if (w->wants[k].ordinal >= 0 || j->loaded_all)
				continue;
			pg_array_word(&ids, j->id);
			rows += j->made + 1;
			j->loaded_all = true;
		}
		pg_array_end(&ids);
		if (rows && pg_query(pg, &r, err, "SELECT " STEP_COLUMNS " FROM step s WHERE s.job = ANY($1::uuid[])", PG_VALUES(ids.text)) < 0)
			return -1;
		if (rows)
			read_insts(w, r);
	}
	return 0;
}

int load_wants(struct pg *pg, struct work *w, struct err *err)
{
	scoped(buf_free) struct buf jobs = { 0 }, ordinals = { 0 };
	scoped(PQclear_p) PGresult *r = NULL;
	bool some = false;

	if (load_whole(pg, w, err) < 0)
		return -1;
	pg_array_begin(&jobs), pg_array_begin(&ordinals);
	for (size_t k = 0; k < w->nwants; k++) {
		struct want *want = &w->wants[k];

		if (want->ordinal >= 0 && !want->job->loaded_all) {
			pg_array_word(&jobs, want->job->id);
			pg_array_int(&ordinals, want->ordinal);
			some = true;
		}
	}
	pg_array_end(&jobs), pg_array_end(&ordinals);
	w->nwants = 0;
	if (!some)
		return 0;
	if (pg_query(pg, &r, err, "SELECT " STEP_COLUMNS " FROM unnest($1::uuid[], $2::int[]) u(job, ordinal) "
			"JOIN step s ON s.job = u.job AND s.ordinal = u.ordinal", PG_VALUES(jobs.text, ordinals.text)) < 0)
		return -1;
	read_insts(w, r);
	return 0;
}

int load_inputs(struct pg *pg, struct wjob **jobs, size_t n, struct err *err)
{
	scoped(buf_free) struct buf ids = { 0 };
	scoped(PQclear_p) PGresult *r = NULL;
	size_t asked = 0;

	pg_array_begin(&ids);
	for (size_t k = 0; k < n; k++)
		if (!jobs[k]->inputs_known)
			pg_array_word(&ids, jobs[k]->id), asked++;
	pg_array_end(&ids);
	if (!asked)
		return 0;
	if (pg_query(pg, &r, err, "SELECT id::text, images::text, params::text FROM job WHERE id = ANY($1::uuid[])", PG_VALUES(ids.text)) < 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++)
		for (size_t k = 0; k < n; k++) {
			struct wjob *j = jobs[k];

			if (j->inputs_known || strcmp(j->id, pg_text(r, row, 0)) != 0)
				continue;
			j->images = pg_text(r, row, 1) ? json_loads(pg_text(r, row, 1), 0, NULL) : NULL;
			j->params = pg_text(r, row, 2) ? json_loads(pg_text(r, row, 2), 0, NULL) : NULL;
			j->inputs_known = true;
		}
	return 0;
}
