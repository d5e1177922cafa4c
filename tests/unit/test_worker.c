#include "test.h"

#include "clock.h"
#include "http_stub.h"
#include "log.h"
#include "redis.h"
#include "sync.h"
#include "worker.h"

#include <signal.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOB   "00000000-0000-7000-8000-000000000001"
#define OTHER "00000000-0000-7000-8000-000000000002"
#define TOKEN "0123456789abcdef0123456789abcdef"

/* A worker between a Redis of its own and a dispatcher that accepts everything. */
struct scene {
	pid_t redis_pid;
	char *redis_url;
	struct redis redis;
	struct http_stub dispatcher;
	unsigned reports, failures;     /* atomic */
	bool refuses;                   /* a dispatcher that takes failures only */
	struct conf conf;
	struct sealer sealer;
	struct worker worker;
};

static unsigned times(const char *text, const char *word)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
		n++;
	return n;
}

static int dispatch(void *arg, const char *request, struct buf *head, struct buf *body)
{
	struct scene *s = arg;
	unsigned n = times(request, "\"run\":");

	(void)head;
	buf_puts(body, "{\"answers\":[");
	for (const char *p = request; (p = strstr(p, "\"run\":")); p++) {
		const char *next = strstr(p + 1, "\"run\":"), *good = strstr(p, "\"succeeded\"");

		buf_puts(body, body->text[body->len - 1] == '[' ? "" : ",");
		buf_puts(body, s->refuses && good && (!next || good < next) ? "{\"refused\":\"data: not like that\"}" : "\"accepted\"");
	}
	buf_puts(body, "],\"answer\":\"go\"}");
	bump(&s->reports, n);
	bump(&s->failures, times(request, "\"status\":\"failed\""));
	return 200;
}

static bool start_redis(struct scene *s)
{
	/* It ends with us, however we end, and holds no pipe of ours open. */
	const char *const argv[] = { "setpriv", "--pdeathsig", "KILL", "redis-server", "--port", "0", "--unixsocket", test_path("redis"), "--save", "",
		"--dir", test_dir(), "--logfile", test_path("redis.log"), NULL };
	posix_spawn_file_actions_t quiet;
	struct err err;
	int rc;

	must(posix_spawn_file_actions_init(&quiet) == 0);
	must(posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0) == 0);
	must(posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0) == 0);
	rc = posix_spawnp(&s->redis_pid, "setpriv", &quiet, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&quiet);
	if (rc != 0)
		return false;
	s->redis_url = xasprintf("unix://%s", test_path("redis"));
	redis_init(&s->redis, s->redis_url);
	for (int i = 0; i < 500; i++) {
		if (redis_command(&s->redis, NULL, &err, "PING") == 0)
			return true;
		clock_sleep_ms(10);
	}
	return false;
}

static void scene_open(struct scene *s, const char *slots)
{
	scoped(free_p) char *redis = NULL, *data = NULL, *dispatcher = NULL;
	struct err err;

	memset(s, 0, sizeof *s);
	if (!start_redis(s)) {
		print_message("skipped: no redis-server that starts\n");
		skip();
	}
	http_stub_open(&s->dispatcher, dispatch, s);
	redis = xasprintf("REDIS_URL=%s", s->redis_url);
	data = xasprintf("PIXELFLEET_DATA_DIR=%s/data", test_dir());
	dispatcher = xasprintf("PIXELFLEET_DISPATCHER_URL=%s", s->dispatcher.url);
	assert_int_equal(conf_load(&s->conf, (const char *const[]){ redis, data, dispatcher, "PROCESSING_INTERNAL_TOKEN=" TOKEN, NULL },
		&err), 0);
	sealer_init(&s->sealer, TOKEN, "");
	assert_int_equal(redis_command(&s->redis, NULL, &err, "SET pixelfleet:epoch one"), 0);
	log_setup(LOG_BUG_, false);
	assert_int_equal(worker_start(&s->worker, &s->conf, slots, false, &err), 0);
}

static void scene_close(struct scene *s)
{
	log_setup(LOG_INFO_, false);
	redis_done(&s->redis);
	http_stub_close(&s->dispatcher);
	kill(s->redis_pid, SIGTERM);
	waitpid(s->redis_pid, NULL, 0);
	free(s->redis_url);
	conf_done(&s->conf);
}

static void push(struct scene *s, const char *job, const char *tool, const char *params, unsigned n)
{
	struct err err;

	for (unsigned i = 0; i < n; i++) {
		scoped(buf_free) struct buf b = { 0 };

		buf_printf(&b, "{\"v\":1,\"job\":\"%s\",\"step\":\"s\",\"item\":0,\"ordinal\":%u,\"attempt\":1,\"tool\":\"%s\",\"queue\":\"io\","
			"\"timeout_s\":60,\"params\":%s,\"inputs\":[]", job, i, tool, params);
		seal_add(&s->sealer, &b, 0);
		assert_int_equal(redis_command(&s->redis, NULL, &err, "RPUSH pixelfleet:queue:io %b", b.text, b.len), 0);
	}
}

