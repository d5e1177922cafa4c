#include "slot.h"

#include "clock.h"
#include "flow.h"
#include "log.h"
#include "sync.h"
#include "worker.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define ASK_AGAIN_MS 1000

enum asked { GO, DROP, NO_JOB, STOPPED };

static int ask_once(struct slot *s, const struct task *t, enum asked *ret, struct err *err)
{
	scoped(http_response_done) struct http_response answer = { 0 };
	scoped(json_decref_p) json_t *body = NULL;
	scoped(buf_free) struct buf question = { 0 };
	const char *said;

	buf_printf(&question, "{\"job\":\"%s\",\"ordinal\":%d,\"attempt\":%d}", t->job, t->ordinal, t->attempt);
	if (upstream_call(&s->executor.upstream, "/internal/v1/requeues", question.text, question.len, 10, 65536, NULL, &answer,
		    err) < 0)
		return -1;
	body = json_loadb(answer.body.text ? answer.body.text : "", answer.body.len, 0, NULL);
	said = json_string_value(json_object_get(body, "answer"));
	if (answer.status != 200 || !said)
		return err_set(err, ERR_RETRY, "the dispatcher answers %u: %.300s", answer.status,
			answer.body.text ? answer.body.text : "");
	log_info("task.requeued", "answer=%s", log_quote(said));
	*ret = strcmp(said, "go") == 0 ? GO : strcmp(said, "unknown") == 0 ? NO_JOB : DROP;
	return 0;
}

/* A dead letter may be pushed back twice, or after its job was cancelled: a dispatcher knows. */
static enum asked ask_requeue(struct slot *s, const struct held *h)
{
	const struct task *t = h->task;
	enum asked answer = DROP;
	struct err err;

	while (ask_once(s, t, &answer, &err) < 0) {
		struct pollfd wake = { .fd = s->executor.wake_fd, .events = POLLIN };

		log_warn("task.requeue_unasked", "error=%s", log_quote(err.msg));
		if (peek(&h->stop) || peek(&s->w->is_draining))
			return STOPPED;
		poll(&wake, 1, ASK_AGAIN_MS);
	}
	return answer;
}

static void note_failure(const struct task *t, const struct task_result *r)
{
	char signal[32] = "";

	if (r->signal)
		snprintf(signal, sizeof signal, " signal=%d", r->signal);
	if (r->deferred) {                      /* thousands may follow; the dispatchers say what is wrong */
		log_debug("step.deferred", "backend=%s", log_quote(r->backend));
		return;
	}
	log_event(r->err.kind == ERR_CANCEL ? LOG_INFO_ : LOG_WARN_, "step.failed", "tool=%s attempt=%d kind=%s%s ms=%lld error=%s",
		t->tool ? t->tool->name : "?", t->attempt, err_kind_name(r->err.kind), signal, (long long)(r->took_us / 1000),
		log_quote(r->err.msg));
}

/* It does not run: somebody else shall, or nobody. */
static void end_unrun(struct held *h, enum asked why)
{
	h->end = why == STOPPED ? END_PUTBACK : why == NO_JOB ? END_REFUSE : END_ACK;
	h->is_homeless = why == NO_JOB;
	if (why == NO_JOB)
		buf_puts(&h->text, "a dead letter was put back whose job was cancelled or is not known any more");
}

/* What a stopped step ends as: a cancel is for the dispatcher to judge, a drain is nobody's business. */
void slot_decide(struct worker *w, struct held *h, struct task_result *r)
{
	h->end = END_REPORT;
	if (r->failed && r->err.kind == ERR_CANCEL && peek(&h->why) != STOP_CANCEL) {
		h->end = END_PUTBACK;
		return;
	}
	if (r->failed)
		note_failure(h->task, r);
	else
		log_debug("step.done", "tool=%s attempt=%d ms=%lld", h->task->tool->name, h->task->attempt,
			(long long)(r->took_us / 1000));
	h->failed = r->failed && !r->deferred;
	h->is_slow = !r->failed && h->task->tool->runs == TOOL_RUNNER;
	if (!r->failed && r->nunsynced) {
		syncer_wait_room(&w->syncer);
		h->unsynced = steal(&r->unsynced);
		h->nunsynced = r->nunsynced;
		r->nunsynced = 0;
	}
	task_report(h->task, r, w->name, &h->text);
	if (h->task->body)
		held_has_run(&w->held, h);
}

