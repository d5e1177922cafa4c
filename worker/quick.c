#include "quick.h"

#include "clock.h"
#include "exec.h"
#include "flow.h"
#include "lane.h"
#include "log.h"
#include "slot.h"
#include "sync.h"
#include "worker.h"

#define PIECE       32          /* so many reports at once wake the reporter once */
#define QUICK_BYTES 4096        /* an envelope of this size has no inputs that take time */

/* Its data is in the store: reading it takes as long as the disk likes. */
static bool reads_files(const struct task *t)
{
	const json_t *input;
	size_t i;

	json_array_foreach(t->inputs, i, input)
		if (json_object_get(input, "artifact"))
			return true;
	return false;
}

bool quick_may_run(const struct worker *w, const struct held *h)
{
	return !w->once && h->raw_len <= QUICK_BYTES && flow_is_quick(h->task) && !peek(&h->stop) && !reads_files(h->task) &&
		lane_would_start(h->lane);
}

static void decide_saying_who(struct worker *w, struct held *h, struct task_result *r)
{
	log_scope(job, "%s", h->task->job);
	log_scope(step, "%.40s", h->task->step);
	log_scope(item, "%d", h->task->item);
	slot_decide(w, h, r);
}

void quick_run(struct worker *w, struct held *h)
{
	scoped(task_result_done) struct task_result r = { 0 };
	/* Quick tools neither wait nor talk, so this is all of an executor that they touch. */
	struct executor x = { .conf = w->conf, .store = &w->store, .wake_fd = -1 };
	struct lane *lane = h->lane;

	exec_task(&x, h->task, &h->stop, clock_mono_ms() + (int64_t)h->task->timeout_s * 1000, &r);
	if (r.failed || log_is_on(LOG_DEBUG_))
		decide_saying_who(w, h, &r);
	else
		slot_decide(w, h, &r);
	lane_ran(lane, r.took_us);
}

void quick_run_some(struct worker *w, struct line *batch)
{
	struct line ran = { 0 };

	while (batch->first && quick_may_run(w, batch->first)) {
		quick_run(w, batch->first);
		line_push(&ran, line_pop(batch));
		if (ran.n == PIECE)
			reporter_push_all(&w->reporter, &ran);
	}
	if (ran.n)
		reporter_push_all(&w->reporter, &ran);
}
