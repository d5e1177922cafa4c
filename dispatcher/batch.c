/*
 * A batch goes through: definitions stored; BEGIN; clients' ids; new jobs; existing jobs locked in the order of
 * their ids; instances loaded; operations applied in memory (work.c); settled, loading what that asks for; large
 * jobs' next chunks made; rows written; COMMIT. Tasks, dead letters and events are pushed by the publisher (publisher.h).
 * Two kinds of batches, which are what a fleet does that is not busy, need one round trip and no BEGIN: a few new jobs,
 * and successes that nothing waits for (leaf.h).
 */
#include "batch.h"

#include "batch_write.h"
#include "breaker.h"
#include "client_ids.h"
#include "clock.h"
#include "deadletter.h"
#include "death.h"
#include "defstore.h"
#include "fault.h"
#include "job_facts.h"
#include "handover.h"
#include "leaf.h"
#include "load.h"
#include "metrics.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK 1000        /* instances made with the job itself */
#define NEXT_CHUNK  4000
#define DEATHS_MAX  3
#define PUT_OFF_S   1.0
#define BRIEF_OPS   64          /* so many, and so many instances, are written without a wait in between */
#define BRIEF_ROWS  1000

/* ---- accepting ---- */

static int store_definitions(struct pg *pg, struct op **ops, size_t n, struct err *err)
{
	for (size_t k = 0; k < n; k++)
		if (ops[k]->kind == OP_ACCEPT && definition_store(pg, ops[k]->submission->definition, err) < 0)
			return -1;
	return 0;
}

static void new_job(struct work *w, struct op *op)
{
	const struct submission *s = op->submission;
	struct wjob *j = work_add_job(w, op->job);

	j->is_new = j->dirty = j->inputs_known = true;
	j->def = definition_ref(s->definition);
	j->definition = s->definition->id;
	j->high = s->high;
	j->has_origin = op->origin != NULL;
	j->items = s->items;
	j->total = definition_total(j->def, j->items);
	j->images = json_incref(s->images);
	j->params = json_incref(s->params);
}

static void accept_all(struct work *w, struct op **ops, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		if (ops[k]->kind != OP_ACCEPT || ops[k]->status != OP_ACCEPTED)
			continue;
		memcpy(ops[k]->result_job, ops[k]->job, sizeof ops[k]->result_job);
		new_job(w, ops[k]);
	}
}

/* ---- applying ---- */

static bool is_about_existing(const struct op *op)
{
	return op->kind != OP_ACCEPT && op->kind != OP_REFUSE;
}

static void gather_wants(struct work *w, struct op **ops, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		struct op *op = ops[k];
		struct wjob *j = is_about_existing(op) ? work_job(w, op->job) : NULL;

		if (!j || !j->def)
			continue;
		if (op->kind == OP_CANCEL || op->kind == OP_DEADLINE || op->kind == OP_PUSH_OWED) {
			work_want(w, j, -1);
		} else if (op->kind != OP_MAKE && op->ordinal >= 0 && op->ordinal < j->made) {
			work_want(w, j, op->ordinal);
			if (op->kind == OP_REPORT && !op->report.failed)
				work_want_dependents(w, j, op->ordinal);
		}
	}
}

static void push_owed(struct wjob *j, int ordinal, void *arg)
{
	struct inst *i = work_inst(j, ordinal);

	(void)arg;
	if (i && i->state == STEP_QUEUED)
		i->push = true;
}

static void apply_success(struct work *w, struct wjob *j, struct inst *i, struct op *op)
{
	const struct report *r = &op->report;

	if (i->state == STEP_FAILED && j->stop_reason == SKIP_CANCELLED) {      /* a requeue, overtaken by the cancel */
		op->status = OP_STALE;
		return;
	}
	i->room = op->room;
	switch (i->state) {
	case STEP_QUEUED:
	case STEP_RETRYING:
	case STEP_FAILED:
		i->ms = r->ms;
		i->artifacts = r->artifacts;
		i->data = r->data;
		i->artifact_list = r->artifact_list;
		work_succeed(w, j, i);
		op->status = OP_ACCEPTED;
		break;
	case STEP_SUCCEEDED:
		each_dependent(j, i->ordinal, push_owed, NULL);
		op->status = OP_DUPLICATE;
		break;
	case STEP_BLOCKED:
	case STEP_SKIPPED:
	case STEP_CANCELLED:
		op->status = OP_STALE;
		break;
	}
}

