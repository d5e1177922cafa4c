#include "pulse.h"

#include "claim.h"
#include "clock.h"
#include "log.h"
#include "notify.h"
#include "selfcheck.h"
#include "slot.h"
#include "sync.h"
#include "worker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEAT_MS          1000
#define BEAT_SOON_MS     250    /* while a backend does not answer: its return shall be heard of soon */
#define LIFE_MS          "2500"
#define CHECK_MS         10000
#define CHECK_SOON_MS    5500   /* an orphan needs a second look */
#define CLAIMER_MAX_MS   40000  /* a block, a hung Redis, a reconnect and a pause are less */
#define OVERDUE_MS       30000
#define HEAP_FREE        ((size_t)1 << 20)      /* that a burst of tasks may leave behind */

struct pulse {
	struct worker *w;
	struct redis redis;
	struct selfcheck check;
	int64_t check_at_ms;
	unsigned connects, odd_beats;   /* in a row: `running` and `held` differ in number */
	char epoch[80];
	bool has_beaten, was_reaped, is_ready, was_stuck;
	uint64_t told_done;
};

/* ---- the heartbeat ---- */

static void write_waits_for(struct slot *s, struct buf *to)
{
	char text[160];

	memory_describe(&s->w->memory, &s->executor.turn, text, sizeof text);
	if (!*text)
		return;
	buf_puts(to, ",\"waits_for\":");
	buf_json_string(to, text);
}

static void write_slot(const struct lane_slot *s, struct slot *who, struct buf *to)
{
	const struct task *t = s->current->task;
	char at[CLOCK_TEXT];

	buf_printf(to, "{\"job\":\"%s\",\"ordinal\":%d,\"step\":", t->job, t->ordinal);
	buf_json_string(to, t->step);
	buf_puts(to, ",\"tool\":");
	buf_json_string(to, t->tool ? t->tool->name : "");
	buf_puts(to, ",\"queue\":");
	buf_json_string(to, t->queue);
	buf_printf(to, ",\"attempt\":%d,\"since\":\"%s\"", t->attempt, clock_format(s->since_us, at));
	write_waits_for(who, to);
	buf_puts(to, "}");
}

/* `slots` are those of the lane. */
static void write_lane(struct lane *l, struct slot *slots, struct buf *to, bool *is_first)
{
	scoped_lock(&l->lock);

	for (unsigned i = 0; i < l->nslots; i++) {
		if (!l->slots[i].current)
			continue;
		if (!*is_first)
			buf_puts(to, ",");
		*is_first = false;
		write_slot(&l->slots[i], &slots[i], to);
	}
}

void pulse_write(struct worker *w, struct buf *to)
{
	char at[CLOCK_TEXT];
	bool is_first = true;
	size_t granted, peak;

	buf_puts(to, "{\"worker\":");
	buf_json_string(to, w->name);
	buf_puts(to, ",\"host\":");
	buf_json_string(to, w->host);
	buf_printf(to, ",\"pid\":%d,\"version\":\"" VERSION "\",\"started_at\":\"%s\",\"slots\":{", (int)getpid(),
		clock_format(w->started_us, at));
	for (size_t i = 0; i < w->nlanes; i++) {
		buf_puts(to, i ? "," : "");
		buf_json_string(to, w->lanes[i].queue);
		buf_printf(to, ":%u", w->lanes[i].nslots);
	}
	buf_printf(to, "},\"state\":\"%s\",\"running\":[", peek(&w->is_draining) ? "draining" : "running");
	for (size_t i = 0, n = 0; i < w->nlanes; n += w->lanes[i++].nslots)
		write_lane(&w->lanes[i], &w->slots[n], to, &is_first);
	peak = memory_peak(&w->memory, &granted);
	buf_printf(to, "],\"memory\":{\"total\":%zu,\"task\":%zu,\"granted\":%zu,\"peak\":%zu}", w->memory.total, w->memory.most,
		granted, peak);
	inference_write(w->inference, to);
	buf_printf(to, ",\"done\":%llu,\"failed\":%llu,\"claiming\":%s}", (unsigned long long)peek(&w->done),
		(unsigned long long)peek(&w->failed), worker_may_claim(w) ? "true" : "false");
}

