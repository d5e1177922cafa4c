#include "child_memory.h"

#include "clock.h"
#include "log.h"
#include "sync.h"
#include "wire.h"

#include <poll.h>

#define MIB ((size_t)1 << 20)
#define PIXELS_MOST (64 << 20)  /* more than a runner ever keeps */

static int too_large(const struct child *c, const struct child_memory *m, size_t bytes, const char *what, struct err *err)
{
	const struct conf *conf = c->conf;
	const char *name = m->budget->most == conf->task_memory_mb * MIB ? "PIXELFLEET_TASK_MEMORY_MB" :
		m->budget->most == conf->runner_memory_mb * MIB ? "PIXELFLEET_RUNNER_MEMORY_MB" : "PIXELFLEET_WORKER_MEMORY_MB";

	return err_set(err, ERR_REJECT, "%.300s, which takes %zu bytes in this step; a task may have %zu (%s=%zu)", what, bytes,
		m->budget->most, name, m->budget->most / MIB);
}

static int refuse(const struct child *c, const struct child_memory *m, size_t bytes, const char *what, struct err *err)
{
	scoped(free_p) char *picture = xasprintf("the picture has %.280s decoded", what);
	scoped(json_decref_p) json_t *no = NULL;
	struct err why;

	too_large(c, m, bytes, picture, &why);
	no = json_pack("{s:b, s:{s:s, s:s}}", "memory", 0, "error", "kind", err_kind_name(why.kind), "message", why.msg);
	must(no != NULL);
	return wire_send_json(c->sock, no, NULL, 0, err);
}

/* -1 unless it is granted. */
static int wait_for_turn(const struct child *c, const struct child_memory *m, const bool *stop, int wake_fd, struct err *err)
{
	for (;;) {
		struct pollfd fds[] = { { .fd = m->turn->wake_fd, .events = POLLIN }, { .fd = c->sock, .events = POLLIN },
			{ .fd = wake_fd, .events = POLLIN } };

		if (stop && peek(stop))
			return err_set(err, ERR_CANCEL, "stopped while it waited for memory");
		switch (memory_look(m->budget, m->turn)) {
		case MEMORY_GRANTED:
			return 0;
		case MEMORY_WAITS:
			break;
		case MEMORY_NONE:
		case MEMORY_TOO_LARGE:
		case MEMORY_CLOSED:
			return err_set(err, ERR_CANCEL, "the worker leaves, and there was no memory for it yet");
		}
		if (poll(fds, countof(fds), -1) < 0)
			must(errno == EINTR);
		else if (fds[1].revents)
			return err_set(err, ERR_RETRY, "it is gone");   /* it had nothing to say */
		else if (fds[2].revents && !fds[0].revents && !(stop && peek(stop)))
			clock_sleep_ms(1);      /* the one who wakes us is about to say why */
	}
}

static void tell_deadline(const struct child_memory *m, int64_t deadline_ms)
{
	if (m->on_deadline)
		m->on_deadline(m->arg, deadline_ms);
}

static int wait_outside_time(const struct child *c, const struct child_memory *m, const bool *stop, int wake_fd, int64_t *deadline_ms,
	struct err *err)
{
	int64_t began_ms = clock_mono_ms(), waited_ms;
	char text[160];
	int rc;

	memory_describe(m->budget, m->turn, text, sizeof text);
	log_info("memory.waits", "for=%s", log_quote(text));
	tell_deadline(m, 0);
	rc = wait_for_turn(c, m, stop, wake_fd, err);
	waited_ms = clock_mono_ms() - began_ms;
	*deadline_ms += waited_ms;
	tell_deadline(m, *deadline_ms);
	log_info("memory.waited", "ms=%lld granted=%d", (long long)waited_ms, rc == 0);
	return rc;
}

int child_memory_answer(const struct child *c, const struct child_memory *m, const json_t *said, const bool *stop, int wake_fd,
	int64_t *deadline_ms, struct err *err)
{
	static const char yes[] = "{\"memory\":true}", spare[] = "{\"memory\":true,\"keep\":false}";
	json_int_t kept = json_integer_value(json_object_get(said, "kept")), bytes = json_integer_value(json_object_get(said, "bytes"));
	const char *what = json_string_value(json_object_get(said, "what"));
	enum memory_state state;

	if (bytes < 0)
		return err_set(err, ERR_RETRY, "the runner asks for %lld bytes of memory", (long long)bytes);
	if (kept > 0 && kept <= PIXELS_MOST && memory_try(m->budget, m->turn, (size_t)bytes + (size_t)kept))
		return wire_send(c->sock, yes, sizeof yes - 1, NULL, 0, err);
	state = memory_take(m->budget, m->turn, (size_t)bytes);
	if (state == MEMORY_TOO_LARGE)
		return refuse(c, m, (size_t)bytes, what ? what : "pixels", err);
	if (state == MEMORY_CLOSED)
		return err_set(err, ERR_CANCEL, "the worker leaves, and has no memory for it now");
	if (state == MEMORY_WAITS && wait_outside_time(c, m, stop, wake_fd, deadline_ms, err) < 0)
		return -1;
	log_debug("memory.granted", "bytes=%lld what=%s", (long long)bytes, log_quote(what ? what : ""));
	if (kept || state == MEMORY_WAITS)
		return wire_send(c->sock, spare, sizeof spare - 1, NULL, 0, err);
	return wire_send(c->sock, yes, sizeof yes - 1, NULL, 0, err);
}

int child_memory_hold(const struct child *c, const struct child_memory *m, size_t bytes, const char *what, const bool *stop,
	int wake_fd, int64_t *deadline_ms, struct err *err)
{
	switch (memory_hold(m->budget, m->turn, bytes)) {
	case MEMORY_GRANTED:
	case MEMORY_NONE:
		return 0;
	case MEMORY_WAITS:
		return wait_outside_time(c, m, stop, wake_fd, deadline_ms, err);
	case MEMORY_TOO_LARGE:
		return too_large(c, m, bytes, what, err);
	case MEMORY_CLOSED:
		break;
	}
	return err_set(err, ERR_CANCEL, "the worker leaves, and has no memory for it now");
}
