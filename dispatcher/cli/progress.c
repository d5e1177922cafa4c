#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_MS 10000
#define NOTE_COLUMNS 60
#define LEAST_MS  200           /* a speed from less is noise */

void cli_progress_init(struct cli_progress *p, const char *id, const char *label)
{
	*p = (struct cli_progress){ .id = xstrdup(id), .label = xstrdup(label) };
}

void cli_progress_free(struct cli_progress *p)
{
	free(p->id);
	free(p->label);
	free(p->note);
	*p = (struct cli_progress){ 0 };
}

json_int_t cli_progress_done(const struct cli_progress *p)
{
	return p->succeeded + p->failed + p->skipped + p->cancelled;
}

bool cli_progress_has_ended(const struct cli_progress *p)
{
	return *p->state && strcmp(p->state, "running") != 0;
}

static bool change(json_int_t *to, const json_t *job, const char *key)
{
	const json_t *value = json_object_get(job, key);
	json_int_t old = *to;

	if (json_is_integer(value))
		*to = json_integer_value(value);
	return *to != old;
}

bool cli_progress_update(struct cli_progress *p, const json_t *job, int64_t now_ms)
{
	const char *state = cli_str(job, "state");
	bool changed = *state && strcmp(state, p->state) != 0;

	if (p->nsamples == 0)
		p->began_ms = now_ms;
	if (*state)
		snprintf(p->state, sizeof p->state, "%s", state);
	changed |= change(&p->total, job, "total");
	changed |= change(&p->succeeded, job, "succeeded");
	changed |= change(&p->failed, job, "failed");
	changed |= change(&p->skipped, job, "skipped");
	changed |= change(&p->cancelled, job, "cancelled");
	if (changed) {
		free(p->note);
		p->note = NULL;
	}
	p->samples[p->nsamples++ % CLI_SAMPLES] = (struct cli_sample){ now_ms, cli_progress_done(p) };
	return changed;
}

void cli_progress_note(struct cli_progress *p, const json_t *told)
{
	scoped(buf_free) struct buf b = { 0 };

	cli_cut(&b, cli_str(told, "what"), NOTE_COLUMNS);
	if (cli_int(told, "bytes") > 0) {
		buf_puts(&b, " (");
		cli_bytes(&b, (double)cli_int(told, "bytes"));
		buf_puts(&b, ")");
	}
	free(p->note);
	p->note = buf_take(&b);
}

double cli_progress_rate(const struct cli_progress *p, int64_t now_ms)
{
	size_t oldest = p->nsamples > CLI_SAMPLES ? p->nsamples - CLI_SAMPLES : 0;
	const struct cli_sample *from;
	int64_t ms;

	if (p->nsamples < 2)
		return 0;
	while (oldest + 1 < p->nsamples && now_ms - p->samples[oldest % CLI_SAMPLES].at_ms > WINDOW_MS)
		oldest++;
	from = &p->samples[oldest % CLI_SAMPLES];
	ms = now_ms - from->at_ms;
	return ms < LEAST_MS ? 0 : (double)(cli_progress_done(p) - from->done) * 1000 / (double)ms;
}

static void add_blocks(const struct cli_progress *p, const struct cli_look *look, size_t room, struct buf *to)
{
	size_t full = p->total > 0 ? (size_t)(cli_progress_done(p) * (json_int_t)room / p->total) : 0;

	buf_puts(to, "[");
	for (size_t i = 0; i < room; i++)
		buf_puts(to, look->unicode ? (i < full ? "█" : "░") : (i < full ? "#" : "-"));
	buf_puts(to, "]");
}

static void add_count(struct buf *to, json_int_t n, const char *what)
{
	if (n > 0)
		buf_printf(to, "  %" JSON_INTEGER_FORMAT " %s", n, what);
}

/* "  512/1000  51%  3 failed  120/s  4.1 s left" */
static void add_numbers(const struct cli_progress *p, int64_t now_ms, struct buf *to)
{
	json_int_t done = cli_progress_done(p);
	double rate = cli_progress_rate(p, now_ms);

	buf_printf(to, "  %" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT "  %d%%", done, p->total,
		p->total > 0 ? (int)(done * 100 / p->total) : 0);
	add_count(to, p->failed, "failed");
	add_count(to, p->skipped, "skipped");
	add_count(to, p->cancelled, "cancelled");
	if (cli_progress_has_ended(p)) {
		buf_printf(to, "  %s in ", p->state);
		cli_duration(to, (double)(now_ms - p->began_ms) / 1000);
	} else if (p->note) {
		buf_printf(to, "  %s", p->note);
	} else if (rate > 0) {
		buf_printf(to, rate < 10 ? "  %.1f/s  " : "  %.0f/s  ", rate);
		cli_duration(to, (double)(p->total - done) / rate);
		buf_puts(to, " left");
	}
}

void cli_progress_bar(const struct cli_progress *p, const struct cli_look *look, int64_t now_ms, struct buf *to)
{
	scoped(buf_free) struct buf numbers = { 0 }, bar = { 0 };
	size_t columns = look->columns > 20 ? look->columns - 1 : 20, label, room;

	add_numbers(p, now_ms, &numbers);
	label = min_of(cli_width(p->label), columns / 4);
	room = columns - min_of(columns, label + 4 + cli_width(numbers.text));
	cli_cut(&bar, p->label, label);
	buf_puts(&bar, "  ");
	if (room >= 5)
		add_blocks(p, look, min_of(room, 50u), &bar);
	buf_add(&bar, numbers.text, numbers.len);
	cli_cut(to, bar.text, columns);         /* a line that wraps cannot be drawn again */
}

void cli_progress_note_line(const struct cli_progress *p, struct buf *to)
{
	buf_printf(to, "%s %s", p->id, p->note ? p->note : "");
}

void cli_progress_line(const struct cli_progress *p, struct buf *to)
{
	buf_printf(to, "%s %s %" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT, p->id, p->state, cli_progress_done(p), p->total);
	add_count(to, p->failed, "failed");
	add_count(to, p->skipped, "skipped");
	add_count(to, p->cancelled, "cancelled");
}