static unsigned max_attempts(struct wjob *j, int ordinal)
{
	int item;

	return j->def->nodes[definition_node(j->def, j->items, ordinal, &item)].max_attempts;
}

/* The backend's fault, or not even tried: the attempt does not count. */
static bool is_pardoned(struct dispatcher *d, const struct report *r)
{
	return r->kind == ERR_RETRY && r->backend && !r->answered &&
		(r->deferred || breakers_pardon(d->breakers, r->backend, clock_mono_ms()));
}

static void put_off(struct dispatcher *d, struct wjob *j, struct inst *i, struct op *op)
{
	const struct report *r = &op->report;

	/* while it is open the breaker says when; else it shall not come back at once */
	work_put_off(j, i, r->backend, r->message, breakers_is_open(d->breakers, r->backend) ? 0 : PUT_OFF_S);
	op->uncharged = true;
}

/* A runner that died of a signal took only itself along, but what kills is the step, as when a worker dies. */
static bool is_poison(struct inst *i, const struct report *r)
{
	if (r->kind != ERR_RETRY || !r->signal)
		return false;
	i->deaths++;
	i->dirty = true;
	return i->deaths >= DEATHS_MAX;
}

static void fail_as_poison(struct work *w, struct wjob *j, struct inst *i, const char *last)
{
	scoped(free_p) char *message = xasprintf("poison: %d workers or runners died while they ran this step, the last: %s",
		i->deaths, last);

	work_fail(w, j, i, ERR_REJECT, message);
}

static void apply_failure(struct dispatcher *d, struct work *w, struct wjob *j, struct inst *i, struct op *op)
{
	const struct report *r = &op->report;

	op->status = OP_ACCEPTED;
	op->attempt = r->attempt;
	op->uncharged = false;
	if (i->state == STEP_QUEUED && r->attempt == i->attempt && r->pass != i->pass) {
		op->status = OP_STALE;          /* it was put off since, and has been pushed again */
	} else if (r->attempt != i->attempt || (i->state != STEP_QUEUED && !(i->state == STEP_FAILED && r->is_requeue))) {
		/* a requeue that failed counted the attempt up before its letter was, maybe not, pushed */
		i->relist = i->state == STEP_FAILED && (r->attempt == i->attempt || (r->is_requeue && r->attempt + 1 == i->attempt));
		op->status = i->state == STEP_RETRYING || i->relist ? OP_DUPLICATE : OP_STALE;
	} else if (r->kind == ERR_CANCEL) {
		i->push = i->state == STEP_QUEUED;
		i->relist = i->state == STEP_FAILED;
	} else if (i->state == STEP_FAILED) {
		i->attempt++;
		op->attempt = i->attempt;
		work_fail(w, j, i, r->kind, r->message);
	} else if (is_pardoned(d, r)) {
		put_off(d, j, i, op);
	} else if (is_poison(i, r)) {
		fail_as_poison(w, j, i, r->message);
	} else if (r->kind == ERR_RETRY && (unsigned)i->attempt < max_attempts(j, i->ordinal)) {
		work_retry(j, i);
		metric_add(METRIC_RETRIES, 1);
	} else {
		work_fail(w, j, i, r->kind, r->message);
	}
}

static void apply_report(struct dispatcher *d, struct work *w, struct wjob *j, struct inst *i, struct op *op)
{
	if (!i) {
		op->status = OP_UNKNOWN;
		return;
	}
	if (op->report.failed)
		apply_failure(d, w, j, i, op);
	else
		apply_success(w, j, i, op);
}

