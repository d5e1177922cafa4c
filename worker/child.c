#include "child.h"

#include "clock.h"
#include "log.h"
#include "child_spawn.h"
#include "program.h"
#include "sync.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS  30000         /* a cold start reads libvips from disk */
#define LEAVE_MS  1000          /* for its exit handlers: coverage, sanitizer reports */
#define STALL_S   10            /* longest pause inside one message */
#define CPU_MORE_S 2            /* over what its task may use */

void child_init(struct child *c, const struct child_kind *kind, const struct conf *conf)
{
	*c = (struct child){ .kind = kind, .conf = conf, .sock = -1, .peak = -1, .words = -1 };
	mutex_init(&c->lock);
}

void child_done(struct child *c)
{
	child_end(c);
	pthread_mutex_destroy(&c->lock);
}

/* ---- life and death ---- */

void child_set_late(struct child *c, int64_t late_ms)
{
	scoped_lock(&c->lock);

	c->late_ms = late_ms;
}

void child_kill_if_late(struct child *c, int64_t now_ms)
{
	scoped_lock(&c->lock);

	if (c->pid && c->late_ms && now_ms > c->late_ms) {
		log_warn("runner.late", "pid=%d", (int)c->pid);
		kill(-c->pid, SIGKILL);
	}
}

/* What it wrote, when it is text at all: it may have been somebody else's by then. */
static void take_words(struct child *c)
{
	ssize_t n = c->words < 0 ? 0 : pread(c->words, c->said, sizeof c->said - 1, 0);

	c->said[max_of(n, (ssize_t)0)] = '\0';
	for (char *p = c->said; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	close_p(&c->words);
	c->words = -1;
}

void child_bury(struct child *c, int *ret_status, size_t *ret_peak_kb)
{
	struct rusage usage = { 0 };
	pid_t pid;
	int status = 0;

	lock(&c->lock);         /* after this nobody sends it a signal: its number may be somebody else's */
	pid = c->pid;
	c->pid = 0;
	c->late_ms = 0;
	unlock(&c->lock);
	must(pid > 0);
	kill(-pid, SIGKILL);
	while (wait4(pid, &status, 0, &usage) < 0)
		must(errno == EINTR);
	take_words(c);
	close(c->sock);
	c->sock = -1;
	close_p(&c->peak);
	c->peak = -1;
	c->cpu_s = 0;
	c->tasks = 0;
	c->asked = 0;
	*ret_status = status;
	*ret_peak_kb = (size_t)usage.ru_maxrss;
}

bool child_died(const struct child *c, unsigned within_ms)
{
	for (int64_t until = clock_mono_ms() + within_ms;;) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == c->pid)
			return true;
		if (clock_mono_ms() >= until)
			return false;
		clock_sleep_ms(1);
	}
}

void child_end(struct child *c)
{
	size_t peak_kb;
	int status;

	if (!c->pid)
		return;
	shutdown(c->sock, SHUT_RDWR);
	child_died(c, LEAVE_MS);
	child_bury(c, &status, &peak_kb);
}

int child_await_fd(int sock, int64_t until_ms, const bool *stop, int wake_fd, struct err *err)
{
	for (;;) {
		struct pollfd fds[] = { { .fd = sock, .events = POLLIN }, { .fd = wake_fd, .events = POLLIN } };
		int64_t left = until_ms - clock_mono_ms();

		if (stop && peek(stop))
			return err_set(err, ERR_CANCEL, "stopped");
		if (left <= 0)
			return err_set(err, ERR_RETRY, "timed out");
		if (poll(fds, 2, (int)min_of(left, (int64_t)60000)) < 0)
			must(errno == EINTR);
		else if (fds[0].revents)
			return 0;
		else if (fds[1].revents && !peek(stop))
			clock_sleep_ms(1);      /* the one who wakes us is about to say why */
	}
}

int child_await(struct child *c, int64_t until_ms, const bool *stop, int wake_fd, struct err *err)
{
	return child_await_fd(c->sock, until_ms, stop, wake_fd, err);
}

/* The next thing that it says. */
static int hear(struct child *c, json_t **ret, int *fds, size_t *n, struct err *err)
{
	if (child_await(c, clock_mono_ms() + START_MS, NULL, -1, err) < 0)
		return -1;
	if (wire_recv_json(c->sock, ret, fds, n, err) != WIRE_MESSAGE)
		return err_set(err, ERR_RETRY, "it left at once");
	return 0;
}

/* Once: all runners of a worker have the same kernel. */
static void note_sandbox(struct child *c, const json_t *state)
{
	static atomic_flag is_noted = ATOMIC_FLAG_INIT;
	int landlock = (int)json_integer_value(json_object_get(state, "landlock"));

	(void)c;
	if (!atomic_flag_test_and_set(&is_noted))
		log_event(landlock ? LOG_INFO_ : LOG_WARN_, "runner.sandbox", "landlock=%d seccomp=%s", landlock,
			json_is_true(json_object_get(state, "seccomp")) ? "yes" : "no");
}

/* Room for the largest picture without compression: 4 bands of 16 bits. */
static json_int_t file_mib(const struct conf *conf)
{
	return (json_int_t)(conf->max_image_size >> 17) + 64;
}

