#include "alone.h"

#include "clock.h"
#include "exec.h"
#include "redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES ((size_t)4 << 20)

static const int exit_status[] = { [ERR_RETRY] = 3, [ERR_REJECT] = 4, [ERR_CANCEL] = 5 };

static void fclose_p(FILE **f)
{
	if (*f && *f != stdin)
		fclose(*f);
}

static int read_file(const char *file, struct buf *to, struct err *err)
{
	scoped(fclose_p) FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	char chunk[4096];
	size_t n;

	if (!f)
		return err_set(err, ERR_REJECT, "cannot read '%s': %s", file, strerror(errno));
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
		buf_add(to, chunk, n);
		if (to->len > FILE_MAX_BYTES)
			return err_set(err, ERR_REJECT, "'%s' has more than %zu bytes", file, FILE_MAX_BYTES);
	}
	if (ferror(f))
		return err_set(err, ERR_REJECT, "cannot read '%s': %s", file, strerror(errno));
	while (to->len && strchr(" \t\r\n", to->text[to->len - 1]))
		to->text[--to->len] = '\0';
	return 0;
}

static int load_task(const char *file, struct task **ret, struct err *err)
{
	scoped(buf_free) struct buf text = { 0 };

	if (read_file(file, &text, err) < 0)
		return -1;
	return task_parse(text.text ? text.text : "", text.len, NULL, ret, err);
}

static int trouble(const struct err *err)
{
	fprintf(stderr, "pixelfleet-worker: %s\n", err->msg);
	return 1;
}

static int run_and_print(const struct conf *conf, struct store *store, const struct task *t)
{
	scoped(close_p) int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	scoped(task_result_done) struct task_result result = { 0 };
	scoped(buf_free) struct buf report = { 0 };
	struct inference *inference = inference_new(conf, 1, NULL);
	struct memory_budget memory;
	struct executor x;
	bool stop = false;
	struct err err;
	int status;

	memory_budget_open(&memory, conf);
	if (executor_init(&x, conf, store, &memory, inference, wake_fd, &err) < 0) {
		inference_free(inference);
		return trouble(&err);
	}
	exec_task(&x, t, &stop, clock_mono_ms() + (int64_t)t->timeout_s * 1000, &result);
	executor_done(&x);
	inference_free(inference);
	memory_budget_done(&memory);
	task_report(t, &result, "alone", &report);
	status = result.failed ? exit_status[result.err.kind] : 0;
	printf("%s\n", report.text);
	return status;
}

int alone_task(const struct conf *conf, const char *file)
{
	scoped(task_free_p) struct task *t = NULL;
	scoped(store_close) struct store store = { .dir = -1 };
	struct err err;

	if (load_task(file, &t, &err) < 0 || store_open(&store, conf->artifacts, &err) < 0)
		return trouble(&err);
	return run_and_print(conf, &store, t);
}

/* ---- --check ---- */

static int check_redis(const struct conf *conf, struct err *err)
{
	struct redis r;
	int rc;

	redis_init(&r, conf->redis_url);
	rc = redis_command(&r, NULL, err, "PING");
	redis_done(&r);
	return rc;
}

static int check_dispatcher(const struct conf *conf, struct err *err)
{
	scoped(upstream_close) struct upstream u = { 0 };
	scoped(http_response_done) struct http_response answer = { 0 };

	if (upstream_open(&u, conf, err) < 0 || upstream_call(&u, "/health", NULL, 0, 5, 65536, NULL, &answer, err) < 0)
		return -1;
	if (answer.status != 200)
		return err_set(err, ERR_RETRY, "'%s' answers %u", u.urls[u.current], answer.status);
	return 0;
}

static int check_store(const struct conf *conf, struct err *err)
{
	scoped(store_close) struct store store = { .dir = -1 };
	scoped(close_p) int fd = -1;

	if (store_open(&store, conf->artifacts, err) < 0)
		return -1;
	return store_create(&store, &fd, err);
}

static int check_runner(const struct conf *conf, struct err *err)
{
	struct child r;
	int rc;

	child_init(&r, &child_runner, conf);
	rc = child_start(&r, err);
	child_done(&r);
	return rc;
}

static int check_triton(const struct conf *conf, struct err *err)
{
	struct httpc *http = httpc_new();
	struct triton t;
	int rc;

	triton_init(&t, conf, http);
	rc = triton_ready(&t, NULL, err);
	triton_done(&t);
	httpc_free(http);
	return rc;
}

/* Needed by steps that run models, so where there is no directory of models it is not. */
static int check_inference(const struct conf *conf)
{
	char text[120];
	struct stat st;
	struct err err;
	int rc;

	if (stat(conf->models_dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	rc = inference_check(conf, text, sizeof text, &err);
	printf("%-11s %s%s%s\n", "inference", rc == 0 ? "ok (" : "", rc == 0 ? text : err.msg, rc == 0 ? ")" : "");
	return rc == 0 ? 0 : 1;
}

static const struct {
	const char *name;
	int (*check)(const struct conf *conf, struct err *err);
} checks[] = {
	{ "redis", check_redis },
	{ "dispatcher", check_dispatcher },
	{ "artifacts", check_store },
	{ "runner", check_runner },
	{ "triton", check_triton },
};

int alone_check(const struct conf *conf)
{
	int status = 0;

	for (size_t i = 0; i < countof(checks); i++) {
		struct err err;

		if (checks[i].check == check_triton && !*conf->triton_url)
			continue;
		if (checks[i].check(conf, &err) == 0) {
			printf("%-11s ok\n", checks[i].name);
		} else {
			printf("%-11s %s\n", checks[i].name, err.msg);
			status = 1;
		}
	}
	return status | check_inference(conf);
}
