#include "serve.h"

#include "landlock.h"
#include "lastwords.h"
#include "misbehave.h"
#include "output.h"
#include "decoded.h"
#include "registry.h"
#include "sandbox.h"
#include "wire.h"

#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <vips/vips.h>

enum { MOST_INPUTS = 100000, MOST_OUTPUTS = 256, KEEP_MS = 1000 };

struct remote {                 /* outputs are the parent's files */
	struct runner_ctx ctx;
	int sock;
	int fds[MOST_OUTPUTS];  /* as they were given; the index is what the parent knows them by */
	size_t n;
	int spare;              /* came with the task, for its first output; -1: none, or used */
	size_t granted;         /* memory that nobody has to be asked for */
};

struct session {
	int sock, parent;
	bool is_ready;          /* the sandbox is closed behind us */
	bool has_worked;        /* since it gave all back that it can */
};

static int read_error(const json_t *message, struct err *err)
{
	const json_t *e = json_object_get(message, "error");
	const char *kind = json_string_value(json_object_get(e, "kind"));
	const char *text = json_string_value(json_object_get(e, "message"));
	enum err_kind k = ERR_RETRY;

	if (kind && err_kind_parse(kind, &k) < 0)
		k = ERR_RETRY;
	return err_set(err, k, "%s", text ? text : "the worker gave no file for the result");
}

static int ask_output(struct runner_ctx *ctx, int *ret_fd, struct err *err)
{
	struct remote *r = (struct remote *)ctx;
	scoped(json_decref_p) json_t *ask = json_pack("{s:s}", "ask", "output");
	scoped(json_decref_p) json_t *answer = NULL;
	int fds[WIRE_FDS];
	size_t n = 0;

	if (r->spare >= 0) {
		*ret_fd = r->fds[r->n++] = r->spare;
		r->spare = -1;
		return 0;
	}
	if (r->n == MOST_OUTPUTS)
		return err_set(err, ERR_REJECT, "more than %d results of one step", MOST_OUTPUTS);
	if (wire_send_json(r->sock, ask, NULL, 0, err) < 0)
		return -1;
	switch (wire_recv_json(r->sock, &answer, fds, &n, err)) {
	case WIRE_MESSAGE:
		break;
	case WIRE_END:
		return err_set(err, ERR_RETRY, "the worker hung up");
	default:
		return -1;
	}
	if (json_is_true(json_object_get(answer, "output")) && n == 1) {
		*ret_fd = r->fds[r->n++] = fds[0];
		return 0;
	}
	while (n > 0)
		close(fds[--n]);
	return read_error(answer, err);
}

/* *ret_fd: the one file that came along, or -1. */
static int ask_model(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	struct remote *r = (struct remote *)ctx;
	int fds[WIRE_FDS];
	size_t n = 0;

	*ret_fd = -1;
	r->granted = 0;         /* the answer may change what this task has: memory of it, and what it may keep beside a model */
	if (wire_send_json(r->sock, question, &fd, fd >= 0 ? 1 : 0, err) < 0)
		return -1;
	switch (wire_recv_json(r->sock, ret, fds, &n, err)) {
	case WIRE_MESSAGE:
		break;
	case WIRE_END:
		return err_set(err, ERR_RETRY, "the worker hung up");
	default:
		return -1;
	}
	while (n > 1)
		close(fds[--n]);
	if (n)
		*ret_fd = fds[0];
	return 0;
}

static int ask_more(struct runner_ctx *ctx, size_t bytes, size_t kept, const char *what, struct err *err)
{
	scoped(json_decref_p) json_t *ask = json_pack("{s:s,s:I,s:o*,s:s}", "ask", "memory", "bytes", (json_int_t)bytes,
		"kept", kept ? json_integer((json_int_t)kept) : NULL, "what", what);
	scoped(json_decref_p) json_t *said = NULL;
	int fd = -1, rc = ask_model(ctx, ask, -1, &said, &fd, err);

	close_p(&fd);
	if (rc < 0)
		return -1;
	if (json_is_false(json_object_get(said, "keep")))
		decoded_yield();
	return json_is_true(json_object_get(said, "memory")) ? 0 : read_error(said, err);
}

static int ask_memory(struct runner_ctx *ctx, size_t bytes, const char *what, struct err *err)
{
	struct remote *r = (struct remote *)ctx;
	size_t kept = decoded_idle_bytes();

	if (bytes <= r->granted && kept <= r->granted - bytes)
		return 0;
	return ask_more(ctx, bytes, kept, what, err);
}

