#include "child_task.h"

#include "child_infer.h"
#include "clock.h"
#include "inputs.h"
#include "reference.h"
#include "wire.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LATE_MS      15000      /* so long after the deadline somebody else ends a stuck exchange */
#define OUTPUTS_MAX  64
#define TENSORS_BYTES ((size_t)32 << 20)        /* tensors up to that are not waited for */
#define EARLY_MS     250
#define AHEAD_SHARE  16         /* of the worker's memory a slot takes no more unasked */
#define FORGETS      32         /* and with each task so much less of it */

struct exchange {               /* what goes over the socket for one task */
	struct child *child;
	const struct child_task *job;
	struct task_result *result;
	json_t *inputs;         /* as the runner reads them */
	int in[WIRE_FDS];       /* open to the end: what was read of a reference is judged then */
	struct reference_watch watch[WIRE_FDS];
	const json_t *artifact[WIRE_FDS];
	size_t nin;
	int out[OUTPUTS_MAX];   /* -1: told done */
	size_t nout;
	int64_t deadline_ms;    /* moves by the time it waits for memory */
	bool is_given;          /* the runner has, or may have, something of the task */
	int signal;             /* that the process which runs models died of this task by, or 0 */
	bool has_failed;        /* an output could not be kept: `err` says why, whatever the runner thinks */
	struct err err;
};

static void close_inputs(struct exchange *x)
{
	for (size_t i = 0; i < x->nin; i++)
		close(x->in[i]);
	x->nin = 0;
}

static void exchange_done(struct exchange *x)
{
	memory_give(x->job->memory.budget, x->job->memory.turn);
	json_decref(x->inputs);
	close_inputs(x);
	for (size_t i = 0; i < x->nout; i++)
		store_discard(x->job->store, &x->out[i]);
}

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

/* ---- inputs ---- */

static int add_file(struct exchange *x, const json_t *artifact, json_t *entry, struct err *err)
{
	static const char *const names[] = { "digest", "name", "media_type", "origin" };
	size_t size;

	if (x->nin == WIRE_FDS)
		return err_set(err, ERR_REJECT, "more than %d files as inputs of one step", WIRE_FDS);
	if (artifact_open(x->child->conf, x->job->store, artifact, &x->in[x->nin], &size, &x->watch[x->nin], err) < 0)
		return err_wrap(err, "input from step '%.100s'", text_of(entry, "step"));
	x->artifact[x->nin] = artifact;
	json_object_set_new(entry, "fd", json_integer((json_int_t)x->nin++));
	for (size_t i = 0; i < countof(names); i++)
		if (json_object_get(artifact, names[i]))
			json_object_set(entry, names[i], json_object_get(artifact, names[i]));
	return 0;
}

static int add_input(struct exchange *x, const json_t *input, struct err *err)
{
	scoped(json_decref_p) json_t *data = NULL;
	const json_t *item = json_object_get(input, "item");
	json_t *entry = json_object();

	json_array_append_new(x->inputs, entry);
	json_object_set_new(entry, "step", json_string(text_of(input, "step")));
	json_object_set_new(entry, "item", json_integer(json_is_integer(item) ? json_integer_value(item) : -1));
	if (!input_is_data(input))
		return add_file(x, json_object_get(input, "artifact"), entry, err);
	if (input_data(x->job->store, input, &data, err) < 0)
		return -1;
	json_object_set(entry, "data", data);
	return 0;
}

/* About as much as a task before asked for, when that is little of what all have, and nobody waits for it. It becomes less, for
 * pictures do, until one asks again. What runs a model waits for that first, and shall hold nothing meanwhile. */
static size_t take_memory(const struct exchange *x)
{
	const struct child_memory *m = &x->job->memory;
	size_t bytes = x->child->asked;

	if (strcmp(x->job->task->tool->queue, "infer") == 0 || !bytes || bytes > m->budget->total / AHEAD_SHARE ||
	    !memory_try(m->budget, m->turn, bytes))
		return 0;
	x->child->asked -= bytes / FORGETS;
	return bytes;
}