static long long length(struct scene *s, const char *key)
{
	scoped(freeReplyObject_p) redisReply *r = NULL;
	struct err err;

	assert_int_equal(redis_command(&s->redis, &r, &err, "LLEN %s", key), 0);
	return r->integer;
}

#define wait_for(condition)                                                                    \
	do {                                                                                   \
		int64_t until_ = clock_mono_ms() + 30000;                                      \
		while (!(condition)) {                                                         \
			if (clock_mono_ms() > until_)                                          \
				fail_msg("still not: %s", #condition);                         \
			clock_sleep_ms(2);                                                     \
		}                                                                              \
	} while (0)

TEST(threads_worker_runs_reports_and_acknowledges)
{
	struct scene s;

	scene_open(&s, "io=3");
	push(&s, JOB, "noop", "{}", 300);
	push(&s, JOB, "fail", "{}", 5);
	wait_for(peek(&s.reports) == 305);
	assert_int_equal(peek(&s.failures), 5);
	wait_for(length(&s, s.worker.running_key) == 0);
	worker_drain_begin(&s.worker);
	assert_true(worker_is_idle(&s.worker));
	worker_stop(&s.worker);
	assert_int_equal(length(&s, "pixelfleet:queue:io"), 0);
	scene_close(&s);
}

TEST(threads_worker_tells_of_a_failure_when_its_result_is_refused)
{
	struct scene s;

	scene_open(&s, "io=1");
	s.refuses = true;
	push(&s, JOB, "noop", "{}", 1);
	wait_for(peek(&s.failures) == 1);
	wait_for(length(&s, s.worker.running_key) == 0);
	worker_drain_begin(&s.worker);
	worker_stop(&s.worker);
	assert_int_equal(length(&s, "pixelfleet:dlq:io"), 0);
	scene_close(&s);
}

TEST(threads_worker_stops_what_was_cancelled_and_nothing_else)
{
	struct scene s;
	struct err err;

	scene_open(&s, "io=3");
	push(&s, JOB, "sleep", "{\"seconds\":50}", 2);
	push(&s, OTHER, "sleep", "{\"seconds\":50}", 1);
	wait_for(lane_busy(&s.worker.lanes[0]) == 3);
	/* Whoever does not listen yet does not hear it: say it until somebody does. */
	wait_for(redis_command(&s.redis, NULL, &err, "PUBLISH pixelfleet:control %s", "{\"cancel\":\"" JOB "\"}") == 0
		&& peek(&s.reports) == 2);
	assert_int_equal(peek(&s.failures), 2);
	assert_int_equal(lane_busy(&s.worker.lanes[0]), 1);
	worker_drain_begin(&s.worker);
	worker_stop(&s.worker);
	assert_int_equal(peek(&s.reports), 2);
	assert_int_equal(length(&s, "pixelfleet:queue:io"), 1);
	scene_close(&s);
}

TEST(threads_worker_parks_again_what_a_flush_has_lost)
{
	struct scene s;
	struct err err;

	scene_open(&s, "io=2");
	push(&s, JOB, "sleep", "{\"seconds\":50}", 2);
	wait_for(lane_busy(&s.worker.lanes[0]) == 2);
	assert_int_equal(redis_command(&s.redis, NULL, &err, "FLUSHALL"), 0);
	wait_for(length(&s, s.worker.running_key) == 2);
	worker_drain_begin(&s.worker);
	worker_stop(&s.worker);
	assert_int_equal(length(&s, "pixelfleet:queue:io"), 2);
	scene_close(&s);
}

TEST(threads_worker_turns_nonsense_into_dead_letters)
{
	struct scene s;
	struct err err;
	scoped(freeReplyObject_p) redisReply *r = NULL;
	json_t *letter;

	scene_open(&s, "io=1");
	assert_int_equal(redis_command(&s.redis, NULL, &err, "RPUSH pixelfleet:queue:io %b", "\xff{no", (size_t)4), 0);
	wait_for(length(&s, "pixelfleet:dlq:io") == 1);
	assert_int_equal(redis_command(&s.redis, &r, &err, "LINDEX pixelfleet:dlq:io 0"), 0);
	letter = json_loadb(r->str, r->len, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(letter, "raw")), "\xef\xbf\xbd{no");
	json_decref(letter);
	worker_drain_begin(&s.worker);
	worker_stop(&s.worker);
	scene_close(&s);
}
