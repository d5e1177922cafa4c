#include "worker.h"

#include "affinity.h"
#include "claim.h"
#include "clock.h"
#include "control.h"
#include "log.h"
#include "pulse.h"
#include "slot.h"
#include "spec.h"
#include "sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#define REPORT_WAIT_MS  10000   /* at the end, for dispatchers to take what is finished */
#define STUCK_WAIT_MS   1000    /* when none has lately */

/* <host>-<pid>-<6 hex>; a host name may hold what a Redis command split at spaces must not. */
static void choose_name(struct worker *w)
{
	if (gethostname(w->host, sizeof w->host - 1) < 0 || !*w->host)
		snprintf(w->host, sizeof w->host, "localhost");
	for (char *p = w->host; *p; p++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-", *p))
			*p = '-';
	snprintf(w->name, sizeof w->name, "%s-%d-%06x", w->host, (int)getpid(), randombytes_random() & 0xffffff);
	w->running_key = xasprintf("pixelfleet:running:%s", w->name);
}

static int start_slots(struct worker *w, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < w->nlanes; i++)
		n += w->lanes[i].nslots;
	w->slots = xcalloc(n, sizeof *w->slots);
	for (size_t i = 0; i < w->nlanes; i++)
		for (unsigned k = 0; k < w->lanes[i].nslots; k++)
			if (slot_start(&w->slots[w->nslots++], w, &w->lanes[i], k, err) < 0)
				return -1;
	return 0;
}

static void start_claimers(struct worker *w)
{
	w->claimers = xcalloc(w->nlanes, sizeof *w->claimers);
	for (size_t i = 0; i < w->nlanes; i++)
		claimer_start(&w->claimers[i], w, &w->lanes[i]);
}

/* How many tasks at once may ask for a model. */
static unsigned model_slots(const struct spec *spec)
{
	unsigned n = 0;

	for (size_t i = 0; i < spec->n; i++)
		if (strcmp(spec->queue[i], "image") != 0 && strcmp(spec->queue[i], "io") != 0)
			n += spec->slots[i];
	return n;
}

int worker_start(struct worker *w, const struct conf *conf, const char *slots, bool once, struct err *err)
{
	struct spec spec;

	*w = (struct worker){ .conf = conf, .started_us = clock_wall_us(), .once = once, .budget = 1, .once_status = -1 };
	if (spec_parse(slots, &spec, err) < 0 || store_open(&w->store, conf->artifacts, err) < 0)
		return -1;
	choose_name(w);
	sealer_init(&w->sealer, conf->internal_token, conf->internal_token_previous);
	held_set_init(&w->held);
	backends_init(&w->backends);
	memory_budget_open(&w->memory, conf);
	progress_init(&w->progress);
	mutex_init(&w->running_lock);
	mutex_init(&w->pulse_lock);
	mutex_init(&w->cancels.lock);
	cond_init(&w->pulse_wake);
	w->lanes = xcalloc(spec.n, sizeof *w->lanes);
	for (size_t i = 0; i < spec.n; i++)
		lane_init(&w->lanes[w->nlanes++], spec.queue[i], spec.slots[i], &w->reporter);
	w->inference = inference_new(conf, model_slots(&spec), NULL);
	syncer_start(&w->syncer, w);
	if (reporter_start(&w->reporter, w, err) < 0 || start_slots(w, err) < 0)
		return -1;              /* the program ends now */
	pulse_start(w);
	control_start(w);
	start_claimers(w);
	log_info("worker.start", "worker=%s version=" VERSION " slots=%s", w->name, slots);
	return 0;
}

void worker_wake_pulse(struct worker *w)
{
	scoped_lock(&w->pulse_lock);

	pthread_cond_signal(&w->pulse_wake);
}

void worker_met(struct worker *w, bool *whom)
{
	if (peek(whom))
		return;
	poke(whom, true);
	worker_wake_pulse(w);
}

bool worker_is_ready(const struct worker *w)
{
	return peek(&w->met_redis) && peek(&w->met_dispatcher);
}

bool worker_may_claim(const struct worker *w)
{
	return worker_is_ready(w) && !peek(&w->is_draining) && !reporter_is_stuck(&w->reporter) && !reporter_is_full(&w->reporter);
}

void worker_accept(struct worker *w, struct lane *lane, const char *raw, size_t len, struct line *batch)
{
	struct held *h = held_new(lane, raw, len);
	struct line one = { 0 };
	struct err err;
	int rc = task_parse(raw, len, &w->sealer, &h->task, &err);

	if (rc == 0)
		h->picture = affinity_of(h->task);
	line_push(&one, h);
	held_add(&w->held, &one);
	if (rc == 0 && control_was_cancelled(w, h->task)) {
		control_drop(w, h);
		return;
	}
	if (rc == 0) {
		line_append(batch, &one);
		return;
	}
	buf_puts(&h->text, err.msg);
	h->end = END_REFUSE;
	reporter_push(&w->reporter, h);
}