/* What the runner will ask for in any case goes with the task: each question would have it wait for this process. Returns how many
 * descriptors go along. */
static size_t add_ahead(struct exchange *x, json_t *message, int *fds)
{
	size_t n = x->nin, bytes = take_memory(x);
	struct err err;

	memcpy(fds, x->in, n * sizeof *fds);
	if (bytes)
		json_object_set_new(message, "memory", json_integer((json_int_t)bytes));
	if (!tool_gives_pictures(x->job->task->tool) || n == WIRE_FDS || store_create(x->job->store, &x->out[0], &err) < 0)
		return n;               /* why not is told to who asks */
	x->nout = 1;
	json_object_set_new(message, "outputs", json_integer(1));
	fds[n] = x->out[0];
	return n + 1;
}

static int send_task(struct exchange *x, struct err *err)
{
	const struct task *t = x->job->task;
	scoped(json_decref_p) json_t *message = NULL;
	int fds[WIRE_FDS];
	size_t nfds;

	x->inputs = json_array();
	for (size_t i = 0; i < json_array_size(x->job->inputs); i++)
		if (add_input(x, json_array_get(x->job->inputs, i), err) < 0)
			return -1;
	message = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:O, s:O*, s:I, s:O}", "do", "run", "tool", t->tool->name,
		"job", t->job, "step", t->step, "item", t->item, "attempt", t->attempt, "final", t->final,
		"params", x->job->params, "shared", t->shared, "max_pixels", (json_int_t)x->child->conf->max_image_size, "inputs", x->inputs);
	must(message != NULL);
	nfds = add_ahead(x, message, fds);
	x->is_given = true;
	if (wire_send_json(x->child->sock, message, fds, nfds, err) < 0) {
		x->is_given = err->kind != ERR_REJECT;          /* too large to begin with */
		return -1;
	}
	return 0;
}

/* Whatever came of it, when a file was written to while it was read. */
static int recheck_inputs(const struct exchange *x, struct err *err)
{
	for (size_t i = 0; i < x->nin; i++)
		if (x->watch[i].fd >= 0 && reference_recheck(&x->watch[i], x->artifact[i], err) < 0)
			return -1;
	return 0;
}

/* ---- outputs ---- */

static int refuse_output(struct exchange *x, const struct err *why, struct err *err)
{
	scoped(json_decref_p) json_t *no = json_pack("{s:b, s:{s:s, s:s}}", "output", 0, "error",
		"kind", err_kind_name(why->kind), "message", why->msg);

	if (!no)                /* a message that is no UTF-8 */
		no = json_pack("{s:b, s:{s:s, s:s}}", "output", 0, "error", "kind", err_kind_name(why->kind),
			"message", "the artifact store cannot be written");
	return wire_send_json(x->child->sock, no, NULL, 0, err);
}

static int give_output(struct exchange *x, struct err *err)
{
	static const char yes[] = "{\"output\":true}";
	struct err why;

	if (x->nout == OUTPUTS_MAX) {
		err_set(&why, ERR_REJECT, "more than %d outputs of one step", OUTPUTS_MAX);
		return refuse_output(x, &why, err);
	}
	if (store_create(x->job->store, &x->out[x->nout], &why) < 0)
		return refuse_output(x, &why, err);
	return wire_send(x->child->sock, yes, sizeof yes - 1, &x->out[x->nout++], 1, err);
}