static void apply_death(struct work *w, struct wjob *j, struct inst *i, struct op *op)
{
	if (op->was_charged) {          /* all that is left to say is whether it may run again */
		op->status = i && i->state == STEP_FAILED && i->deaths >= DEATHS_MAX ? OP_POISON : OP_ACCEPTED;
		return;
	}
	op->status = OP_STALE;
	if (!i || i->attempt != op->attempt || (i->state != STEP_QUEUED && i->state != STEP_FAILED))
		return;
	metric_add(METRIC_DEATHS, 1);
	i->deaths++;
	i->dirty = true;
	op->status = OP_ACCEPTED;
	if (i->deaths < DEATHS_MAX)
		return;
	fail_as_poison(w, j, i, op->text);
	op->status = OP_POISON;
}

static void apply_requeue_check(struct wjob *j, struct inst *i, struct op *op)
{
	if (!i || j->state == JOB_CANCELLED)
		op->status = OP_UNKNOWN;
	else if (i->state == STEP_FAILED && i->attempt == op->attempt)
		op->status = OP_GO;
	else
		op->status = OP_STALE;
}

static void apply_cancel(struct work *w, struct wjob *j, struct op *op)
{
	op->status = j->state == JOB_RUNNING ? OP_ACCEPTED : OP_CONFLICT;
	if (j->state == JOB_RUNNING)
		work_stop(w, j, op->kind == OP_CANCEL ? SKIP_CANCELLED : SKIP_DEADLINE, -1);
}

static void apply(struct dispatcher *d, struct work *w, struct op *op)
{
	struct wjob *j = is_about_existing(op) ? work_job(w, op->job) : NULL;
	struct inst *i = j && j->def ? work_inst(j, op->ordinal) : NULL;

	if (j && !j->def) {
		op->status = OP_UNKNOWN;
		return;
	}
	switch (op->kind) {
	case OP_ACCEPT:
	case OP_REFUSE:
	case OP_MAKE:
		break;
	case OP_REPORT:
		apply_report(d, w, j, i, op);
		break;
	case OP_CANCEL:
	case OP_DEADLINE:
		apply_cancel(w, j, op);
		break;
	case OP_RETRY_DUE:
		if (i && i->state == STEP_RETRYING && i->attempt == op->attempt && i->pass == op->pass) {
			work_requeue_due(j, i, !op->uncharged);
			i->probe = op->probe;
		}
		op->status = OP_ACCEPTED;
		break;
	case OP_DEATH:
		apply_death(w, j, i, op);
		break;
	case OP_REQUEUE_CHECK:
		apply_requeue_check(j, i, op);
		break;
	case OP_PUSH_OWED:
		for (int o = 0; o < j->made; o++)
			push_owed(j, o, NULL);
		op->status = OP_ACCEPTED;
		break;
	case OP_DISCARD:
	case OP_SET_PARAMS:
		op->status = i && i->state == STEP_FAILED ? OP_ACCEPTED : OP_STALE;
		break;
	}
}

/* ---- the order of things ---- */

size_t batch_weight(const struct op *op)
{
	switch (op->kind) {
	case OP_ACCEPT:
		return (size_t)min_of(definition_total(op->submission->definition, op->submission->items), FIRST_CHUNK);
	case OP_MAKE:
	case OP_CANCEL:
	case OP_DEADLINE:
	case OP_PUSH_OWED:
		return NEXT_CHUNK;      /* or all of the job: none of these shares a batch with another */
	case OP_REFUSE:
	case OP_REPORT:
	case OP_RETRY_DUE:
	case OP_DEATH:
	case OP_REQUEUE_CHECK:
	case OP_DISCARD:
	case OP_SET_PARAMS:
		break;
	}
	return 1;
}

/* They may have been tried before. */
static void reset(struct op **ops, size_t n)
{
	for (size_t k = 0; k < n; k++)
		ops[k]->status = OP_ACCEPTED;
}

static int settle(struct pg *pg, struct work *w, struct err *err)
{
	while (!work_settle(w))
		if (load_wants(pg, w, err) < 0)
			return -1;
	return 0;
}

