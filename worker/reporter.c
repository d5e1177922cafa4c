#include "reporter.h"

#include "clock.h"
#include "fault.h"
#include "flow.h"
#include "handed.h"
#include "log.h"
#include "settle.h"
#include "sync.h"
#include "worker.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define BATCH_MAX        512
#define BATCH_BYTES      ((size_t)4 << 20)
#define BACKLOG_MAX      1024
#define ACKS_MAX         256
#define ACKS_MS          20
#define STUCK_MS         10000
#define BACKOFF_MAX_MS   2000
#define WAITING_MAX      32      /* reports that wait for others: then there are enough of them */
#define POST_TIMEOUT_S   25      /* over what a dispatcher waits for PostgreSQL; then the next one is asked */

/* What is in the inbox wants to be sent by then. Under the lock. */
static void be_there(struct reporter *r, int64_t due_ms)
{
	r->inbox_due_ms = due_ms;
	if (due_ms < r->sleeps_until_ms) {
		r->sleeps_until_ms = 0;         /* once is enough */
		pthread_cond_signal(&r->wake);
	}
}

static void push(struct reporter *r, struct held *h)
{
	scoped_lock(&r->lock);
	bool is_first = r->inbox.n == 0;

	line_push(&r->inbox, h);
	bump(&r->backlog, 1);
	if (h->due_ms && r->inbox.n < WAITING_MAX)
		be_there(r, is_first ? h->due_ms : min_of(r->inbox_due_ms, h->due_ms));
	else
		be_there(r, 0);
}

void reporter_push(struct reporter *r, struct held *h)
{
	if (h->due_ms)
		bump(&r->waiting, 1);
	if (h->nunsynced) {
		syncer_push(&r->w->syncer, h);
		return;
	}
	push(r, h);
}

void reporter_push_all(struct reporter *r, struct line *batch)
{
	scoped_lock(&r->lock);

	bump(&r->backlog, batch->n);
	line_append(&r->inbox, batch);
	if (r->inbox.n)
		be_there(r, 0);
}

void reporter_hurry(struct reporter *r)
{
	if (!peek(&r->waiting))
		return;
	syncer_hurry(&r->w->syncer);
	scoped_lock(&r->lock);
	if (r->inbox.n)
		be_there(r, 0);
}

bool reporter_is_stuck(const struct reporter *r)
{
	int64_t since = peek(&r->stuck_since_ms);

	return since && clock_mono_ms() - since > STUCK_MS;
}

bool reporter_is_full(const struct reporter *r)
{
	return peek(&r->backlog) > BACKLOG_MAX;
}

void reporter_wait_room(struct reporter *r, unsigned wait_ms)
{
	int64_t until = clock_mono_ms() + wait_ms;

	scoped_lock(&r->lock);
	r->wait_room++;
	while (peek(&r->backlog) > BACKLOG_MAX / 2 && clock_mono_ms() < until)
		cond_wait_until(&r->room, &r->lock, until);
	r->wait_room--;
}

bool reporter_is_alive(const struct reporter *r)
{
	int64_t longest_ms = (int64_t)(r->upstream.nurls * POST_TIMEOUT_S + 60) * 1000;

	return clock_mono_ms() - peek(&r->tick_ms) < longest_ms;
}

/* Full jitter, from 50 ms, doubling, to 2 s. */
static int64_t backoff_ms(unsigned failures)
{
	unsigned doublings = min_of(failures, 6u);
	unsigned most = min_of(50u << doublings, (unsigned)BACKOFF_MAX_MS);

	return 20 + randombytes_uniform(most);
}

static void add_ack(struct reporter *r, struct held *h)
{
	if (!r->acks.n)
		r->acks_since_ms = clock_mono_ms();
	r->has_effects |= !h->task || !flow_is_quick(h->task);
	line_push(&r->acks, h);
}

/* ---- reports ---- */

static void no_answer(struct reporter *r, const struct err *err)
{
	int64_t now = clock_mono_ms();

	if (!peek(&r->stuck_since_ms)) {
		poke(&r->stuck_since_ms, now);
		log_warn(r->reports.n ? "report.unanswered" : "dispatcher.unanswered", "reports=%zu error=%s", r->reports.n, log_quote(err->msg));
	}
	r->post_due_ms = now + backoff_ms(r->post_failures++);
}

