#include "inference_process.h"

#include "clock.h"
#include "log.h"
#include "memory_budget.h"
#include "program.h"
#include "sync.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM      "pixelfleet-infer"
#define PAUSE_MS     100        /* before the third start in a row; doubled for each more */
#define PAUSE_MAX_MS 10000
#define TRIES        3          /* starts that one request waits for */
#define LEAVE_MS     1000
#define STALL_S      2          /* longest that it may not read a word of ours */

static json_int_t models_mb(const struct conf *conf)
{
	size_t total, most;

	if (conf->models_memory_mb)
		return (json_int_t)conf->models_memory_mb;
	memory_limits(conf, memory_available("/proc/self/cgroup", "/sys/fs/cgroup"), &total, &most);
	return (json_int_t)(total / 2 >> 20);
}

static int callers(const struct inference_process *p)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), most = max_of((int)p->nslots, 1);

	if (p->conf->infer_callers)
		return (int)p->conf->infer_callers;
	return cpus < 1 ? 1 : min_of(cpus, most);
}

static json_t *setup_of(const struct child *c)
{
	const struct conf *conf = c->conf;

	return json_pack("{s:s, s:i, s:I, s:i, s:i, s:i, s:s, s:s}", "do", "setup", "memory_mb", (int)conf->infer_memory_mb,
		"models_mb", models_mb(conf), "callers", callers(c->arg), "intra_op", (int)conf->intra_op_threads,
		"batch_max", (int)conf->batch_max, "device", conf->device, "library", conf->onnxruntime);
}

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static void note_up(struct child *c, const json_t *state)
{
	struct inference_process *p = c->arg;
	const char *note = p->life ? "" : text_of(state, "note");       /* why there is no CUDA is said once */
	scoped_lock(&p->lock);

	snprintf(p->device, sizeof p->device, "%s", text_of(state, "device"));
	snprintf(p->version, sizeof p->version, "%s", text_of(state, "onnxruntime"));
	log_info("inference.started", "pid=%d device=%s onnxruntime=%s landlock=%d seccomp=%s%s%s", (int)p->child.pid,
		log_quote(p->device), log_quote(p->version), (int)json_integer_value(json_object_get(state, "landlock")),
		json_is_true(json_object_get(state, "seccomp")) ? "yes" : "no", *note ? " note=" : "", *note ? log_quote(note) : "");
}

static const struct child_kind kind = { PROGRAM, "the inference process", setup_of, note_up };