/* The contents of Redis are others than before: whatever was in `running` has to be there again. */
static void note_epoch(struct pulse *p, const char *epoch)
{
	if (p->has_beaten && strcmp(p->epoch, epoch) != 0) {
		log_info("redis.epoch", "from=%s to=%s", log_quote(p->epoch), log_quote(epoch));
		p->check_at_ms = 0;
		p->was_reaped = false;
	}
	snprintf(p->epoch, sizeof p->epoch, "%s", epoch);
}

static void note_beat(struct pulse *p, const redisReply *r)
{
	bool existed = r->element[0]->integer != 0;
	bool same_epoch = strcmp(p->epoch, r->element[2]->str) == 0;
	size_t running = (size_t)r->element[1]->integer;

	if (p->has_beaten && !existed && same_epoch) {
		log_warn("heartbeat.expired", "running=%zu held=%zu", running, held_count(&p->w->held));
		p->was_reaped = true;
		p->check_at_ms = 0;
	}
	note_epoch(p, r->element[2]->str);
	p->odd_beats = running == held_count(&p->w->held) ? 0 : p->odd_beats + 1;
	if (p->odd_beats >= 2 || p->connects != p->redis.connects || peek(&p->w->check_due))
		p->check_at_ms = min_of(p->check_at_ms, clock_mono_ms());
	if (p->odd_beats >= 2)
		p->odd_beats = 0;
	p->connects = p->redis.connects;
	poke(&p->w->check_due, false);
	p->has_beaten = true;
	worker_met(p->w, &p->w->met_redis);
}

static void note_breakers(struct pulse *p, const redisReply *texts)
{
	scoped(json_decref_p) json_t *list = json_array();

	for (size_t i = 0; i < texts->elements; i++)
		if (texts->element[i]->type == REDIS_REPLY_STRING)      /* what is no JSON is no open circuit */
			json_array_append_new(list, json_loadb(texts->element[i]->str, texts->element[i]->len, 0, NULL));
	backends_told(&p->w->backends, list);
}

static int beat(struct pulse *p, struct err *err)
{
	struct worker *w = p->w;
	scoped(freeReplyObject_p) redisReply *r = NULL;
	scoped(buf_free) struct buf text = { 0 };
	scoped(free_p) char *key = xasprintf("pixelfleet:worker:%s", w->name);

	pulse_write(w, &text);
	if (redis_script(&p->redis, "heartbeat", 5, 9, (const char *[]){ key, w->running_key, "pixelfleet:workers",
		    "pixelfleet:epoch", "pixelfleet:breakers", text.text, LIFE_MS, w->name, "pixelfleet:breaker:" }, NULL, &r, err) < 0)
		return -1;
	if (r->type != REDIS_REPLY_ARRAY || r->elements != 4 || r->element[0]->type != REDIS_REPLY_INTEGER
		|| r->element[1]->type != REDIS_REPLY_INTEGER || r->element[2]->type != REDIS_REPLY_STRING
		|| r->element[3]->type != REDIS_REPLY_ARRAY)
		return err_set(err, ERR_RETRY, "redis: the script heartbeat gave an answer of another shape");
	note_beat(p, r);
	note_breakers(p, r->element[3]);
	return 0;
}

static int check(struct pulse *p, struct err *err)
{
	int64_t now = clock_mono_ms();

	if (now < p->check_at_ms)
		return 0;
	if (selfcheck_run(&p->check, &p->redis, p->was_reaped, err) < 0)
		return -1;
	p->was_reaped = false;
	p->check_at_ms = now + (p->check.norphans ? CHECK_SOON_MS : CHECK_MS);
	return 0;
}

/* ---- the rest ---- */

static bool is_overdue(struct lane *l, int64_t now)
{
	scoped_lock(&l->lock);

	for (unsigned i = 0; i < l->nslots; i++)
		if (l->slots[i].deadline_ms && now > l->slots[i].deadline_ms + OVERDUE_MS)
			return true;
	return false;
}

