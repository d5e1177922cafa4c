/* What follows from a committed batch. Declared in batch_write.h. */
#include "batch_write.h"

#include "clock.h"
#include "deadletter.h"
#include "fault.h"
#include "handover.h"
#include "job_wait.h"
#include "log.h"
#include "metrics.h"
#include "purge.h"
#include "queues.h"

#include <stdlib.h>

/* What goes to queues first, then what is handed over. Returns how many go to queues. */
static size_t sort_out(const struct push *list, size_t n, struct outgoing *out)
{
	size_t queued = 0, at = 0;

	for (int handed = 0; handed < 2; handed++) {
		for (size_t k = 0; k < n; k++) {
			const struct inst *i = list[k].inst;

			if ((i->hand != NULL) == handed)
				out[at++] = (struct outgoing){ .job = list[k].job, .ordinal = i->ordinal, .attempt = i->attempt, .pass = i->pass,
					.probe = i->probe, .room = i->hand };
		}
		if (!handed)
			queued = at;
	}
	return queued;
}

/* Whether something goes to Redis beside tasks and what is published. */
static bool has_letters(const struct work *w)
{
	for (size_t k = 0; k < w->njobs; k++)
		for (size_t s = 0; s < w->jobs[k]->nslots; s++) {
			const struct inst *i = w->jobs[k]->slots[s];

			if (i && (i->dead || i->relist || i->revived))
				return true;
		}
	return false;
}

/* Pushes whose answers are not read yet are in *ret; nothing but tell() follows them then. */
static int push_tasks(struct dispatcher *d, struct pg *pg, struct redis *redis, struct work *w, struct pushes *ret, struct err *err)
{
	size_t n;
	scoped(free_p) struct push *list = work_pushes(w, &n);
	struct outgoing *out = xcalloc(n, sizeof *out);
	size_t queued = sort_out(list, n, out);
	int rc = 0;

	if (n && envelopes_build(d, pg, out, n, err) < 0)
		rc = -1;
	if (rc == 0 && n && fault("ledger.push"))
		rc = err_set(err, ERR_RETRY, "fault: Redis is gone");
	if (rc == 0 && queued)
		rc = queues_append(redis, out, queued, ret, err);
	if (rc == 0 && queued && (n > queued || has_letters(w)))
		rc = queues_finish(redis, ret, err);
	if (rc == 0 && n > queued)
		rc = handover_push(redis, out + queued, n - queued, err);
	outgoing_free(out, n);
	return rc;
}

static int push_letters(struct dispatcher *d, struct pg *pg, struct redis *redis, struct work *w, bool again, struct err *err)
{
	scoped(letters_free) struct letters l = { 0 };
	struct want *which = NULL;
	size_t n = 0, cap = 0;
	int rc;

	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];

		for (size_t s = 0; s < j->nslots; s++) {
			struct inst *i = j->slots[s];

			if (!i || j->has_origin || !(again ? i->relist && !i->dead : i->dead))
				continue;
			which = grow(which, n + 1, &cap, sizeof *which);
			which[n++] = (struct want){ j, i->ordinal };
		}
	}
	rc = letters_build(d, pg, w, which, n, &l, err);
	free(which);
	return rc < 0 ? -1 : letters_push(d, pg, redis, &l, again, err);
}

/* A late success takes its letter out of the list; after a requeue it is not there any more. */
static int take_revived(struct redis *redis, struct work *w, struct err *err)
{
	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];

		for (size_t s = 0; s < j->nslots; s++) {
			struct inst *i = j->slots[s];
			struct letter one = { 0 };
			const struct letters l = { &one, 1 };
			int item, node, rc;

			if (!i || j->has_origin || !i->revived)
				continue;
			node = definition_node(j->def, j->items, i->ordinal, &item);
			one.queue = j->def->nodes[node].queue;
			one.begins = xasprintf("{\"job\":\"%s\",\"step\":\"%s\",\"item\":%d,", j->id, j->def->nodes[node].id, item);
			rc = letters_take(redis, &l, err);
			free(one.begins);
			if (rc < 0)
				return -1;
		}
	}
	return 0;
}