static void note_once(struct slot *s, const struct held *h, const struct task_result *r)
{
	static const int status[] = { [ERR_RETRY] = 3, [ERR_REJECT] = 4, [ERR_CANCEL] = 5 };

	if (s->w->once)
		poke(&s->w->once_status, h->end == END_REPORT && !r->failed ? 0 : status[r->err.kind]);
}

/* Nobody shall wait, slot by slot, for what is known not to answer. A person's requeue is tried all the same, and a
 * probe is there to be. */
static bool defer(struct slot *s, const struct task *t, struct task_result *r)
{
	char backend[BACKEND_MAX], why[400];

	if (t->is_probe || t->is_requeue || !backend_of_task(t, s->w->conf->api_base_url, backend) ||
	    !backends_is_open(&s->w->backends, backend, why, sizeof why))
		return false;
	*r = (struct task_result){ .failed = true, .deferred = true, .started_us = clock_wall_us() };
	backend_named(r->backend, backend);
	err_set(&r->err, ERR_RETRY, "%s does not answer %s", backend, why);
	return true;
}

static void run_one(struct slot *s, struct held *h, int64_t *took_us)
{
	scoped(task_result_done) struct task_result r = { 0 };
	int64_t deadline_ms = clock_mono_ms() + (int64_t)h->task->timeout_s * 1000;

	log_scope(job, "%s", h->task->job);
	log_scope(step, "%.40s", h->task->step);
	log_scope(item, "%d", h->task->item);
	*took_us = 0;
	if (peek(&h->stop)) {           /* cancelled on its way here */
		r = (struct task_result){ .failed = true, .started_us = clock_wall_us() };
		err_set(&r.err, ERR_CANCEL, "the job was cancelled before the step started");
		slot_decide(s->w, h, &r);
		return;
	}
	if (h->task->is_requeue) {
		enum asked answer = ask_requeue(s, h);

		if (answer != GO) {
			end_unrun(h, answer);
			poke(&s->w->once_status, answer == STOPPED ? 5 : 0);
			return;
		}
	}
	if (defer(s, h->task, &r)) {
		slot_decide(s->w, h, &r);
		note_once(s, h, &r);
		return;
	}
	if (!flow_is_quick(h->task))
		lane_set_deadline(s->lane, s->index, deadline_ms);
	exec_task(&s->executor, h->task, &h->stop, deadline_ms, &r);
	*took_us = r.took_us;
	slot_decide(s->w, h, &r);
	note_once(s, h, &r);
}

static void *slot_main(void *arg)
{
	struct slot *s = arg;
	struct held *h = NULL;
	int64_t took_us = 0;

	while ((h = lane_take(s->lane, s->index, h, took_us)))
		run_one(s, h, &took_us);
	child_end(&s->executor.child);
	return NULL;
}

/* What the watchdog goes by. */
static void on_deadline(void *arg, int64_t deadline_ms)
{
	const struct slot *s = arg;

	lane_set_deadline(s->lane, s->index, deadline_ms);
}

/* Whoever watches the job shall see why nothing happens. */
static void on_loading(void *arg, const struct task *task, const char *name, int64_t bytes)
{
	struct slot *s = arg;
	scoped(free_p) char *what = xasprintf("loading model %.260s", name);

	progress_tell(&s->w->progress, task, what, bytes);
	worker_wake_pulse(s->w);
}

int slot_start(struct slot *s, struct worker *w, struct lane *lane, unsigned index, struct err *err)
{
	*s = (struct slot){ .w = w, .lane = lane, .index = index };
	if (executor_init(&s->executor, w->conf, &w->store, &w->memory, w->inference, lane->slots[index].wake_fd, err) < 0)
		return -1;
	s->executor.on_loading = on_loading;
	s->executor.arg = s;
	s->executor.leaves_sync = !w->once;
	s->executor.is_patient = true;
	s->executor.memory.on_deadline = on_deadline;
	s->executor.memory.arg = s;
	must(pthread_create(&s->thread, NULL, slot_main, s) == 0);
	return 0;
}

void slot_join(struct slot *s)
{
	must(pthread_join(s->thread, NULL) == 0);
}

void slot_done(struct slot *s)
{
	executor_done(&s->executor);
}