static void describe_output(struct exchange *x, const json_t *said, const char *digest, size_t size)
{
	static const char *const sizes[] = { "width", "height" };
	json_t *a = json_pack("{s:s, s:s, s:s, s:I}", "name", text_of(said, "name"), "digest", digest,
		"media_type", text_of(said, "media_type"), "bytes", (json_int_t)size);

	for (size_t i = 0; i < countof(sizes); i++)
		if (json_integer_value(json_object_get(said, sizes[i])) > 0)
			json_object_set(a, sizes[i], json_object_get(said, sizes[i]));
	if (*text_of(said, "origin"))
		json_object_set(a, "origin", json_object_get(said, "origin"));
	if (!x->result->artifacts)
		x->result->artifacts = json_array();
	must(json_array_append_new(x->result->artifacts, a) == 0);
}

static void add_unsynced(struct task_result *r, const struct store_item *item)
{
	r->unsynced = xrealloc(r->unsynced, (r->nunsynced + 1) * sizeof *r->unsynced);
	r->unsynced[r->nunsynced++] = *item;
}

static int keep_output(struct exchange *x, const json_t *said, struct err *err)
{
	json_int_t i = json_is_integer(json_object_get(said, "index")) ? json_integer_value(json_object_get(said, "index")) : -1;
	struct store_item kept;

	if (i < 0 || i >= (json_int_t)x->nout || x->out[i] < 0)
		return err_set(err, ERR_RETRY, "the runner speaks of an output %lld that it does not have", (long long)i);
	if (!x->has_failed && (store_own(x->job->store, &x->out[i], &x->err) < 0 ||
	    store_prepare(x->job->store, &x->out[i], &kept, &x->err) < 0))
		x->has_failed = true;
	store_discard(x->job->store, &x->out[i]);
	if (x->has_failed)
		return 0;
	if (!kept.size) {
		store_item_done(&kept);
		return err_set(err, ERR_RETRY, "the runner wrote nothing into output %lld", (long long)i);
	}
	describe_output(x, said, kept.digest, kept.size);
	add_unsynced(x->result, &kept);
	return 0;
}

/* ---- models ---- */

/* The file that travels, and the runner's copy of what is in it, once the picture was let go of, or all of it but what the
 * runner keeps: nobody shall wait for a model together with this step. */
static int hold_tensors(struct exchange *x, const json_t *said, int fd, struct err *err)
{
	json_int_t said_keeps = json_integer_value(json_object_get(said, "keeps"));
	size_t most = x->job->memory.budget->most, keeps = said_keeps > 0 ? min_of((size_t)said_keeps, most) : 0;
	struct stat st;
	size_t bytes = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 ? 2 * (size_t)st.st_size : 0;

	if (bytes <= TENSORS_BYTES) {
		memory_keep(x->job->memory.budget, x->job->memory.turn, keeps + TENSORS_BYTES);
		return 0;
	}
	return child_memory_hold(x->child, &x->job->memory, keeps + bytes, "the tensors of its model are large", x->job->stop, x->job->wake_fd,
		&x->deadline_ms, err);
}

static void on_turn(void *arg, int64_t deadline_ms)
{
	struct exchange *x = arg;
	const struct child_memory *m = &x->job->memory;

	child_set_late(x->child, deadline_ms ? deadline_ms + LATE_MS : 0);
	if (m->on_deadline)
		m->on_deadline(m->arg, deadline_ms);
}

static void on_loading(void *arg, const char *name, int64_t bytes)
{
	struct exchange *x = arg;

	if (x->job->on_loading)
		x->job->on_loading(x->job->arg, x->job->task, name, bytes);
}

/* A model that is late shall be the step's error, told by its runner, not the runner's death. */
static int64_t early_ms(const struct exchange *x)
{
	int64_t tenth = (x->deadline_ms - clock_mono_ms()) / 10;

	return tenth < 0 ? 0 : min_of(tenth, (int64_t)EARLY_MS);
}

