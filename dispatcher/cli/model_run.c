#include "model_run.h"
#include "clock.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM  "pixelfleet-infer"
#define LOAD_S   600            /* longest that a model may take to load and to run once */
#define SAID_MAX (1u << 20)     /* bytes of either stream */
#define MISSING  69             /* its exit code when there is no ONNX Runtime */
#define LATER    75             /* and when there is too little memory */

#define INSTALL "ONNX Runtime has to be installed: `make install` does, or on Debian 13 the package libonnxruntime-dev, or its official " \
	"build, whose libonnxruntime.so.1 belongs beside " PROGRAM " or in ../lib/pixelfleet"
#define INSTALL_CUDA "ONNX Runtime's build for CUDA has to be installed, with its libonnxruntime_providers_cuda.so beside " \
	"libonnxruntime.so.1, and CUDA itself; with PIXELFLEET_DEVICE=auto the CPU will do"

/* ---- the process ---- */

struct answer {
	struct buf out, msg;
	int status;             /* wait(2)'s */
	bool is_late;           /* it was killed for that */
};

static void answer_done(struct answer *a)
{
	buf_free(&a->out);
	buf_free(&a->msg);
}

/* What it heeds, and nothing that is secret: addresses with passwords and tokens are not a model's to see. */
static const char *const passed[] = { "PATH", "LANG", "LC_ALL", "TZ", "HOME", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
	"CUDA_DEVICE_ORDER", "PIXELFLEET_ONNXRUNTIME", "PIXELFLEET_DEVICE", "PIXELFLEET_INTRA_OP_THREADS", "PIXELFLEET_INFER_MEMORY_MB",
	"PIXELFLEET_LOG_LEVEL", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "FAULT", "FAULT_PAGE" };

struct environment {
	char *vars[countof(passed) + 1];
	size_t n;
};

static void environment_done(struct environment *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->vars[i]);
}

static void environment_fill(struct environment *e)
{
	for (size_t i = 0; i < countof(passed); i++)
		if (getenv(passed[i]))
			e->vars[e->n++] = xasprintf("%s=%s", passed[i], getenv(passed[i]));
}

static int spawn(const char *path, char *const *argv, const int to[2], pid_t *ret, struct err *err)
{
	scoped(environment_done) struct environment env = { 0 };
	posix_spawn_file_actions_t files;
	int rc;

	environment_fill(&env);
	must(posix_spawn_file_actions_init(&files) == 0);
	must(posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0);
	must(posix_spawn_file_actions_adddup2(&files, to[0], STDOUT_FILENO) == 0);
	must(posix_spawn_file_actions_adddup2(&files, to[1], STDERR_FILENO) == 0);
	must(posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1) == 0);
	rc = posix_spawn(ret, path, &files, NULL, argv, env.vars);
	posix_spawn_file_actions_destroy(&files);
	return rc == 0 ? 0 : err_set(err, ERR_RETRY, "cannot start '%.500s': %s", path, strerror(rc));
}

/* What comes beyond SAID_MAX is dropped. false: that was all. */
static bool take(int fd, struct buf *to)
{
	char piece[4096];
	ssize_t n = read(fd, piece, sizeof piece);

	if (n > 0 && to->len < SAID_MAX)
		buf_add(to, piece, (size_t)n);
	return n > 0 || (n < 0 && errno == EINTR);
}

/* Until it has closed both. */
static void listen_to(pid_t pid, const int from[2], int64_t until_ms, struct answer *a)
{
	struct pollfd fds[] = { { .fd = from[0], .events = POLLIN }, { .fd = from[1], .events = POLLIN } };
	struct buf *const to[] = { &a->out, &a->msg };

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int64_t left = until_ms - clock_mono_ms();

		if (left <= 0 && !a->is_late) {
			a->is_late = true;
			kill(pid, SIGKILL);
		}
		if (poll(fds, countof(fds), a->is_late ? -1 : (int)left) < 0)
			must(errno == EINTR);
		for (size_t i = 0; i < countof(fds); i++)
			if (fds[i].fd >= 0 && fds[i].revents && !take(fds[i].fd, to[i]))
				fds[i].fd = -1;
	}
}

static int run(const char *path, char *const *argv, long timeout_s, struct answer *a, struct err *err)
{
	int out[2], msg[2], rc;
	pid_t pid = 0;

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_set(err, ERR_RETRY, "cannot make a pipe: %s", strerror(errno));
	if (pipe2(msg, O_CLOEXEC) < 0) {
		close(out[0]);
		close(out[1]);
		return err_set(err, ERR_RETRY, "cannot make a pipe: %s", strerror(errno));
	}
	rc = spawn(path, argv, (const int[]){ out[1], msg[1] }, &pid, err);
	close(out[1]);
	close(msg[1]);
	if (rc == 0)
		listen_to(pid, (const int[]){ out[0], msg[0] }, clock_mono_ms() + timeout_s * 1000, a);
	close(out[0]);
	close(msg[0]);
	while (rc == 0 && waitpid(pid, &a->status, 0) < 0)
		must(errno == EINTR);
	return rc;
}

/* ---- what it says ---- */