struct lane *worker_lane(struct worker *w, const char *queue)
{
	for (size_t i = 0; i < w->nlanes; i++)
		if (strcmp(w->lanes[i].queue, queue) == 0)
			return &w->lanes[i];
	return NULL;
}

/* A claimer that waits in BLMOVE is told to stop waiting by Redis itself, so that no task can be
 * on its way to it when it leaves. */
static void unblock_claimers(struct worker *w)
{
	struct redis redis;
	struct err err;

	redis_init(&redis, w->conf->redis_url);
	for (size_t i = 0; i < w->nlanes; i++) {
		struct claimer *c = &w->claimers[i];

		while (!peek(&c->has_left)) {
			if (peek(&c->client_id) && redis_command(&redis, NULL, &err, "CLIENT UNBLOCK %lld",
				    (long long)peek(&c->client_id)) < 0)
				log_debug("claim.unblock", "error=%s", log_quote(err.msg));
			clock_sleep_ms(20);
		}
		claimer_join(c);
	}
	redis_done(&redis);
}

void worker_drain_begin(struct worker *w)
{
	poke(&w->is_draining, true);
	worker_wake_pulse(w);
	for (size_t i = 0; i < w->nlanes; i++)
		lane_close(&w->lanes[i]);
	memory_budget_close(&w->memory);        /* somebody else has some */
	unblock_claimers(w);
}

bool worker_is_idle(struct worker *w)
{
	for (size_t i = 0; i < w->nlanes; i++)
		if (lane_busy(&w->lanes[i]) > 0)
			return false;
	return true;
}

static void release(struct worker *w)
{
	for (size_t i = 0; i < w->nslots; i++)
		slot_done(&w->slots[i]);
	inference_free(w->inference);
	progress_done(&w->progress);
	reporter_done(&w->reporter);
	for (size_t i = 0; i < w->nlanes; i++)
		lane_done(&w->lanes[i]);
	held_set_done(&w->held);
	backends_done(&w->backends);
	memory_budget_done(&w->memory);
	store_close(&w->store);
	pthread_cond_destroy(&w->pulse_wake);
	pthread_mutex_destroy(&w->pulse_lock);
	pthread_mutex_destroy(&w->cancels.lock);
	pthread_mutex_destroy(&w->running_lock);
	free(w->lanes);
	free(w->claimers);
	free(w->slots);
	free(w->running_key);
}

void worker_stop(struct worker *w)
{
	for (size_t i = 0; i < w->nlanes; i++)
		lane_stop_all(&w->lanes[i], STOP_PUTBACK);
	for (size_t i = 0; i < w->nslots; i++)
		slot_join(&w->slots[i]);
	syncer_stop(&w->syncer);
	reporter_stop(&w->reporter, peek(&w->reporter.stuck_since_ms) ? STUCK_WAIT_MS : REPORT_WAIT_MS);
	poke(&w->is_leaving, true);
	pulse_join(w);
	control_join(w);
	log_info("worker.stop", "worker=%s done=%llu failed=%llu", w->name, (unsigned long long)w->done,
		(unsigned long long)w->failed);
	release(w);
}

static void log_lane(struct lane *l)
{
	scoped_lock(&l->lock);

	log_info("worker.lane", "queue=%s slots=%u busy=%u waiting=%zu average_us=%.0f", l->queue, l->nslots, l->busy, l->line.n,
		l->avg_us);
	for (unsigned i = 0; i < l->nslots; i++) {
		const struct held *h = l->slots[i].current;

		if (h)
			log_info("worker.slot", "queue=%s slot=%u job=%s step=%s item=%d attempt=%d for_ms=%lld", l->queue, i,
				h->task->job, h->task->step, h->task->item, h->task->attempt,
				(long long)((clock_wall_us() - l->slots[i].since_us) / 1000));
	}
}

void worker_log_state(struct worker *w)
{
	log_info("worker.state", "worker=%s held=%zu unreported=%zu done=%llu failed=%llu claiming=%d stuck=%d", w->name,
		held_count(&w->held), peek(&w->reporter.backlog), (unsigned long long)peek(&w->done),
		(unsigned long long)peek(&w->failed), worker_may_claim(w), reporter_is_stuck(&w->reporter));
	for (size_t i = 0; i < w->nlanes; i++)
		log_lane(&w->lanes[i]);
}