static int tell_output(struct runner_ctx *ctx, int fd, const struct output *out, struct err *err)
{
	struct remote *r = (struct remote *)ctx;
	scoped(json_decref_p) json_t *tell = NULL;
	size_t i = r->n;

	/* From the newest: a closed descriptor's number comes back. */
	while (i > 0 && r->fds[i - 1] != fd)
		i--;
	must(i > 0);
	tell = json_pack("{s:b,s:I,s:s,s:s,s:s*,s:i,s:i}", "done_output", 1, "index", (json_int_t)(i - 1),
		"name", out->name, "media_type", out->media_type, "origin", out->origin,
		"width", out->width, "height", out->height);
	must(tell != NULL);
	close(fd);              /* the worker takes nothing that can still be written to */
	return wire_send_json(r->sock, tell, NULL, 0, err);
}

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

/* One entry of "inputs". -1: it names a descriptor that did not come along. */
static int read_input(const json_t *from, const int *fds, size_t nfds, struct job_input *ret)
{
	const json_t *fd = json_object_get(from, "fd");

	*ret = (struct job_input){
		.step = text_of(from, "step"), .item = (int)json_integer_value(json_object_get(from, "item")),
		.name = text_of(from, "name"), .media_type = text_of(from, "media_type"), .origin = text_of(from, "origin"),
		.fd = -1, .data = json_object_get(from, "data"), .digest = text_of(from, "digest"),
	};
	if (!fd)
		return 0;
	if (!json_is_integer(fd) || json_integer_value(fd) < 0 || (size_t)json_integer_value(fd) >= nfds)
		return -1;
	ret->fd = fds[json_integer_value(fd)];
	return 0;
}

/* What came along for outputs is not among the inputs' descriptors any more. */
static struct remote remote_of(const struct session *s, const json_t *m, const int *fds, size_t *nfds)
{
	json_int_t granted = json_integer_value(json_object_get(m, "memory"));
	struct remote r = { .ctx = { ask_output, tell_output, ask_model, ask_memory }, .sock = s->sock, .spare = -1,
		.granted = (size_t)max_of(granted, (json_int_t)0) };

	if (json_integer_value(json_object_get(m, "outputs")) == 1 && *nfds)
		r.spare = fds[--*nfds];
	return r;
}

static void remote_done(struct remote *r)
{
	if (r->spare >= 0)
		close(r->spare);
}

static int run_task(struct session *s, const json_t *m, const int *fds, size_t *take_nfds, json_t **ret_data, struct err *err)
{
	const json_t *list = json_object_get(m, "inputs");
	size_t n = json_array_size(list);
	scoped(free_p) struct job_input *inputs = NULL;
	scoped(remote_done) struct remote remote = remote_of(s, m, fds, take_nfds);
	struct runner_job job = {
		.tool = text_of(m, "tool"), .job = text_of(m, "job"), .step = text_of(m, "step"),
		.item = (int)json_integer_value(json_object_get(m, "item")),
		.attempt = (int)json_integer_value(json_object_get(m, "attempt")),
		.final = json_is_true(json_object_get(m, "final")), .params = json_object_get(m, "params"),
		.ninputs = n, .shared = json_object_get(m, "shared"),
		.max_pixels = (size_t)json_integer_value(json_object_get(m, "max_pixels")), .ctx = &remote.ctx,
	};

	if (n > MOST_INPUTS)
		return err_set(err, ERR_REJECT, "%zu inputs of one step, a runner takes at most %d", n, MOST_INPUTS);
	inputs = xcalloc(n, sizeof *inputs);
	for (size_t i = 0; i < n; i++)
		if (read_input(json_array_get(list, i), fds, *take_nfds, &inputs[i]) < 0)
			return err_set(err, ERR_RETRY, "input %zu names a file that did not come along (%zu did)", i, *take_nfds);
	job.inputs = inputs;
	if (misbehave(job.step, ret_data))
		return 0;
	return runner_run(&job, ret_data, err);
}

static int send_end(int sock, json_t **take_data, const struct err *failure, struct err *err)
{
	scoped(json_decref_p) json_t *data = steal(take_data);
	scoped(json_decref_p) json_t *end = NULL;

	if (failure) {
		/* A message cut in the middle of a character would make no JSON. */
		char *text = g_utf8_make_valid(failure->msg, -1);

		end = json_pack("{s:b,s:b,s:{s:s,s:s}}", "end", 1, "ok", 0, "error", "kind", err_kind_name(failure->kind),
			"message", text);
		g_free(text);
	} else {
		end = json_pack("{s:b,s:b,s:O*}", "end", 1, "ok", 1, "data", data);
	}
	must(end != NULL);
	return wire_send_json(sock, end, NULL, 0, err);
}