/* The last line that it said itself, without its name. */
static const char *complaint(struct buf *msg)
{
	static const char name[] = PROGRAM ": ";
	char *found = NULL, *at = msg->text;

	while ((at = at ? strstr(at, name) : NULL)) {
		if (at == msg->text || at[-1] == '\n')
			found = at;
		at += sizeof name - 1;
	}
	if (!found)
		return "it said nothing that can be understood";
	found += sizeof name - 1;
	found[strcspn(found, "\n")] = '\0';
	return found;
}

static int refuse(struct cli *c, struct answer *a, const char *file, long timeout_s, struct err *err)
{
	const char *said = complaint(&a->msg), *signal = WIFSIGNALED(a->status) ? sigabbrev_np(WTERMSIG(a->status)) : NULL;
	int code = WIFEXITED(a->status) ? WEXITSTATUS(a->status) : 0;

	if (a->is_late)
		return cli_refuse(c, CLI_FAILED, err, "'%.300s' was not done after %ld seconds, and was stopped", file, timeout_s);
	if (WIFSIGNALED(a->status))
		return cli_refuse(c, CLI_FAILED, err, "'%.300s' ended " PROGRAM " by SIG%s: %.600s", file, signal ? signal : "?", said);
	if (code == MISSING)
		return cli_refuse(c, CLI_TROUBLE, err, "%.600s. %s", said,
			strcmp(c->conf.device, "cuda") == 0 ? INSTALL_CUDA : INSTALL);
	return cli_refuse(c, code == LATER ? CLI_TROUBLE : CLI_FAILED, err, "%.900s", said);
}

static int ask(struct cli *c, const char *file, char *const *argv, long timeout_s, json_t **ret, struct err *err)
{
	scoped(answer_done) struct answer a = { 0 };
	json_error_t e;
	char path[1100];
	json_t *j;

	c->code = CLI_TROUBLE;
	if (program_find(PROGRAM, path, sizeof path, err) < 0) {
		err_wrap(err, "models run in a worker's program, which has to be installed here (make install)");
		return -1;
	}
	if (run(path, argv, timeout_s, &a, err) < 0)
		return -1;
	if (a.is_late || !WIFEXITED(a.status) || WEXITSTATUS(a.status) != 0)
		return refuse(c, &a, file, timeout_s, err);
	j = json_loadb(a.out.text ? a.out.text : "", a.out.len, JSON_REJECT_DUPLICATES, &e);
	if (!json_is_object(j)) {
		json_decref(j);
		return cli_refuse(c, CLI_FAILED, err, "'%.300s': " PROGRAM " answered what is no JSON object: %.200s", file, e.text);
	}
	*ret = j;
	return 0;
}

int model_look(struct cli *c, const char *path, json_t **ret, struct err *err)
{
	scoped(free_p) char *file = xasprintf("--check=%s", path), *name = xstrdup(PROGRAM);

	return ask(c, path, (char *const[]){ name, file, NULL }, LOAD_S, ret, err);
}

int model_bench(struct cli *c, const char *path, const struct model_bench *how, json_t **ret, struct err *err)
{
	scoped(free_p) char *file = xasprintf("--bench=%s", path), *name = xstrdup(PROGRAM);
	scoped(free_p) char *callers = xasprintf("--callers=%ld", how->callers), *seconds = xasprintf("--seconds=%ld", how->seconds);
	scoped(free_p) char *batch = xasprintf("--batch=%ld", how->batch);

	return ask(c, path, (char *const[]){ name, file, callers, seconds, batch, NULL }, LOAD_S + how->seconds, ret, err);
}

/* ---- what a model takes and gives ---- */

static int read_port(const json_t *from, struct port *to, struct err *err)
{
	const char *type = json_string_value(json_object_get(from, "datatype"));
	const json_t *shape = json_object_get(from, "shape"), *size;
	size_t i;

	*to = (struct port){ .type = type ? dtype_named(type) : NULL, .rank = json_array_size(shape) };
	if (!to->type || to->rank > SIGNATURE_RANK)
		return err_set(err, ERR_REJECT, PROGRAM " told of a tensor that nobody knows");
	snprintf(to->name, sizeof to->name, "%s", cli_str(from, "name"));
	json_array_foreach(shape, i, size)
		to->shape[i] = json_integer_value(size);
	return 0;
}

static int read_ports(const json_t *from, struct port *to, size_t *ret_n, struct err *err)
{
	const json_t *one;
	size_t i;

	if (json_array_size(from) > SIGNATURE_PORTS)
		return err_set(err, ERR_REJECT, PROGRAM " told of %zu tensors; %d are the most", json_array_size(from), SIGNATURE_PORTS);
	json_array_foreach(from, i, one)
		if (read_port(one, &to[i], err) < 0)
			return -1;
	*ret_n = json_array_size(from);
	return 0;
}

int model_signature(const json_t *look, struct signature *ret, struct err *err)
{
	*ret = (struct signature){ 0 };
	if (read_ports(json_object_get(look, "inputs"), ret->in, &ret->nin, err) < 0)
		return -1;
	return read_ports(json_object_get(look, "outputs"), ret->out, &ret->nout, err);
}
