/* The source of a fetch step. "@" at the beginning stands for the allowed root; addresses are not fetched here. */
#include "fuzz.h"

#include "clock.h"
#include "flow.h"
#include "reference.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static struct flow_job *job(void)
{
	static struct conf conf;
	static struct store store;
	static const bool stop;
	static struct flow_job j = { .conf = &conf, .store = &store, .stop = &stop, .wake_fd = -1 };
	scoped(free_p) char *data_dir = xasprintf("PIXELFLEET_DATA_DIR=%s/data", fuzz_dir());
	scoped(free_p) char *roots = xasprintf("PIXELFLEET_ALLOWED_ROOTS=%s/root", fuzz_dir());
	const char *const env[] = { data_dir, roots, NULL };
	struct err err;

	if (!conf.slots)
		must(conf_load(&conf, env, &err) == 0 && store_open(&store, conf.artifacts, &err) == 0);
	j.deadline_ms = clock_mono_ms() + 10000;
	return &j;
}

static void check_artifact(const json_t *a)
{
	const char *file = json_string_value(json_object_get(a, "file"));

	must(digest_is(json_string_value(json_object_get(a, "digest"))));
	must(file && !strchr(file, '/') && fuzz_is_utf8(file, strlen(file)));
	must(strcmp(json_string_value(json_object_get(a, "media_type")), "image/png") == 0);
}

/* What fetch refers to can be opened, by the same rules. */
static void check_open(const struct flow_job *j, const json_t *a)
{
	scoped(close_p) int fd = -1;
	struct err err;
	size_t size;

	must(reference_is(a) && artifact_open(j->conf, j->store, a, &fd, &size, NULL, &err) == 0);
	must(json_integer_value(json_object_get(a, "bytes")) == (json_int_t)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *text = fuzz_text(data, size);
	scoped(free_p) char *source = *text == '@' ? xasprintf("%s/root%s", fuzz_dir(), text + 1) : xstrdup(text);
	struct task task = { .job = "01890a5d-ac96-774b-bcce-b302099a8057", .step = "it", .source = source };
	struct task_result r = { 0 };
	struct err err;
	struct flow_job *j = job();

	if (strncasecmp(source, "http://", 7) == 0 || strncasecmp(source, "https://", 8) == 0)
		return 0;
	j->task = &task;
	if (flow_fetch(j, &r, &err) == 0) {
		check_artifact(json_array_get(r.artifacts, 0));
		check_open(j, json_array_get(r.artifacts, 0));
	} else {
		fuzz_check_refusal(&err);
	}
	task_result_done(&r);
	return 0;
}