static unsigned mib_of(const json_t *setup, const char *name)
{
	json_int_t mb = json_integer_value(json_object_get(setup, name));

	return mb > 0 && mb < 1 << 24 ? (unsigned)mb : 0;
}

/* Without Landlock no file can be opened any more, and the first label reads fonts and their configuration. */
static void read_fonts(void)
{
	VipsImage *text = NULL;

	if (vips_text(&text, "label", "font", "DejaVu Sans, sans 12", "dpi", 72, NULL) == 0)
		g_object_unref(text);
	vips_error_clear();
}

static int close_sandbox(struct session *s, const json_t *setup, struct sandbox_state *ret, struct err *err)
{
	const struct sandbox box = { .memory_mb = mib_of(setup, "memory_mb"), .file_mb = mib_of(setup, "file_mb"), .parent = s->parent };

	*ret = (struct sandbox_state){ 0 };
	s->is_ready = true;
	if (!s->parent)
		return 0;
	tzset();                /* TIFF and EXIF have times */
	if (!landlock_abi())
		read_fonts();
	return sandbox_enter(&box, ret, err);
}

static int set_up(struct session *s, const json_t *setup, struct err *err)
{
	struct sandbox_state state;
	struct err why = { 0 };
	int rc = close_sandbox(s, setup, &state, &why);
	scoped(json_decref_p) json_t *answer = rc < 0 ? json_pack("{s:b,s:{s:s,s:s}}", "setup", 0, "error", "kind",
		err_kind_name(why.kind), "message", why.msg) : json_pack("{s:b,s:i,s:b}", "setup", 1, "landlock",
		state.landlock, "seccomp", (int)state.seccomp);

	must(answer != NULL);
	if (wire_send_json(s->sock, answer, NULL, 0, err) < 0)
		return -1;
	return rc < 0 ? err_set(err, why.kind, "%s", why.msg) : 0;
}

/* *nfds: how many of them are the caller's yet, afterwards. */
static int handle(struct session *s, const json_t *m, const int *fds, size_t *nfds, struct err *err)
{
	scoped(json_decref_p) json_t *data = NULL;
	const char *what = text_of(m, "do");
	struct err failure;
	int r;

	if (strcmp(what, "setup") == 0 && !s->is_ready)
		return set_up(s, m, err);
	if (strcmp(what, "run") != 0)
		return err_set(err, ERR_RETRY, "the worker asked for '%.40s', a runner knows one setup, and run", what);
	if (!s->is_ready && s->parent)
		return err_set(err, ERR_RETRY, "the worker asked for a run before the setup");
	s->has_worked = true;
	r = run_task(s, m, fds, nfds, &data, &failure);
	vips_error_clear();
	decoded_rest();
	return send_end(s->sock, &data, r < 0 ? &failure : NULL, err);
}

/* Pixels that nobody came for in a while, and what malloc kept for the next picture, are memory for somebody else. */
static void rest_while_idle(struct session *s)
{
	struct pollfd next = { .fd = s->sock, .events = POLLIN };

	if (!s->has_worked || poll(&next, 1, KEEP_MS) != 0)
		return;
	decoded_drop_all();
	malloc_trim(0);
	s->has_worked = false;
}

static int serve_all(int sock, int parent, struct err *err)
{
	struct session s = { sock, parent, false, false };
	scoped(json_decref_p) json_t *ready = json_pack("{s:b,s:s,s:s}", "ready", 1, "version", VERSION,
		"vips", vips_version_string());
	scoped(close_p) int words = parent ? lastwords_open() : -1;

	if (wire_send_json(sock, ready, &words, words >= 0, err) < 0)
		return -1;
	close_p(&words);
	words = -1;
	for (;;) {
		scoped(json_decref_p) json_t *message = NULL;
		int fds[WIRE_FDS], r;
		size_t n = 0;

		rest_while_idle(&s);
		r = wire_recv_json(sock, &message, fds, &n, err);
		if (r != WIRE_MESSAGE)
			return r == WIRE_END ? 0 : -1;
		r = handle(&s, message, fds, &n, err);
		while (n > 0)
			close(fds[--n]);
		if (r < 0)
			return -1;
	}
}

int serve(int sock, int parent, struct err *err)
{
	int rc = serve_all(sock, parent, err);

	decoded_drop_all();
	return rc;
}
