#include "alone.h"
#include "clock.h"
#include "conf.h"
#include "fault.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "sync.h"
#include "tools.h"
#include "worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#define LOOK_MS 50              /* how soon --once and a finished drain are noticed */

static int complain(const struct err *err, int status)
{
	fprintf(stderr, "pixelfleet-worker: %s\n", err->msg);
	return status;
}

static void set_up_log(const struct conf *conf)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	enum log_level level = LOG_INFO_;

	for (size_t i = 0; i < countof(names); i++)
		if (strcmp(conf->log_level, names[i]) == 0)
			level = (enum log_level)i;
	log_setup(level, strcmp(conf->log, "json") == 0);
}

static int print_tools(bool json)
{
	scoped(buf_free) struct buf b = { 0 };
	json_t *list = json_array();
	size_t n;
	const struct tool *all = tools_all(&n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, tool_describe(&all[i]));
	buf_json(&b, list);
	json_decref(list);
	if (json)
		printf("%s\n", b.text);
	else
		tools_print(stdout);
	return 0;
}

/* The signal that came within ms, or 0. */
static int next_signal(const sigset_t *signals, unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	int signal = sigtimedwait(signals, NULL, &t);

	return signal < 0 ? 0 : signal;
}

static void work_until_told(struct worker *w, const sigset_t *signals)
{
	for (;;) {
		int signal = next_signal(signals, w->once ? LOOK_MS : 1000);

		if (signal == SIGUSR1)
			worker_log_state(w);
		else if (signal)
			return;
		if (w->once && peek(&w->once_status) >= 0)
			return;
	}
}

static void drain(struct worker *w, const sigset_t *signals)
{
	int64_t until = clock_mono_ms() + (int64_t)w->conf->worker_drain_s * 1000;

	notify_send("STOPPING=1\nSTATUS=draining");
	log_info("worker.drain", "held=%zu seconds=%u", held_count(&w->held), w->conf->worker_drain_s);
	worker_drain_begin(w);
	while (!worker_is_idle(w) && clock_mono_ms() < until) {
		int signal = next_signal(signals, LOOK_MS);

		if (signal == SIGUSR1)
			worker_log_state(w);
		else if (signal)
			break;          /* somebody is in a hurry */
	}
}

static int run(const struct conf *conf, const struct worker_options *o, const sigset_t *signals)
{
	struct worker w;
	struct err err;

	if (worker_start(&w, conf, o->slots ? o->slots : conf->slots, o->mode == WORKER_ONCE, &err) < 0)
		return complain(&err, err.kind == ERR_REJECT ? 2 : 1);
	work_until_told(&w, signals);
	drain(&w, signals);
	worker_stop(&w);
	return w.once ? max_of(w.once_status, 0) : 0;
}

static int work(const struct worker_options *o)
{
	scoped(conf_done) struct conf conf = { 0 };
	sigset_t signals;
	struct err err;

	if (conf_load(&conf, (const char *const *)environ, &err) < 0)
		return complain(&err, 2);
	if (o->mode == WORKER_CONFIG)
		return conf_print(&conf, stdout), 0;
	if (conf_need_token(&conf, &err) < 0)
		return complain(&err, 2);
	set_up_log(&conf);
	signal(SIGPIPE, SIG_IGN);
	if (o->mode == WORKER_TASK)
		return alone_task(&conf, o->task_file);
	if (o->mode == WORKER_CHECK)
		return alone_check(&conf);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	must(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);         /* before any thread: all inherit it */
	return run(&conf, o, &signals);
}

int main(int argc, char **argv)
{
	struct worker_options o;
	struct err err;

	heap_setup(1);          /* 64 slots would have 16 arenas, and each keeps what a burst left in it */
	must(sodium_init() >= 0);
	if (worker_options_parse(argc, argv, &o, &err) < 0)
		return complain(&err, 2);
	switch (o.mode) {
	case WORKER_HELP:    return worker_options_help(stdout), 0;
	case WORKER_VERSION: return printf("pixelfleet-worker " VERSION "\n"), 0;
	case WORKER_TOOLS:   return print_tools(o.json);
	case WORKER_FAULTS:  return faults_print(stdout), 0;
	case WORKER_RUN:
	case WORKER_ONCE:
	case WORKER_TASK:
	case WORKER_CHECK:
	case WORKER_CONFIG:  return work(&o);
	}
	return 2;
}