static void answered(struct reporter *r)
{
	int64_t since = peek(&r->stuck_since_ms);

	if (since)
		log_info("report.answered", "after_ms=%lld", (long long)(clock_mono_ms() - since));
	poke(&r->stuck_since_ms, 0);
	r->post_failures = 0;
	r->post_due_ms = 0;
}

static void take_batch(struct reporter *r, struct line *batch, struct buf *body)
{
	size_t most = r->one_by_one ? 1 : BATCH_MAX;

	buf_puts(body, "[");
	while (batch->n < most && r->reports.first && (!batch->n || body->len + r->reports.first->text.len < BATCH_BYTES)) {
		struct held *h = line_pop(&r->reports);

		if (batch->n)
			buf_puts(body, ",");
		buf_add(body, h->text.text, h->text.len);
		line_push(batch, h);
	}
	buf_puts(body, "]");
}

static void untake_batch(struct reporter *r, struct line *batch)
{
	line_append(batch, &r->reports);
	r->reports = *batch;
	*batch = (struct line){ 0 };
}

/* A dispatcher understands the batch but not this report. The step still needs an end, so tell of
 * that instead; when not even that is taken, people have to look at it. */
static void refused_alone(struct reporter *r, struct held *h, unsigned status, const char *why)
{
	struct task_result failure = { .failed = true, .started_us = clock_wall_us() };

	log_error("report.refused", "job=%s step=%s status=%u answer=%s", h->task->job, h->task->step, status, log_quote(why));
	err_set(&failure.err, ERR_REJECT, "result refused: %.300s", why);
	buf_clear(&h->text);
	if (h->was_refused) {
		buf_puts(&h->text, failure.err.msg);
		h->end = END_REFUSE;
		line_push(&r->refusals, h);
		return;
	}
	h->was_refused = true;
	task_report(h->task, &failure, r->w->name, &h->text);
	line_push_front(&r->reports, h);
	r->one_by_one = max_of(r->one_by_one, (size_t)1);
}

static void refused(struct reporter *r, struct line *batch, const struct http_response *answer, struct err *err)
{
	if (answer->status == 401 || answer->status == 403 || answer->status == 404) {
		err_set(err, ERR_RETRY, "the dispatcher answers %u: %.300s", answer->status,
			answer->body.text ? answer->body.text : "");
		untake_batch(r, batch);
		no_answer(r, err);
	} else if (batch->n == 1) {
		answered(r);
		r->one_by_one -= r->one_by_one > 0;
		refused_alone(r, line_pop(batch), answer->status, answer->body.text ? answer->body.text : "");
	} else {
		log_warn("report.batch_refused", "reports=%zu status=%u answer=%s", batch->n, answer->status,
			log_quote(answer->body.text ? answer->body.text : ""));
		r->one_by_one = batch->n;
		untake_batch(r, batch);
	}
}

static int read_answers(const struct http_response *answer, size_t n, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *body = json_loadb(answer->body.text ? answer->body.text : "", answer->body.len, 0, NULL);
	const json_t *list = json_object_get(body, "answers");

	if (!json_is_array(list) || json_array_size(list) != n)
		return err_set(err, ERR_RETRY, "the dispatcher's answer does not fit %zu reports: %.200s", n,
			answer->body.text ? answer->body.text : "");
	*ret = steal(&body);
	return 0;
}

/* true: it counted. The others are known of: they ran twice, or were cancelled; one line a batch says how many. */
static bool is_accepted(const struct held *h, const char *said)
{
	if (said && strcmp(said, "accepted") == 0)
		return true;
	log_debug("report.dropped", "job=%s step=%s item=%d attempt=%d answer=%s", h->task->job, h->task->step, h->task->item,
		h->task->attempt, log_quote(said ? said : ""));
	return false;
}

static void taken(struct reporter *r, struct line *batch, const json_t *answers)
{
	size_t done = 0, failed = 0, dropped = 0;
	struct held *h;

	for (size_t i = 0; (h = line_pop(batch)); i++) {
		const json_t *answer = json_array_get(answers, i);
		const char *refused = json_is_object(answer) ? json_string_value(json_object_get(answer, "refused")) : NULL;

		if (refused) {
			refused_alone(r, h, 200, refused);
			continue;
		}
		dropped += !is_accepted(h, json_string_value(answer));
		failed += h->failed;
		done += !h->failed;
		h->end = END_ACK;
		add_ack(r, h);
	}
	if (dropped)
		log_info("reports.dropped", "reports=%zu", dropped);
	bump(&r->w->done, done);
	bump(&r->w->failed, failed);
	r->one_by_one -= r->one_by_one > 0;
	answered(r);
}