/* New jobs get their first instances, jobs named by OP_MAKE their next. */
static int make_chunks(struct pg *pg, struct work *w, struct op **ops, size_t n, struct err *err)
{
	for (size_t k = 0; k < n; k++) {
		struct wjob *j = ops[k]->kind == OP_MAKE ? work_job(w, ops[k]->job) : NULL;

		if (j && j->def && j->made < j->total) {
			work_want_needs(w, j, j->made, min_of(j->made + NEXT_CHUNK, j->total));
			if (load_wants(pg, w, err) < 0)
				return -1;
			work_make(w, j, min_of(j->made + NEXT_CHUNK, j->total));
			if (settle(pg, w, err) < 0)
				return -1;
		}
		if (ops[k]->kind == OP_MAKE)
			ops[k]->status = OP_ACCEPTED;
	}
	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];

		if (!j->is_new || j->made)
			continue;
		work_make(w, j, min_of(j->total, FIRST_CHUNK));
		if (settle(pg, w, err) < 0)
			return -1;
	}
	return 0;
}

/* BEGIN, the locks, and what is known to be needed, in one round trip. */
static int lock_and_load(struct pg *pg, struct work *w, struct op **ops, size_t n, struct err *err)
{
	PGresult *r[3] = { NULL, NULL, NULL };
	bool were_steps_sent;
	int rc;

	gather_wants(w, ops, n);
	if (pg_send(pg, err, "BEGIN", PG_NONE) < 0 || load_jobs_send(pg, w, err) < 0 || load_wants_send(pg, w, &were_steps_sent, err) < 0 ||
	    pg_wait(pg, r, err) < 0)
		return -1;
	rc = load_jobs_take(pg, w, r[1], err);
	if (rc == 0 && were_steps_sent)
		load_wants_take(w, r[2]);
	for (size_t k = 0; k < countof(r); k++)
		PQclear(r[k]);
	return rc;
}

/* New jobs that need nothing but to be written, by a few statements. */
static bool is_brief(struct op **ops, size_t n)
{
	size_t rows = 0;

	for (size_t k = 0; k < n; k++) {
		if (is_about_existing(ops[k]) || (ops[k]->kind == OP_ACCEPT && ops[k]->submission->client_id))
			return false;
		rows += batch_weight(ops[k]);
	}
	return n <= BRIEF_OPS && rows <= BRIEF_ROWS;
}

/* *how: may it be WRITE_LEAVES? And how what follows is to be written. */
static int begin(struct pg *pg, struct work *w, struct op **ops, size_t n, enum write_way *how, struct err *err)
{
	bool may_be_leaves = *how == WRITE_LEAVES;

	if (load_known(pg, w, err) < 0)
		return -1;
	*how = may_be_leaves && leaf_expect(w, ops, n) ? WRITE_LEAVES : is_brief(ops, n) ? WRITE_AT_ONCE : WRITE_COMMIT;
	if (*how != WRITE_COMMIT)
		return 0;
	return w->njobs ? lock_and_load(pg, w, ops, n, err) : pg_send(pg, err, "BEGIN", PG_NONE);
}

static int transact(struct dispatcher *d, struct pg *pg, struct work *w, struct op **ops, size_t n, enum write_way *how, struct err *err)
{
	if (store_definitions(pg, ops, n, err) < 0)
		return -1;
	for (size_t k = 0; k < n; k++)
		if (is_about_existing(ops[k]))
			work_add_job(w, ops[k]->job);
	if (begin(pg, w, ops, n, how, err) < 0 || client_ids_claim(pg, ops, n, err) < 0)
		return -1;
	accept_all(w, ops, n);
	gather_wants(w, ops, n);
	if (load_wants(pg, w, err) < 0 || deaths_find_charged(pg, ops, n, err) < 0)
		return -1;
	if (is_about_existing(ops[0]))          /* the lane of new jobs judges nothing, and shall not forget what the other one has */
		breakers_judging(d->breakers);
	for (size_t k = 0; k < n; k++)
		apply(d, w, ops[k]);
	if (settle(pg, w, err) < 0 || make_chunks(pg, w, ops, n, err) < 0)
		return -1;
	work_end_jobs(w);
	if (fault("ledger.commit")) {
		pg_close(pg);
		return err_set(err, ERR_RETRY, "fault: the connection is gone before the commit");
	}
	return write_all(d, pg, w, ops, n, *how, err);
}

