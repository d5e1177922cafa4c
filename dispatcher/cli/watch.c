#include "watch.h"
#include "api.h"
#include "clock.h"
#include "progress.h"
#include "sse.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS     500
#define DRAW_MS     100         /* between two pictures of the bars, at least */
#define PATIENCE_MS 60000       /* how long no dispatcher may answer */
#define STREAM_S    60          /* then asks again, in case the connection died unnoticed */

struct watch {
	struct cli *c;
	FILE *to;
	struct cli_look look;
	struct cli_progress *jobs;
	size_t njobs;
	int64_t drawn_ms;
	bool drawn;             /* the bars are on the screen, the cursor is below them */
	bool streams;           /* the event stream has not failed so far */
	bool got_event;
	struct cli_sse sse;
};

static volatile bool stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = true;
}

static void draw_bars(struct watch *w, bool now)
{
	int64_t now_ms = clock_mono_ms();
	scoped(buf_free) struct buf b = { 0 };

	if (!w->look.live || w->c->json || (!now && w->drawn && now_ms - w->drawn_ms < DRAW_MS))
		return;
	if (w->drawn)
		buf_printf(&b, "\033[%zuA", w->njobs);
	for (size_t i = 0; i < w->njobs; i++) {
		scoped(buf_free) struct buf bar = { 0 };

		cli_progress_bar(&w->jobs[i], &w->look, now_ms, &bar);
		buf_puts(&b, "\r");
		cli_styled(&b, &w->look, cli_state_style(w->jobs[i].state), bar.text);
		buf_puts(&b, "\033[K\n");
	}
	fwrite(b.text, 1, b.len, w->to);
	fflush(w->to);
	w->drawn = true;
	w->drawn_ms = now_ms;
}

static void say_change(struct watch *w, const struct cli_progress *p)
{
	scoped(buf_free) struct buf b = { 0 };

	if (w->c->json) {
		scoped(json_decref_p) json_t *o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "id", p->id, "state", p->state,
			"total", p->total, "succeeded", p->succeeded, "failed", p->failed, "skipped", p->skipped,
			"cancelled", p->cancelled);

		if (o)
			buf_json(&b, o);
	} else {
		cli_progress_line(p, &b);
	}
	buf_puts(&b, "\n");
	fputs(b.text, w->to);
	fflush(w->to);
}

static void take(struct watch *w, struct cli_progress *p, const json_t *job)
{
	bool was_over = cli_progress_has_ended(p), changed = cli_progress_update(p, job, clock_mono_ms());

	if (changed && (!w->look.live || w->c->json))
		say_change(w, p);
	draw_bars(w, was_over != cli_progress_has_ended(p));
}

static int refresh(struct watch *w, struct cli_progress *p, struct err *err)
{
	scoped(json_decref_p) json_t *job = NULL;
	scoped(free_p) char *id = cli_url_part(p->id);

	if (cli_get(w->c, &job, err, "/api/v1/jobs/%s?limit=1", id) < 0)
		return -1;
	/* From here on under its real id: events know no other. */
	if (*cli_str(job, "id")) {
		free(p->id);
		p->id = xstrdup(cli_str(job, "id"));
	}
	if (!*p->label) {
		free(p->label);
		p->label = *cli_str(job, "pipeline") ? xstrdup(cli_str(job, "pipeline")) : xstrdup(p->id);
	}
	take(w, p, job);
	return 0;
}

static void show_note(struct watch *w, struct cli_progress *p, const json_t *told)
{
	scoped(buf_free) struct buf b = { 0 };

	cli_progress_note(p, told);
	if (!w->look.live && !w->c->json) {
		cli_progress_note_line(p, &b);
		fprintf(w->to, "%s\n", b.text);
		fflush(w->to);
	}
	draw_bars(w, true);
}