static int post(struct reporter *r, const struct buf *body, struct http_response *answer, struct err *err)
{
	scoped(buf_free) struct buf room = { 0 };

	if (fault("worker.report"))
		return err_set(err, ERR_RETRY, "fault: no dispatcher before a report");
	handed_header(r->w, &room);
	if (upstream_post(&r->upstream, "/internal/v1/results", room.len ? room.text : NULL, body->text, body->len, POST_TIMEOUT_S, answer,
		    err) < 0)
		return -1;
	fault_die("worker.die");
	if (fault("worker.answer")) {
		http_response_done(answer);
		return err_set(err, ERR_RETRY, "fault: the answer to a report was lost");
	}
	return 0;
}

static void send_reports(struct reporter *r)
{
	scoped(http_response_done) struct http_response answer = { 0 };
	scoped(buf_free) struct buf body = { 0 };
	scoped(json_decref_p) json_t *said = NULL;
	struct line batch = { 0 };
	struct err err;

	take_batch(r, &batch, &body);
	if (post(r, &body, &answer, &err) < 0) {
		untake_batch(r, &batch);
		no_answer(r, &err);
	} else if (answer.status >= 400 && answer.status < 500 && answer.status != 408 && answer.status != 429) {
		refused(r, &batch, &answer, &err);
	} else if (answer.status != 200) {
		err_set(&err, ERR_RETRY, "the dispatcher answers %u: %.300s", answer.status, answer.body.text ? answer.body.text : "");
		untake_batch(r, &batch);
		no_answer(r, &err);
	} else if (read_answers(&answer, batch.n, &said, &err) < 0) {
		untake_batch(r, &batch);
		no_answer(r, &err);
	} else {
		taken(r, &batch, json_object_get(said, "answers"));
		handed_take(r->w, said);
	}
}

/* ---- the thread ---- */

/* Acknowledgements wait while there is more to report, which others may wait for; but not for long. Were this worker
 * to die meanwhile, the tasks would run again: so only those wait that nobody would notice. */
static bool has_to_settle(const struct reporter *r, int64_t now)
{
	bool may_wait = !r->has_effects && r->acks.n < ACKS_MAX && r->reports.n && now >= r->post_due_ms && now - r->acks_since_ms < ACKS_MS;

	if (now < r->redis_due_ms)
		return false;
	return r->putbacks.n || r->refusals.n || (r->acks.n && !may_wait);
}

static void sort_in(struct reporter *r, struct line *in)
{
	size_t waited = 0;
	struct held *h;

	while ((h = line_pop(in))) {
		waited += h->due_ms != 0;
		h->due_ms = 0;
		switch (h->end) {
		case END_REPORT:  line_push(&r->reports, h); break;
		case END_PUTBACK: line_push(&r->putbacks, h); break;
		case END_ACK:     add_ack(r, h); break;
		case END_REFUSE:  line_push(&r->refusals, h); break;
		case END_FORGET:  line_push(&r->forgotten, h); break;
		}
	}
	if (waited)
		bump(&r->waiting, -waited);
}

static bool is_inbox_due(const struct reporter *r, int64_t now)
{
	return r->inbox.n && (now >= r->inbox_due_ms || r->close_by_ms);
}

/* Without waiting: what came, or ran right here, while reports were sent. */
static void take_inbox(struct reporter *r)
{
	struct line in = { 0 };

	lock(&r->lock);
	if (is_inbox_due(r, clock_mono_ms())) {
		in = r->inbox;
		r->inbox = (struct line){ 0 };
	}
	unlock(&r->lock);
	sort_in(r, &in);
}

static bool has_redis_work(const struct reporter *r)
{
	return r->acks.n || r->putbacks.n || r->refusals.n;
}

static int64_t due_ms(const struct reporter *r)
{
	int64_t due = INT64_MAX;

	if (r->reports.n)
		due = min_of(due, r->post_due_ms);
	if (has_redis_work(r))
		due = min_of(due, r->redis_due_ms);
	return due;
}