/* The result tells about the backend, whichever way the task ends: see struct task_result. */
static int ask_model(struct exchange *x, const json_t *said, const int *fds, size_t nfds, json_t **ret, int *ret_fd,
	struct err *err)
{
	const struct child_task *job = x->job;
	int64_t deadline_ms = x->deadline_ms - early_ms(x);
	struct triton_call served = { .stop = job->stop, .deadline_ms = x->deadline_ms, .is_probe = job->task->is_probe,
		.pass = job->task->pass };
	struct inference_call here = { .stop = job->stop, .wake_fd = job->wake_fd, .deadline_ms = deadline_ms,
		.on_deadline = on_turn, .on_loading = on_loading, .arg = x };
	struct child_infer ask = { .conf = x->child->conf, .triton = job->triton, .triton_call = &served, .seat = job->seat,
		.call = &here };
	int rc = child_infer(&ask, said, fds, nfds, ret, ret_fd, err);

	x->deadline_ms += here.deadline_ms - deadline_ms;
	x->signal = here.signal;
	if (ask.is_triton) {
		snprintf(x->result->backend, sizeof x->result->backend, "%s", served.is_fault || served.is_answered ? "triton" : "");
		x->result->backend_answered = !served.is_fault;
	}
	return rc;
}

/* -1: the runner is of no more use, or ERR_CANCEL. */
static int give_model(struct exchange *x, const json_t *said, const int *fds, size_t nfds, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(close_p) int fd = -1;
	struct err why;

	if (!x->job->triton)
		return err_set(err, ERR_RETRY, "the runner asks for a model where none can be asked for");
	if ((nfds && hold_tensors(x, said, fds[0], &why) < 0) || ask_model(x, said, fds, nfds, &answer, &fd, &why) < 0 ||
	    (fd >= 0 && hold_tensors(x, said, fd, &why) < 0)) {
		if (why.kind == ERR_CANCEL) {
			*err = why;
			return -1;
		}
		close_p(&fd);
		fd = -1;
		json_decref(answer);
		answer = json_pack("{s:{s:s, s:s}}", "error", "kind", err_kind_name(why.kind), "message", why.msg);
	}
	must(answer != NULL);           /* struct err is always UTF-8 */
	return wire_send_json(x->child->sock, answer, &fd, fd >= 0 ? 1 : 0, err);
}

/* ---- memory ---- */

/* A quarter more: the next picture is another one. */
static size_t asked_bytes(const json_t *said)
{
	json_int_t bytes = json_integer_value(json_object_get(said, "bytes")), kept = json_integer_value(json_object_get(said, "kept"));

	return (size_t)max_of(bytes, (json_int_t)0) / 4 * 5 + (size_t)max_of(kept, (json_int_t)0);
}

static int give_memory(struct exchange *x, const json_t *said, struct err *err)
{
	int rc;

	child_set_late(x->child, 0);
	rc = child_memory_answer(x->child, &x->job->memory, said, x->job->stop, x->job->wake_fd, &x->deadline_ms, err);
	child_set_late(x->child, x->deadline_ms + LATE_MS);
	if (rc == 0)
		x->child->asked = asked_bytes(said);
	return rc;
}

/* ---- the words ---- */

enum { GOES_ON, IS_OVER, HAS_FAILED };

static int end_of(struct exchange *x, const json_t *said, struct err *err)
{
	const json_t *why = json_object_get(said, "error");
	enum err_kind kind = ERR_RETRY;

	if (json_is_true(json_object_get(said, "ok"))) {
		x->result->data = json_incref(json_object_get(said, "data"));
		return IS_OVER;
	}
	if (err_kind_parse(text_of(why, "kind"), &kind) < 0 || kind == ERR_CANCEL)
		kind = ERR_RETRY;
	err_set(err, kind, "%s", text_of(why, "message"));
	return HAS_FAILED;
}

static void close_fds(const int *fds, size_t n)
{
	while (n > 0)
		close(fds[--n]);
}