static bool claimer_is_alive(struct lane *l, int64_t now)
{
	scoped_lock(&l->lock);

	return l->is_closed || now - l->claimer_tick_ms < CLAIMER_MAX_MS;
}

bool pulse_has_progress(struct worker *w, const char **ret_why)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < w->nlanes; i++) {
		*ret_why = "a claimer hangs";
		if (!claimer_is_alive(&w->lanes[i], now))
			return false;
		*ret_why = "a step is long over its time limit";
		if (is_overdue(&w->lanes[i], now))
			return false;
	}
	*ret_why = "the reporter hangs";
	return reporter_is_alive(&w->reporter);
}

static void tell_systemd(struct pulse *p)
{
	struct worker *w = p->w;
	const char *why;
	bool is_fine = pulse_has_progress(w, &why);

	if (is_fine && notify_watchdog_ms())
		notify_send("WATCHDOG=1");
	if (!is_fine && !p->was_stuck)
		log_error("worker.stuck", "error=%s", log_quote(why));
	p->was_stuck = !is_fine;
	if (worker_is_ready(w) && !p->is_ready) {
		p->is_ready = true;
		notify_send("READY=1");
		log_info("worker.ready", "worker=%s", w->name);
	}
	if (p->told_done != peek(&w->done) + peek(&w->failed)) {
		p->told_done = peek(&w->done) + peek(&w->failed);
		notify_send("STATUS=%zu held, %llu done, %llu failed", held_count(&w->held), (unsigned long long)peek(&w->done),
			(unsigned long long)peek(&w->failed));
	}
}

static void kill_late_runners(struct worker *w)
{
	for (size_t i = 0; i < w->nslots; i++)
		child_kill_if_late(&w->slots[i].executor.child, clock_mono_ms());
}

/* What it still holds (Redis was away when it was put back) keeps its name on the list: then a
 * dispatcher finds and moves it. */
static void sign_off(struct pulse *p)
{
	struct worker *w = p->w;
	scoped(freeReplyObject_p) redisReply *left = NULL;
	struct err err;

	if (redis_command(&p->redis, NULL, &err, "DEL pixelfleet:worker:%s", w->name) < 0
		|| redis_command(&p->redis, &left, &err, "LLEN %s", w->running_key) < 0) {
		log_warn("worker.unsigned", "error=%s", log_quote(err.msg));
		return;
	}
	if (left->type == REDIS_REPLY_INTEGER && left->integer > 0)
		log_warn("worker.left_behind", "tasks=%lld", left->integer);
	else if (redis_command(&p->redis, NULL, &err, "SREM pixelfleet:workers %s", w->name) < 0)
		log_warn("worker.unsigned", "error=%s", log_quote(err.msg));
}

static void sleep_until(struct worker *w, int64_t until_ms)
{
	scoped_lock(&w->pulse_lock);

	if (!peek(&w->is_leaving))
		cond_wait_until(&w->pulse_wake, &w->pulse_lock, until_ms);
}

static void *pulse_main(void *arg)
{
	struct pulse p = { .w = arg };
	struct worker *w = arg;
	struct err err;
	bool was_away = false;

	p.check.w = w;
	redis_init(&p.redis, w->conf->redis_url);
	while (!peek(&w->is_leaving)) {
		int64_t next_ms = clock_mono_ms() + (backends_any_open(&w->backends) ? BEAT_SOON_MS : BEAT_MS);

		if (beat(&p, &err) == 0 && check(&p, &err) == 0) {
			was_away = false;
		} else if (!was_away) {
			was_away = true;
			log_warn("heartbeat.failed", "error=%s", log_quote(err.msg));
		}
		progress_publish(&w->progress, &p.redis);
		tell_systemd(&p);
		kill_late_runners(w);
		heap_trim(HEAP_FREE);
		sleep_until(w, next_ms);
	}
	sign_off(&p);
	selfcheck_done(&p.check);
	redis_done(&p.redis);
	return NULL;
}

void pulse_start(struct worker *w)
{
	must(pthread_create(&w->pulse, NULL, pulse_main, w) == 0);
}

void pulse_join(struct worker *w)
{
	worker_wake_pulse(w);
	must(pthread_join(w->pulse, NULL) == 0);
}
