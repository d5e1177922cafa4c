#include "breaker.h"
#include "clock.h"
#include "dispatcher.h"
#include "fault.h"
#include "housekeeping.h"
#include "http.h"
#include "intake.h"
#include "log.h"
#include "migrate.h"
#include "notify.h"
#include "metrics.h"
#include "origin.h"
#include "pg.h"
#include "purge.h"
#include "queues.h"
#include "redis.h"
#include "watch.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

extern char **environ;

static void help(FILE *to)
{
	fputs("usage: pixelfleet-dispatcher [OPTION]\n"
	      "Takes submissions from Redis and HTTP, plans their steps, and keeps what became of them in PostgreSQL.\n\n"
	      "  --config         print the settings, secrets starred, and end\n"
	      "  --check          ask Redis and PostgreSQL for an answer, and end\n"
	      "  --tools [--json] list the tools and their parameters, and end\n"
	      "  --faults         list the fault points of a test build, and end\n"
	      "  --migrate-only   bring the database up to date, and end\n"
	      "  --help, --version\n\n"
	      "Exit status: 0 stopped by SIGTERM or SIGINT, 1 trouble, 2 wrong options or settings.\n\n"
	      "Settings (environment):\n", to);
	conf_help(to);
}

static int list_tools(bool json)
{
	size_t n;
	const struct tool *tools = tools_all(&n);

	if (!json) {
		tools_print(stdout);
		return 0;
	}
	for (size_t k = 0; k < n; k++) {
		scoped(json_decref_p) json_t *t = tool_describe(&tools[k]);

		json_dumpf(t, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
		putchar('\n');
	}
	return 0;
}

static int check(const struct conf *c)
{
	struct redis redis;
	struct pg pg;
	struct err err;
	int rc = 0;

	redis_init(&redis, c->redis_url);
	pg_init(&pg, c->database_url, NULL);
	if (redis_command(&redis, NULL, &err, "PING") < 0)
		rc = 1, printf("redis: %s\n", err.msg);
	else
		printf("redis: ok\n");
	if (pg_query(&pg, NULL, &err, "SELECT count(*) FROM job", PG_NONE) < 0)
		rc = 1, printf("postgresql: %s\n", err.msg);
	else
		printf("postgresql: ok\n");
	redis_done(&redis);
	pg_done(&pg);
	return rc;
}

static int register_tools(struct pg *pg, struct err *err)
{
	size_t n;
	const struct tool *tools = tools_all(&n);

	for (size_t k = 0; k < n; k++) {
		scoped(json_decref_p) json_t *t = tool_describe(&tools[k]);
		scoped(buf_free) struct buf text = { 0 };

		buf_json(&text, t);
		if (pg_query(pg, NULL, err, "INSERT INTO tool (name, description) VALUES ($1, $2::jsonb) "
				"ON CONFLICT (name) DO UPDATE SET description = excluded.description", PG_VALUES(tools[k].name, text.text)) < 0)
			return -1;
	}
	return 0;
}

static int prepare_database(const struct conf *c, struct err *err)
{
	struct pg pg;
	int rc;

	if (migrate_run(c->database_url, NULL, err) < 0)
		return -1;
	pg_init(&pg, c->database_url, NULL);
	rc = pg_script(&pg, "SELECT make_partitions(now())", err) < 0 ? -1 : register_tools(&pg, err);
	pg_done(&pg);
	return rc;
}

/* Waits for a database that is not there yet; one that refuses is an error. false: told to stop meanwhile. */
static bool wait_for_database(const struct conf *c, const sigset_t *signals, struct err *err)
{
	const struct timespec second = { .tv_sec = 1 };

	while (prepare_database(c, err) < 0) {
		int got;

		if (err->kind != ERR_RETRY)
			return false;
		log_warn("dispatcher.waiting", "error=%s", log_quote(err->msg));
		got = sigtimedwait(signals, NULL, &second);
		if (got > 0 && got != SIGUSR1)
			return false;
	}
	return true;
}

static void make_id(char *id, size_t size)
{
	char host[80] = "localhost";

	gethostname(host, sizeof host - 1);
	snprintf(id, size, "%s-%d-%06x", host, (int)getpid(), randombytes_random() & 0xffffff);
}

#define STUCK_MS 20000          /* housekeeping's loop was not seen for so long: something hangs */

static void log_state(const struct dispatcher *d)
{
	int64_t now = clock_mono_ms();

	log_info("dispatcher.state", "dispatcher=%s accepted=%llu ended=%llu batches=%llu failures=%llu pushed=%llu redis_seen_ms=%lld "
		"postgresql_seen_ms=%lld chores_ms=%lld watch_ms=%lld rebuilding=%d pushes_owed=%d", d->id,
		(unsigned long long)metric_get(METRIC_JOBS_ACCEPTED), (unsigned long long)metric_get(METRIC_JOBS_ENDED),
		(unsigned long long)metric_get(METRIC_LEDGER_BATCHES), (unsigned long long)metric_get(METRIC_LEDGER_FAILURES),
		(unsigned long long)metric_get(METRIC_PUSHED), (long long)(now - d->redis_seen_ms), (long long)(now - d->pg_seen_ms),
		(long long)(now - d->chores_ms), (long long)(now - d->watch_ms), d->rebuilding, d->pushes_owed);
}

/* Until SIGTERM or SIGINT. The watchdog is fed by the loops going round, not by this thread being alive. */
static void wait_for_end(struct dispatcher *d, const sigset_t *signals)
{
	const struct timespec second = { .tv_sec = 1 };

	for (;;) {
		int got = sigtimedwait(signals, NULL, &second);

		if (got == SIGUSR1)
			log_state(d);
		else if (got > 0)
			return;
		if (clock_mono_ms() - d->chores_ms < STUCK_MS && clock_mono_ms() - d->watch_ms < STUCK_MS)
			notify_send("WATCHDOG=1");
	}
}

static int serve(struct dispatcher *d, const sigset_t *signals, struct err *err)
{
	struct http_server *http = NULL;
	struct housekeeping *chores;
	struct intake *intake;
	struct watch *watch;

	d->queues = queues_new(d->conf.queue_window);
	d->purge = purge_new();
	d->breakers = breakers_new(d->conf.breaker_patience_s, d->conf.breaker_probe_s);
	d->ledger = ledger_start(d);
	if (http_start(d, &http, err) < 0) {
		ledger_stop(d->ledger);
		queues_free(d->queues);
		purge_free(d->purge);
		breakers_free(d->breakers);
		return -1;
	}
	watch = watch_start(d);
	chores = housekeeping_start(d);
	intake = intake_start(d);
	log_info("dispatcher.ready", "dispatcher=%s", d->id);
	notify_send("READY=1\nSTATUS=taking submissions");
	wait_for_end(d, signals);
	notify_send("STOPPING=1");
	log_info("dispatcher.stopping", "dispatcher=%s", d->id);
	d->stopping = true;
	intake_stop(intake);
	http_stop(http);
	housekeeping_stop(chores);
	watch_stop(watch);
	ledger_stop(d->ledger);
	queues_free(d->queues);
	purge_free(d->purge);
	breakers_free(d->breakers);
	return 0;
}

static int run(struct conf *conf)
{
	struct dispatcher *d = xcalloc(1, sizeof *d);
	struct err err = { .kind = ERR_REJECT };
	sigset_t signals;
	int rc = 0;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);     /* before any thread: all inherit it */
	signal(SIGPIPE, SIG_IGN);
	d->conf = *conf;
	make_id(d->id, sizeof d->id);
	sealer_init(&d->sealer, conf->internal_token, conf->internal_token_previous);
	d->definitions = definition_cache_new();
	d->origins = origins_new(&d->conf, &err);
	if (!d->origins)
		rc = 2;
	else if (!wait_for_database(conf, &signals, &err))
		rc = err.kind == ERR_RETRY ? 0 : 1;
	else if (serve(d, &signals, &err) < 0)
		rc = 1;
	if (rc)
		log_error("dispatcher.failed", "error=%s", log_quote(err.msg));
	origins_free(d->origins);
	definition_cache_free(d->definitions);
	free(d);
	return rc;
}