static json_t *runner_setup(const struct child *c)
{
	return json_pack("{s:s, s:i, s:I}", "do", "setup", "memory_mb", (int)c->conf->runner_memory_mb, "file_mb", file_mib(c->conf));
}

const struct child_kind child_runner = { "pixelfleet-runner", "the runner", runner_setup, note_sandbox };

static int set_up(struct child *c, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL, *setup = c->kind->setup(c);
	const char *why, *kind_name;
	enum err_kind kind;

	must(setup != NULL);
	if (wire_send_json(c->sock, setup, NULL, 0, err) < 0 || hear(c, &answer, NULL, NULL, err) < 0)
		return -1;
	why = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
	kind_name = json_string_value(json_object_get(json_object_get(answer, "error"), "kind"));
	if (!kind_name || err_kind_parse(kind_name, &kind) < 0 || kind == ERR_CANCEL)
		kind = ERR_RETRY;
	if (!json_is_true(json_object_get(answer, "setup")))
		return err_set(err, kind, "%s", why ? why : "it did not say that its sandbox is closed");
	c->kind->on_up(c, answer);
	return 0;
}

static int handshake(struct child *c, struct err *err)
{
	scoped(json_decref_p) json_t *hello = NULL;
	const struct timeval stall = { .tv_sec = STALL_S };
	int fds[WIRE_FDS];
	size_t n = 0;

	setsockopt(c->sock, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
	setsockopt(c->sock, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
	if (hear(c, &hello, fds, &n, err) < 0)
		return -1;
	if (n > 0)
		c->words = fds[--n];
	while (n > 0)
		close(fds[--n]);
	if (!json_is_true(json_object_get(hello, "ready")))
		return err_set(err, ERR_RETRY, "it did not say that it is ready");
	return set_up(c, err);
}

void child_describe_end(int status, char *text, size_t size)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	/* With SIGSYS blocked it has no last words: glibc 2.41 blocks all signals while it forks. */
	if (sig)
		snprintf(text, size, "killed by SIG%s%s", sigabbrev_np(sig) ? sigabbrev_np(sig) : "?",
			sig == SIGXCPU ? " (out of CPU time)" :
			sig == SIGSYS ? " (a call that the sandbox refuses, signals blocked, as in fork)" : "");
	else
		snprintf(text, size, "left with exit status %d", WEXITSTATUS(status));
}

static int spawn(struct child *c, pid_t *ret_pid, struct err *err)
{
	char path[1100];

	if (!c->path && program_find(c->kind->program, path, sizeof path, err) < 0)
		return -1;
	return child_spawn(c->path ? c->path : path, c->conf->models_dir, ret_pid, &c->sock, err);
}

int child_start(struct child *c, struct err *err)
{
	char ended[96];
	size_t peak_kb;
	pid_t pid;
	int status;

	if (c->pid && !child_died(c, 0))
		return 0;
	if (c->pid)             /* between two tasks: nobody's fault */
		child_bury(c, &status, &peak_kb);
	if (spawn(c, &pid, err) < 0)
		return -1;
	lock(&c->lock);
	c->pid = pid;
	unlock(&c->lock);
	if (handshake(c, err) == 0)
		return 0;
	child_died(c, LEAVE_MS);
	child_bury(c, &status, &peak_kb);
	child_describe_end(status, ended, sizeof ended);
	return err_wrap(err, "starting %s (%s)", c->kind->noun, ended);
}

/* ---- its memory and time ---- */

void child_limit_cpu(struct child *c, unsigned timeout_s)
{
	static long cpus;               /* they are counted in a file */
	struct rlimit most = { .rlim_max = RLIM_INFINITY };
	struct timespec used;

	if (!peek(&cpus))
		poke(&cpus, max_of(sysconf(_SC_NPROCESSORS_ONLN), 1L));
	if ((!c->cpu_s && clock_getcpuclockid(c->pid, &c->clock) != 0) || clock_gettime(c->clock, &used) < 0)
		return;                 /* it is gone */
	most.rlim_cur = (rlim_t)used.tv_sec + (rlim_t)timeout_s * (rlim_t)peek(&cpus) + CPU_MORE_S;
	if (most.rlim_cur == c->cpu_s)
		return;                 /* as for the task before */
	if (prlimit(c->pid, RLIMIT_CPU, &most, NULL) < 0)
		log_warn("runner.unlimited", "what=cpu error=%s", log_quote(strerror(errno)));
	else
		c->cpu_s = most.rlim_cur;
}

void child_reset_peak(struct child *c)
{
	char path[64];

	if (c->peak < 0) {
		snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)c->pid);
		c->peak = open(path, O_WRONLY | O_CLOEXEC);
	}
	if (c->peak >= 0 && write(c->peak, "5", 1) < 0)
		return;                 /* then the peak is that of all its tasks */
}

size_t child_peak_kb(const struct child *c)
{
	char path[64], text[2048];
	scoped(close_p) int fd = -1;
	const char *line;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/status", (int)c->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	text[max_of(n, (ssize_t)0)] = '\0';
	line = strstr(text, "VmHWM:");
	return line ? strtoul(line + 6, NULL, 10) : 0;
}