/* `pushes` are under way. `before`: what is pushed in this batch (the end-of-job callback) is younger, and stays. */
static int tell(struct dispatcher *d, struct redis *redis, struct work *w, struct pushes *pushes, const char *before, struct err *err)
{
	unsigned commands = 0;

	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];

		if (j->purge) {
			const char *limit = j->stop_reason == SKIP_CANCELLED ? PURGE_ALL : before;

			purge_add(d->purge, j->id, limit);
			if (purge_tell(redis, j->id, limit, err) < 0)
				return -1;
			commands++;
		}
		if (j->def && j->dirty && d->events_wanted) {
			scoped(free_p) char *event = xasprintf("{\"id\":\"%s\",\"state\":\"%s\",\"total\":%d,\"succeeded\":%d,\"failed\":%d,\"skipped\":%d,"
				"\"cancelled\":%d}", j->id, job_state_name(j->state), j->total, j->succeeded, j->failed, j->skipped, j->cancelled);

			if (redis_append(redis, err, "PUBLISH pixelfleet:events:%s %s", j->id, event) < 0)
				return -1;
			commands++;
		}
	}
	if (queues_finish(redis, pushes, err) < 0)
		return redis_close(redis), -1;
	for (; commands; commands--)
		if (redis_reply(redis, NULL, err) < 0)
			return redis_close(redis), -1;  /* the rest of the answers is not awaited */
	return 0;
}

void publish_all(struct dispatcher *d, struct pg *pg, struct redis *redis, struct work *w, struct op **ops, size_t n)
{
	struct pushes pushes = { 0 };
	char before[CLOCK_TEXT];
	struct err err, why;

	clock_format(clock_wall_us(), before);
	for (size_t k = 0; k < w->njobs; k++)
		if (w->jobs[k]->ended)
			job_waits_told(w->jobs[k]->id);
	if (push_tasks(d, pg, redis, w, &pushes, &err) == 0 && push_letters(d, pg, redis, w, false, &err) == 0 &&
	    push_letters(d, pg, redis, w, true, &err) == 0 && take_revived(redis, w, &err) == 0 && tell(d, redis, w, &pushes, before, &err) == 0)
		return;
	if (redis->owed)
		redis_close(redis);     /* answers that nobody awaits any more */
	log_warn("ledger.push_owed", "error=%s", log_quote(err.msg));
	d->pushes_owed = true;
	err_set(&why, ERR_RETRY, "what follows could not be pushed to Redis: %.500s", err.msg);
	for (size_t k = 0; k < n; k++)
		if (ops[k]->kind == OP_REPORT)
			op_fail(ops[k], &why);
}

static void count_job(struct wjob *j)
{
	if (j->ended)
		metric_add(METRIC_JOBS_ENDED, 1);
	for (size_t s = 0; s < j->nslots; s++) {
		struct inst *i = j->slots[s];
		int item;

		if (!i || !i->dirty || (i->state != STEP_SUCCEEDED && i->state != STEP_FAILED))
			continue;
		metric_step(j->def->nodes[definition_node(j->def, j->items, i->ordinal, &item)].tool->name, step_state_name(i->state), i->ms);
		metric_add(METRIC_DEAD_LETTERS, i->dead);
		metric_add(METRIC_REVIVED, i->revived);
	}
}

void count_metrics(const struct work *w, struct op **ops, size_t n)
{
	metric_add(METRIC_LEDGER_BATCHES, 1);
	for (size_t k = 0; k < n; k++) {
		metric_add(METRIC_JOBS_ACCEPTED, ops[k]->kind == OP_ACCEPT && ops[k]->status == OP_ACCEPTED);
		metric_add(METRIC_JOBS_REFUSED, ops[k]->kind == OP_REFUSE);
		metric_add(METRIC_REPORTS, ops[k]->kind == OP_REPORT);
		metric_add(METRIC_REPORTS_DUPLICATE, ops[k]->kind == OP_REPORT && ops[k]->status == OP_DUPLICATE);
		metric_add(METRIC_REPORTS_STALE, ops[k]->kind == OP_REPORT && ops[k]->status == OP_STALE);
	}
	for (size_t k = 0; k < w->njobs; k++)
		if (w->jobs[k]->def)
			count_job(w->jobs[k]);
}
