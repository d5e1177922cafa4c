#include "flow_stage.h"

#include "clock.h"
#include "reference.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void flow_stage_open(struct flow_stage *s, const char *tool)
{
	scoped(free_p) char *data_dir = xasprintf("PIXELFLEET_DATA_DIR=%s/data", test_dir());
	scoped(free_p) char *roots = xasprintf("PIXELFLEET_ALLOWED_ROOTS=%s", test_dir());
	const char *const env[] = { data_dir, roots, "PIXELFLEET_ALLOW_PRIVATE_URLS=1", NULL };

	*s = (struct flow_stage){ .task = { .job = "00000000-0000-7000-8000-000000000001", .step = "it", .attempt = 1,
		.timeout_s = 10 } };
	assert_int_equal(conf_load(&s->conf, env, &s->err), 0);
	assert_int_equal(store_open(&s->store, s->conf.artifacts, &s->err), 0);
	s->task.tool = tool_find(tool);
	s->tool = flow_find(tool);
	assert_non_null(s->tool);
	s->http = httpc_new();
	assert_int_equal(upstream_open_gallery(&s->gallery, &s->conf, &s->err), 0);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->deadline_ms = clock_mono_ms() + 10000;
}

int flow_stage_run(struct flow_stage *s, const char *params, const char *inputs)
{
	json_t *given = json_loads(params, 0, NULL), *in = json_loads(inputs, 0, NULL);
	json_t *filled = tool_fill_defaults(s->task.tool, given);
	const struct flow_job job = { .task = &s->task, .params = filled, .inputs = in, .conf = &s->conf, .store = &s->store,
		.http = s->http, .gallery = &s->gallery, .stop = &s->stop, .wake_fd = s->wake_fd, .deadline_ms = s->deadline_ms };
	int rc;

	assert_non_null(given);
	assert_non_null(in);
	task_result_done(&s->result);
	rc = s->tool->run(&job, &s->result, &s->err);
	json_decref(given);
	json_decref(filled);
	json_decref(in);
	return rc;
}

void flow_stage_close(struct flow_stage *s)
{
	task_result_done(&s->result);
	httpc_free(s->http);
	upstream_close(&s->gallery);
	store_close(&s->store);
	close(s->wake_fd);
	conf_done(&s->conf);
}

char *flow_stage_data(const struct flow_stage *s)
{
	struct buf b = { 0 };

	if (s->result.data)
		buf_json(&b, s->result.data);
	return buf_take(&b);
}

char *flow_stage_file(struct flow_stage *s, const char *name)
{
	for (size_t i = 0; i < json_array_size(s->result.artifacts); i++) {
		const json_t *a = json_array_get(s->result.artifacts, i);
		scoped(close_p) int fd = -1;
		size_t size;
		char *text;

		if (strcmp(json_string_value(json_object_get(a, "name")), name) != 0)
			continue;
		assert_int_equal(artifact_open(&s->conf, &s->store, a, &fd, &size, NULL, &s->err), 0);
		assert_int_equal(json_integer_value(json_object_get(a, "bytes")), size);
		text = xcalloc(1, size + 1);
		assert_int_equal(read(fd, text, size), size);
		return text;
	}
	return NULL;
}
