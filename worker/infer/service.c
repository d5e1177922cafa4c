#include "service.h"

#include "builds.h"
#include "lastwords.h"
#include "log.h"
#include "meter.h"
#include "ort.h"
#include "reception.h"
#include "sandbox.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FILES = 1024, FILE_MB = 65, MOST_CALLERS = 256, STUCK = 3 };

struct service {
	int sock, parent;
	struct ort *ort;
	struct crew *crew;
};

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static size_t number_of(const json_t *o, const char *name, size_t most)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	return n > 0 ? min_of((size_t)n, most) : 0;
}

/* A thread that cannot be reached any more, and a process that would only run hotter. */
static _Noreturn void on_stuck(const char *model, bool is_load)
{
	if (is_load)
		lastwords("it has been loading the model '%s' for a minute after the last who wanted it had left", model);
	else
		lastwords("it ran the model '%s', which did not stop within 2 s after nobody waited for it any more", model);
	_exit(STUCK);
}

/* When the machine has no memory left, this process goes before all others of the worker: its work is done again. */
static void go_first(void)
{
	static const char score[] = "500";
	scoped(close_p) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, score, sizeof score - 1) < 0)
		log_debug("infer.oom_score", "error=%s", log_quote(strerror(errno)));
}

static int close_sandbox(const struct service *s, unsigned memory_mb, struct sandbox_state *ret, struct err *err)
{
	bool gpu = strcmp(ort_device(s->ort), "cuda") == 0;
	/* A GPU's driver reserves more addresses than any machine has memory. */
	const struct sandbox box = { .memory_mb = gpu ? 0 : memory_mb, .files = MOST_FILES, .file_mb = FILE_MB, .parent = s->parent,
		.opens_files = true, .gpu = gpu };

	tzset();
	go_first();
	meter_open();
	lastwords_name("the inference process");
	if (!IS_SANITIZED)
		lastwords_on_crash();
	*ret = (struct sandbox_state){ 0 };
	return s->parent ? sandbox_enter(&box, ret, err) : 0;
}

/* Before the sandbox: the library and a GPU's provider are opened. */
static int set_up(struct service *s, const json_t *said, struct sandbox_state *ret, struct err *err)
{
	const size_t cpus = (size_t)max_of(sysconf(_SC_NPROCESSORS_ONLN), 1L), callers = number_of(said, "callers", MOST_CALLERS);
	const struct ort_options options = { .library = text_of(said, "library"), .device = *text_of(said, "device") ?
		text_of(said, "device") : "auto", .intra_op = (unsigned)number_of(said, "intra_op", MOST_CALLERS) };
	unsigned memory_mb = (unsigned)number_of(said, "memory_mb", 1u << 24);
	struct crew_options crew = { .callers = callers ? callers : cpus, .batch_max = max_of(number_of(said, "batch_max", 4096), (size_t)1),
		.models_bytes = number_of(said, "models_mb", 1u << 24) << 20, .on_stuck = on_stuck };

	if (strcmp(text_of(said, "do"), "setup") != 0)
		return err_set(err, ERR_RETRY, "the worker asked for '%.40s' before the setup", text_of(said, "do"));
	if (ort_open(&options, &s->ort, err) < 0 || close_sandbox(s, memory_mb, ret, err) < 0)
		return -1;
	crew.engine = ort_engine(s->ort);
	crew.device = ort_device(s->ort);
	crew.memory_mb = strcmp(crew.device, "cuda") == 0 ? 0 : memory_mb;
	return crew_start(&crew, &s->crew, err);
}

static int answer_setup(struct service *s, const json_t *said, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	struct sandbox_state state;
	struct err why;
	int rc = set_up(s, said, &state, &why);

	if (rc < 0)
		answer = json_pack("{s:b, s:{s:s, s:s}}", "setup", 0, "error", "kind", err_kind_name(why.kind), "message", why.msg);
	else
		answer = json_pack("{s:b, s:s, s:s, s:i, s:b}", "setup", 1, "device", ort_device(s->ort), "onnxruntime", ort_version(s->ort),
			"landlock", state.landlock, "seccomp", (int)state.seccomp);
	must(answer != NULL);
	if (rc == 0 && *ort_note(s->ort))
		json_object_set_new(answer, "note", json_string(ort_note(s->ort)));
	if (wire_send_json(s->sock, answer, NULL, 0, err) < 0)
		return -1;
	return rc < 0 ? err_set(err, why.kind, "%s", why.msg) : 0;
}

/* WIRE_END: the worker left before it said anything. */
static int begin(struct service *s, struct err *err)
{
	scoped(json_decref_p) json_t *said = NULL, *ready = json_pack("{s:b, s:s}", "ready", 1, "version", VERSION);
	scoped(close_p) int words = lastwords_open();
	int rc;

	must(ready != NULL);
	if (wire_send_json(s->sock, ready, &words, words >= 0, err) < 0)
		return -1;
	rc = wire_recv_json(s->sock, &said, NULL, NULL, err);
	return rc == WIRE_MESSAGE ? answer_setup(s, said, err) : rc;
}

int service_run(int sock, int parent, struct err *err)
{
	struct service s = { .sock = sock, .parent = parent };
	struct reception *reception;
	int rc = begin(&s, err);

	if (rc == WIRE_MESSAGE) {
		reception = reception_open(s.crew);
		rc = reception_run(reception, sock, err);
		if (!crew_stop(s.crew))         /* a caller is inside a model; nobody waits for what it does */
			_exit(0);
		reception_close(reception);
	}
	ort_close(s.ort);
	return rc == WIRE_END ? 0 : rc;
}