void inference_process_init(struct inference_process *p, const struct conf *conf, unsigned nslots, const char *program)
{
	*p = (struct inference_process){ .conf = conf, .nslots = nslots, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	must(p->wake_fd >= 0);
	mutex_init(&p->lock);
	cond_init(&p->changed);
	child_init(&p->child, &kind, conf);
	p->child.path = program;
	p->child.arg = p;
}

static void wake(const struct inference_process *p)
{
	uint64_t one = 1;

	must(write(p->wake_fd, &one, sizeof one) == sizeof one || errno == EAGAIN);
}

/* ---- life and death: the thread's ---- */

static int64_t pause_ms(const struct inference_process *p)
{
	unsigned doublings = p->falls < 2 ? 0 : min_of(p->falls - 2, 10u);

	return p->falls < 2 ? 0 : min_of((int64_t)PAUSE_MS << doublings, (int64_t)PAUSE_MAX_MS);
}

static void note_fall(struct inference_process *p, bool is_hopeless)
{
	p->falls++;
	p->not_before_ms = clock_mono_ms() + (is_hopeless ? PAUSE_MAX_MS : pause_ms(p));
}

/* A program that is not installed is not there at the next try, either. */
static int start_child(struct inference_process *p, struct err *err)
{
	char path[1100];

	if (p->child.path && access(p->child.path, X_OK) < 0)
		return err_set(err, ERR_REJECT, "the program '%s' is not there", p->child.path);
	if (!p->child.path && program_find(PROGRAM, path, sizeof path, err) < 0) {
		err->kind = ERR_REJECT;
		return -1;
	}
	return child_start(&p->child, err);
}

static void start(struct inference_process *p)
{
	struct err err;
	int rc;

	unlock(&p->lock);
	rc = start_child(p, &err);
	if (rc == 0) {
		const struct timeval stall = { .tv_sec = STALL_S };

		setsockopt(p->child.sock, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
	}
	lock(&p->lock);
	p->is_wanted = false;
	if (rc == 0) {
		p->is_up = true;
		p->is_doomed = false;
		p->life++;
		p->why = (struct err){ 0 };
	} else {
		err_wrap(&err, "models cannot be run in this worker (backend 'onnx')");
		log_error("inference.failed", "error=%s", log_quote(err.msg));
		p->why = err;
		p->failures++;
		note_fall(p, err.kind == ERR_REJECT);
	}
	pthread_cond_broadcast(&p->changed);
}

static void describe_end(const struct child *c, int status, size_t peak_kb, struct inference_death *ret)
{
	char ended[96];

	child_describe_end(status, ended, sizeof ended);
	ret->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (*c->said)
		snprintf(ret->text, sizeof ret->text, "was stopped: %s (%s, peak memory %zu MiB)", c->said, ended, peak_kb / 1024);
	else
		snprintf(ret->text, sizeof ret->text, "was lost: %s, peak memory %zu MiB", ended, peak_kb / 1024);
}

static void bury(struct inference_process *p)
{
	struct inference_death how;
	size_t peak_kb;
	int status;

	p->is_up = false;               /* from here on nobody writes to child.sock */
	unlock(&p->lock);
	child_bury(&p->child, &status, &peak_kb);
	describe_end(&p->child, status, peak_kb, &how);
	lock(&p->lock);
	if (p->is_doomed)
		snprintf(how.text, sizeof how.text, "was killed: it did not answer any more");
	log_warn("inference.died", "how=%s", log_quote(how.text));
	note_fall(p, false);
	if (p->on_death)
		p->on_death(p->arg, &how);
	p->is_doomed = false;
	pthread_cond_broadcast(&p->changed);
}

static void clear_wake(const struct inference_process *p)
{
	uint64_t n;

	if (read(p->wake_fd, &n, sizeof n) < 0)
		must(errno == EAGAIN);
}

/* What it says unasked is not for us, and half a message is not waited for. */
static bool has_ended(int sock)
{
	char piece[4096];
	ssize_t n = recv(sock, piece, sizeof piece, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Something happened, or it is time. true: it is gone. */
static bool watch(struct inference_process *p, int wait_ms)
{
	struct pollfd fds[] = { { .fd = p->wake_fd, .events = POLLIN }, { .fd = p->is_up ? p->child.sock : -1, .events = POLLIN } };
	bool is_gone = false;

	unlock(&p->lock);
	if (poll(fds, countof(fds), wait_ms) < 0)
		must(errno == EINTR);
	else
		is_gone = fds[1].revents && has_ended(fds[1].fd);
	clear_wake(p);
	if (is_gone)                    /* its own end shall be seen, not ours for it */
		child_died(&p->child, LEAVE_MS);
	lock(&p->lock);
	return is_gone;
}

static void *process_main(void *arg)
{
	struct inference_process *p = arg;
	scoped_lock(&p->lock);

	while (!p->is_leaving) {
		int64_t left = p->not_before_ms - clock_mono_ms();

		if (!p->is_up && p->is_wanted && left <= 0)
			start(p);
		else if (watch(p, !p->is_up && p->is_wanted ? (int)left : -1) || (p->is_up && p->is_doomed))
			bury(p);
	}
	p->is_up = false;
	child_end(&p->child);
	return NULL;
}

void inference_process_done(struct inference_process *p)
{
	lock(&p->lock);
	p->is_leaving = true;
	unlock(&p->lock);
	wake(p);
	if (p->has_thread)
		must(pthread_join(p->thread, NULL) == 0);
	child_done(&p->child);
	close(p->wake_fd);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
}

/* ---- what slots ask for ---- */

int inference_process_ask(struct inference_process *p, unsigned seen, struct err *err)
{
	if (p->is_up)
		return 1;
	if (p->failures - seen >= TRIES || (p->failures != seen && p->why.kind == ERR_REJECT) ||
	    (p->why.kind == ERR_REJECT && clock_mono_ms() < p->not_before_ms)) {
		*err = p->why;
		return -1;
	}
	if (!p->has_thread)
		must(pthread_create(&p->thread, NULL, process_main, p) == 0);
	p->has_thread = true;
	if (!p->is_wanted)
		wake(p);
	p->is_wanted = true;
	return 0;
}

int inference_process_connect(struct inference_process *p, int *ret_sock, struct err *err)
{
	static const char hello[] = "{\"do\":\"connect\"}";
	int ends[2], rc;

	must(p->is_up);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, ERR_RETRY, "cannot make a socket for the inference process: %s", strerror(errno));
	rc = wire_send(p->child.sock, hello, sizeof hello - 1, &ends[1], 1, err);
	close(ends[1]);
	if (rc < 0) {
		struct pollfd end = { .fd = p->child.sock, .events = POLLRDHUP };

		close(ends[0]);
		if (poll(&end, 1, 0) == 0)      /* else its thread sees the same */
			inference_process_kill(p);
		return -1;
	}
	*ret_sock = ends[0];
	return 0;
}

void inference_process_kill(struct inference_process *p)
{
	p->is_doomed = true;
	wake(p);
}

void inference_process_worked(struct inference_process *p)
{
	p->falls = 0;
}
