/*
 * job_view.h - one job as people see it: its steps, their instances, and what each one waits for.
 */
#ifndef JOB_VIEW_H
#define JOB_VIEW_H

#include "request.h"
#include "rows.h"

/* Of `job j JOIN definition d`; the first is the id. */
#define JOB_VIEW_COLUMNS \
	"j.id, j.client_id, j.state, d.name AS pipeline, " ROWS_TIME("j.created_at") " AS created_at, " \
	ROWS_TIME("j.ended_at") " AS ended_at, " ROWS_TIME("j.deadline_at") " AS deadline_at, j.total, j.succeeded, j.failed, j.skipped, " \
	"j.cancelled, j.total - j.succeeded - j.failed - j.skipped - j.cancelled AS open, " \
	"CASE WHEN j.high THEN 'high' ELSE 'normal' END AS priority, coalesce(j.labels, '{}') AS labels"

/* Answers with the job, and `limit` of its instances from the one after ordinal `after` on. */
void job_view(struct request *req, const char *id, int limit, int after);

#endif