/* In one transaction. */
static int commit(struct dispatcher *d, struct pg *pg, struct work *w, struct op **ops, size_t n, struct err *err)
{
	enum write_way how = WRITE_LEAVES;

	reset(ops, n);
	handover_begin(ops, n);
	if (transact(d, pg, w, ops, n, &how, err) == 0)
		return 0;
	if (how != WRITE_LEAVES || !leaf_was_wrong(pg))
		return -1;
	metric_add(METRIC_LEDGER_FAILURES, 1);
	work_done(w);
	*w = (struct work){ 0 };
	how = WRITE_COMMIT;
	reset(ops, n);
	handover_begin(ops, n);
	return transact(d, pg, w, ops, n, &how, err);
}

/* What accepted reports say of backends; only now, when they count for good. */
static void tell_breakers(struct dispatcher *d, struct op **ops, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		const struct report *r = &ops[k]->report;

		if (ops[k]->kind != OP_REPORT || !r->backend || ops[k]->status != OP_ACCEPTED)
			continue;
		if (r->answered || !r->failed) {
			breakers_answer(d->breakers, r->backend, clock_mono_ms());
		} else if (r->deferred) {
			breakers_deferral(d->breakers, r->backend, clock_mono_ms());
			metric_add(METRIC_BREAKER_DEFERRALS, 1);
		} else {
			breakers_fault(d->breakers, r->backend, r->message, r->is_probe, clock_mono_ms());
			metric_add(METRIC_BREAKER_FAULTS, 1);
			metric_add(METRIC_BREAKER_PARDONS, ops[k]->uncharged);
		}
	}
}

static void name_states(struct work *w, struct op **ops, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		bool is_told = ops[k]->kind == OP_ACCEPT || ops[k]->kind == OP_CANCEL;
		const struct wjob *j = is_told ? work_job(w, ops[k]->kind == OP_ACCEPT ? ops[k]->result_job : ops[k]->job) : NULL;

		if (j && j->def)
			memcpy(ops[k]->result_state, job_state_name(j->state), strlen(job_state_name(j->state)) + 1);
	}
}

/* Reports of new jobs follow soon. */
static void remember(const struct work *w)
{
	for (size_t k = 0; k < w->njobs; k++) {
		const struct wjob *j = w->jobs[k];

		if (j->is_new && !j->ended)
			job_facts_put(j->raw, &(struct job_facts){ j->definition, j->items, j->total });
	}
}

static void more_to_make(struct work *w, struct op **ret_more)
{
	for (size_t k = 0; k < w->njobs; k++) {
		struct wjob *j = w->jobs[k];
		struct op *op;

		if (!j->makes || j->made == j->total)
			continue;
		op = op_new(OP_MAKE);
		op->job = xstrdup(j->id);
		op->done = op_free;
		op->next = *ret_more;
		*ret_more = op;
	}
}

int batch_run(struct dispatcher *d, struct pg *pg, struct work *ret_work, struct op **ops, size_t n, struct op **ret_more, struct err *err)
{
	scoped(work_done) struct work w = { 0 };
	int64_t began = clock_mono_us();

	if (commit(d, pg, &w, ops, n, err) < 0) {
		if (pg->conn)
			pg_rollback(pg);
		return -1;
	}
	fault_die("ledger.committed");
	handover_commit(ops, n);
	tell_breakers(d, ops, n);
	metric_progress();
	metric_batch(n, (double)(clock_mono_us() - began) / 1000);
	count_metrics(&w, ops, n);
	name_states(&w, ops, n);
	remember(&w);
	more_to_make(&w, ret_more);
	*ret_work = w;
	w = (struct work){ 0 };
	return 0;
}