/* false: it is time to leave. */
static bool collect(struct reporter *r)
{
	struct line in = { 0 };
	int64_t now, until;
	bool is_over;

	lock(&r->lock);
	for (;;) {
		now = clock_mono_ms();
		poke(&r->tick_ms, now);
		until = min_of(due_ms(r), now + 1000);
		is_over = r->close_by_ms && (now >= r->close_by_ms || due_ms(r) == INT64_MAX);
		if (is_inbox_due(r, now) || until <= now || is_over)
			break;
		r->sleeps_until_ms = r->inbox.n ? min_of(until, r->inbox_due_ms) : until;
		cond_wait_until(&r->wake, &r->lock, r->sleeps_until_ms);
		r->sleeps_until_ms = 0;
	}
	in = r->inbox;
	r->inbox = (struct line){ 0 };
	unlock(&r->lock);
	is_over &= in.n == 0;
	sort_in(r, &in);
	return !is_over;
}

static void settle(struct reporter *r)
{
	struct err err;
	size_t n = 0;

	if (settle_all(r, &n, &err) < 0) {
		if (r->redis_failures++ == 0)
			log_warn("ack.postponed", "acks=%zu putbacks=%zu error=%s", r->acks.n, r->putbacks.n, log_quote(err.msg));
		r->redis_due_ms = clock_mono_ms() + backoff_ms(r->redis_failures);
	} else {
		r->redis_failures = 0;
		r->redis_due_ms = 0;
		r->has_effects = false;
	}
	bump(&r->backlog, -n);
	if (n && peek(&r->backlog) <= BACKLOG_MAX / 2) {
		scoped_lock(&r->lock);
		if (r->wait_room)
			pthread_cond_broadcast(&r->room);
	}
}

static bool is_closing(struct reporter *r)
{
	scoped_lock(&r->lock);

	return r->close_by_ms != 0;
}

/* Before anything is claimed: is there a dispatcher at all? */
static void greet(struct reporter *r)
{
	struct err err;

	while (!is_closing(r)) {
		scoped(http_response_done) struct http_response answer = { 0 };

		poke(&r->tick_ms, clock_mono_ms());
		if (upstream_call(&r->upstream, "/health", NULL, 0, 5, 65536, NULL, &answer, &err) == 0) {
			answered(r);
			worker_met(r->w, &r->w->met_dispatcher);
			return;
		}
		no_answer(r, &err);
		lock(&r->lock);
		if (!r->close_by_ms)
			cond_wait_until(&r->wake, &r->lock, r->post_due_ms);
		unlock(&r->lock);
	}
}

static void *reporter_main(void *arg)
{
	struct reporter *r = arg;

	greet(r);
	while (collect(r)) {
		int64_t now = clock_mono_ms();

		if (r->reports.n && now >= r->post_due_ms)
			send_reports(r);
		take_inbox(r);
		if (r->forgotten.n || has_to_settle(r, clock_mono_ms()))
			settle(r);
	}
	line_append(&r->putbacks, &r->reports);         /* somebody else shall run and report them */
	settle(r);
	return NULL;
}

int reporter_start(struct reporter *r, struct worker *w, struct err *err)
{
	*r = (struct reporter){ .w = w, .tick_ms = clock_mono_ms() };
	if (upstream_open(&r->upstream, w->conf, err) < 0)
		return -1;
	mutex_init(&r->lock);
	cond_init(&r->wake);
	cond_init(&r->room);
	redis_init(&r->redis, w->conf->redis_url);
	must(pthread_create(&r->thread, NULL, reporter_main, r) == 0);
	return 0;
}

void reporter_stop(struct reporter *r, unsigned wait_ms)
{
	lock(&r->lock);
	r->close_by_ms = clock_mono_ms() + wait_ms;
	pthread_cond_signal(&r->wake);
	unlock(&r->lock);
	must(pthread_join(r->thread, NULL) == 0);
}

void reporter_done(struct reporter *r)
{
	redis_done(&r->redis);
	upstream_close(&r->upstream);
	pthread_cond_destroy(&r->wake);
	pthread_cond_destroy(&r->room);
	pthread_mutex_destroy(&r->lock);
}