enum { OPT_CONFIG = 256, OPT_CHECK, OPT_TOOLS, OPT_JSON, OPT_FAULTS, OPT_MIGRATE, OPT_HELP, OPT_VERSION };

static int parse(int argc, char **argv, int *ret_act, bool *ret_json)
{
	static const struct option options[] = {
		{ "config", no_argument, NULL, OPT_CONFIG }, { "check", no_argument, NULL, OPT_CHECK },
		{ "tools", no_argument, NULL, OPT_TOOLS }, { "json", no_argument, NULL, OPT_JSON },
		{ "faults", no_argument, NULL, OPT_FAULTS }, { "migrate-only", no_argument, NULL, OPT_MIGRATE },
		{ "help", no_argument, NULL, OPT_HELP }, { "version", no_argument, NULL, OPT_VERSION }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == '?')
			return -1;
		if (c == OPT_JSON)
			*ret_json = true;
		else
			*ret_act = c == 'h' ? OPT_HELP : c;
	}
	if (optind < argc)
		fprintf(stderr, "pixelfleet-dispatcher: unexpected argument '%s' (see --help)\n", argv[optind]);
	return optind < argc ? -1 : 0;
}

static int act_on(int act, bool json, struct conf *conf, struct err *err)
{
	switch (act) {
	case OPT_CONFIG:
		conf_print(conf, stdout);
		return 0;
	case OPT_CHECK:
		return check(conf);
	case OPT_MIGRATE:
		if (migrate_run(conf->database_url, stdout, err) == 0)
			return 0;
		fprintf(stderr, "pixelfleet-dispatcher: %s\n", err->msg);
		return 1;
	case OPT_TOOLS:
		return list_tools(json);
	default:
		break;
	}
	if (conf_need_token(conf, err) < 0) {
		fprintf(stderr, "pixelfleet-dispatcher: %s\n", err->msg);
		return 2;
	}
	return run(conf);
}

int main(int argc, char **argv)
{
	scoped(conf_done) struct conf conf = { 0 };
	bool json = false;
	struct err err;
	int act = 0;

	heap_setup(1);
	if (parse(argc, argv, &act, &json) < 0)
		return 2;
	if (act == OPT_HELP)
		return help(stdout), 0;
	if (act == OPT_VERSION)
		return puts("pixelfleet-dispatcher " VERSION), 0;
	if (act == OPT_FAULTS)
		return faults_print(stdout), 0;
	must(sodium_init() >= 0);
	if (conf_load(&conf, (const char *const *)environ, &err) < 0) {
		fprintf(stderr, "pixelfleet-dispatcher: %s\n", err.msg);
		return 2;
	}
	log_setup(strcmp(conf.log_level, "debug") == 0 ? LOG_DEBUG_ : strcmp(conf.log_level, "warn") == 0 ? LOG_WARN_ :
		strcmp(conf.log_level, "error") == 0 ? LOG_ERROR_ : LOG_INFO_, strcmp(conf.log, "json") == 0);
	return act_on(act, json, &conf, &err);
}