static bool on_event(void *arg, const char *type, const char *data)
{
	struct watch *w = arg;
	scoped(json_decref_p) json_t *job = json_loads(data, 0, NULL);

	if (strcmp(type, "progress") == 0 && strcmp(cli_str(job, "id"), w->jobs[0].id) == 0)
		show_note(w, &w->jobs[0], job);
	if (strcmp(type, "job") != 0 || strcmp(cli_str(job, "id"), w->jobs[0].id) != 0)
		return true;
	w->got_event = true;
	take(w, &w->jobs[0], job);
	return !cli_progress_has_ended(&w->jobs[0]);
}

static bool on_data(void *arg, const char *bytes, size_t n)
{
	struct watch *w = arg;
	bool go_on = cli_sse_feed(&w->sse, bytes, n);

	draw_bars(w, false);
	return go_on && !stop;
}

static void stream(struct watch *w)
{
	unsigned status;

	w->got_event = false;
	w->sse = (struct cli_sse){ .on_event = on_event, .arg = w };
	cli_stream(w->c, w->jobs[0].id, STREAM_S, &stop, on_data, w, &status);
	cli_sse_done(&w->sse);
	w->streams = w->got_event;
}

static bool is_over(const struct watch *w)
{
	for (size_t i = 0; i < w->njobs; i++)
		if (!cli_progress_has_ended(&w->jobs[i]))
			return false;
	return true;
}

static int refresh_open(struct watch *w, struct err *err)
{
	for (size_t i = 0; i < w->njobs; i++)
		if (!cli_progress_has_ended(&w->jobs[i]) && refresh(w, &w->jobs[i], err) < 0)
			return -1;
	draw_bars(w, false);
	return 0;
}

static int follow(struct watch *w, struct err *err)
{
	int64_t heard_ms = clock_mono_ms();

	while (!is_over(w) && !stop) {
		if (w->streams)
			stream(w);
		if (is_over(w) || stop)
			break;
		clock_sleep_ms(POLL_MS);
		if (refresh_open(w, err) == 0) {
			heard_ms = clock_mono_ms();
			continue;
		}
		if (w->c->code != CLI_TROUBLE || clock_mono_ms() - heard_ms > PATIENCE_MS)
			return -1;
	}
	draw_bars(w, true);
	return 0;
}

static enum cli_exit exit_of(const struct watch *w)
{
	static const struct { const char *state; enum cli_exit code; } worst_first[] = {
		{ "failed", CLI_FAILED }, { "partial", CLI_PARTIAL }, { "cancelled", CLI_CANCELLED },
	};

	for (size_t k = 0; k < countof(worst_first); k++)
		for (size_t i = 0; i < w->njobs; i++)
			if (strcmp(w->jobs[i].state, worst_first[k].state) == 0)
				return worst_first[k].code;
	return CLI_OK;
}

static int watch_all(struct watch *w, struct err *err)
{
	struct sigaction on = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND }, old_int, old_term;
	int rc;

	/* What a person would see as an error at once is not waited for. */
	for (size_t i = 0; i < w->njobs; i++)
		if (refresh(w, &w->jobs[i], err) < 0)
			return -1;
	stop = false;
	sigaction(SIGINT, &on, &old_int);
	sigaction(SIGTERM, &on, &old_term);
	rc = follow(w, err);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	return rc;
}

int cli_watch(struct cli *c, const char *const *ids, size_t n, FILE *to, const struct cli_look *look, struct err *err)
{
	struct watch w = { .c = c, .to = to, .look = *look, .njobs = n, .streams = n == 1 };
	enum cli_exit code;
	int rc;

	w.jobs = xcalloc(n, sizeof *w.jobs);
	for (size_t i = 0; i < n; i++)
		cli_progress_init(&w.jobs[i], ids[i], "");
	rc = watch_all(&w, err);
	code = exit_of(&w);
	for (size_t i = 0; i < n; i++)
		cli_progress_free(&w.jobs[i]);
	free(w.jobs);
	if (rc < 0)
		return -1;
	if (!stop)
		return code;
	if (!c->json)
		fprintf(c->msg, "interrupted; the job goes on ('pixelfleet cancel' ends it)\n");
	return CLI_INTERRUPTED;
}