/* -1: the runner is of no more use. */
static int answer(struct exchange *x, const json_t *said, const int *fds, size_t nfds, struct err *err)
{
	const char *ask = text_of(said, "ask");

	if (strcmp(ask, "model") == 0 || strcmp(ask, "infer") == 0)
		return give_model(x, said, fds, nfds, err);
	if (strcmp(ask, "memory") == 0)
		return give_memory(x, said, err);
	if (*ask)
		return give_output(x, err);
	if (json_object_get(said, "done_output"))
		return keep_output(x, said, err);
	return err_set(err, ERR_RETRY, "the runner says what is not understood");
}

/* Until its end. -1: the runner is of no more use; HAS_FAILED: only the task is. */
static int converse(struct exchange *x, struct err *err)
{
	if (send_task(x, err) < 0)
		return -1;
	for (;;) {
		scoped(json_decref_p) json_t *said = NULL;
		int fds[WIRE_FDS];
		size_t nfds = 0;
		int rc = child_await(x->child, x->deadline_ms, x->job->stop, x->job->wake_fd, err);

		if (rc == 0)
			rc = wire_recv_json(x->child->sock, &said, fds, &nfds, err);
		if (rc == WIRE_END)
			return err_set(err, ERR_RETRY, "it is gone");
		if (rc < 0)
			return -1;
		rc = json_object_get(said, "end") ? end_of(x, said, err) : answer(x, said, fds, nfds, err);
		close_fds(fds, nfds);
		if (json_object_get(said, "end"))
			return rc;
		if (rc < 0)
			return -1;
	}
}

static int explain_death(struct exchange *x, int64_t began_ms, struct err *err)
{
	bool timed_out = clock_mono_ms() >= x->deadline_ms;
	bool died = err->kind != ERR_CANCEL && !timed_out && child_died(x->child, 1000);
	double seconds = (double)(clock_mono_ms() - began_ms) / 1000;
	char ended[96];
	size_t peak_kb;
	int status;

	child_bury(x->child, &status, &peak_kb);
	x->result->peak_rss_kb = peak_kb;
	if (err->kind == ERR_CANCEL)
		return -1;
	if (timed_out)
		return err_set(err, ERR_RETRY, "timed out after %u s, runner killed (peak memory %zu MiB)", x->job->task->timeout_s,
			peak_kb / 1024);
	if (!died)
		return err_wrap(err, "runner killed after %.1f s", seconds);
	x->result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (*x->child->said)
		return err_set(err, ERR_RETRY, "the runner was stopped: %s (peak memory %zu MiB, after %.1f s)", x->child->said,
			peak_kb / 1024, seconds);
	child_describe_end(status, ended, sizeof ended);
	return err_set(err, ERR_RETRY, "the runner was lost after %.1f s: %s, peak memory %zu MiB", seconds, ended, peak_kb / 1024);
}

int child_run(struct child *c, const struct child_task *job, struct task_result *result, struct err *err)
{
	scoped(exchange_done) struct exchange x = { .child = c, .job = job, .result = result, .deadline_ms = job->deadline_ms };
	int64_t began_ms = clock_mono_ms();
	bool is_torn;
	int rc;

	if (child_start(c, err) < 0)
		return -1;
	child_reset_peak(c);
	child_set_late(c, job->deadline_ms + LATE_MS);
	child_limit_cpu(c, job->task->timeout_s);
	rc = converse(&x, err);
	child_set_late(c, 0);
	if (rc < 0)
		return x.is_given ? explain_death(&x, began_ms, err) : -1;
	is_torn = recheck_inputs(&x, err) < 0;
	if (rc == HAS_FAILED || x.has_failed || is_torn)        /* of a success nobody asks it */
		result->peak_rss_kb = child_peak_kb(c);
	if (++c->tasks >= c->conf->runner_tasks || is_torn)     /* it may have kept pixels of half a write */
		child_end(c);
	if (is_torn)
		return -1;
	if (rc == HAS_FAILED) {
		result->signal = x.signal;
		return -1;
	}
	if (x.has_failed) {
		*err = x.err;
		return -1;
	}
	return 0;
}
