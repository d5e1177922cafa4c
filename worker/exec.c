#include "exec.h"

#include "clock.h"
#include "flow.h"
#include "inputs.h"
#include "child_task.h"
#include "log.h"

#include <poll.h>
#include <string.h>

#define DATA_INLINE  ((size_t)32 << 10) /* larger data is kept as an artifact */
#define ASK_AGAIN_MS 1000

int executor_init(struct executor *x, const struct conf *conf, struct store *store, struct memory_budget *memory,
	struct inference *inference, int wake_fd, struct err *err)
{
	*x = (struct executor){ .conf = conf, .store = store, .wake_fd = wake_fd };
	if (upstream_open(&x->upstream, conf, err) < 0)
		return -1;
	if (upstream_open_gallery(&x->gallery, conf, err) < 0) {
		upstream_close(&x->upstream);
		return -1;
	}
	x->http = httpc_new();
	triton_init(&x->triton, conf, x->http);
	inference_seat_init(&x->seat, inference);
	child_init(&x->child, &child_runner, conf);
	memory_turn_init(&x->turn);
	x->memory = (struct child_memory){ .budget = memory, .turn = &x->turn };
	return 0;
}

void executor_done(struct executor *x)
{
	child_done(&x->child);
	inference_seat_done(&x->seat);
	memory_turn_done(&x->turn);
	triton_done(&x->triton);
	httpc_free(x->http);
	upstream_close(&x->gallery);
	upstream_close(&x->upstream);
}

static int run_flow(struct executor *x, const struct flow_job *job, struct task_result *ret, struct err *err)
{
	const struct flow_tool *f = flow_find(job->task->tool->name);

	(void)x;
	if (!f)
		return err_set(err, ERR_REJECT, "this worker cannot run the tool '%s'", job->task->tool->name);
	return f->run(job, ret, err);
}

static int run_tool(struct executor *x, const struct flow_job *job, struct task_result *ret, struct err *err)
{
	const struct child_task r = { .task = job->task, .params = job->params, .inputs = job->inputs, .store = x->store,
		.triton = &x->triton, .seat = &x->seat, .on_loading = x->on_loading, .arg = x->arg,
		.stop = job->stop, .wake_fd = x->wake_fd, .deadline_ms = job->deadline_ms, .memory = x->memory };

	switch (job->task->tool->runs) {
	case TOOL_PARENT: return run_flow(x, job, ret, err);
	case TOOL_RUNNER: return child_run(&x->child, &r, ret, err);
	}
	must(!"bad tool_runs");
	return -1;
}

/* Data is carried in envelopes and rows: more than a page or two goes to the store. */
static int move_large_data(struct executor *x, struct task_result *ret, struct err *err)
{
	scoped(buf_free) struct buf text = { 0 };
	char digest[DIGEST_TEXT];

	if (!ret->data || json_dumpb(ret->data, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) <= DATA_INLINE)
		return 0;
	buf_json(&text, ret->data);
	if (store_put(x->store, text.text, text.len, digest, err) < 0)
		return -1;
	json_decref(ret->data);
	ret->data = NULL;
	if (!ret->artifacts)
		ret->artifacts = json_array();
	json_array_append_new(ret->artifacts, json_pack("{s:s, s:s, s:s, s:I}", "name", "data", "digest", digest,
		"media_type", "application/json", "bytes", (json_int_t)text.len));
	return 0;
}

/* While no dispatcher can be asked, results could not be reported either: that is not the step's failure, and the time is
 * not its time. */
static int get_inputs(struct executor *x, const struct task *t, const bool *stop, int64_t *deadline_ms, json_t **ret, struct err *err)
{
	bool nobody;

	for (;;) {
		struct pollfd wake = { .fd = x->wake_fd, .events = POLLIN };
		int64_t began_ms = clock_mono_ms();

		if (inputs_fetch(&x->upstream, t->inputs_url, t->timeout_s, stop, ret, &nobody, err) == 0)
			return 0;
		if (!nobody || !x->is_patient)
			return -1;
		log_debug("inputs.unanswered", "error=%s", log_quote(err->msg));
		poll(&wake, 1, ASK_AGAIN_MS);
		if (__atomic_load_n(stop, __ATOMIC_ACQUIRE))
			return err_set(err, ERR_CANCEL, "stopped while no dispatcher could tell the inputs");
		*deadline_ms += clock_mono_ms() - began_ms;
		if (x->memory.on_deadline)
			x->memory.on_deadline(x->memory.arg, *deadline_ms);
	}
}

static int run(struct executor *x, const struct task *t, const bool *stop, int64_t deadline_ms, struct task_result *ret,
	struct err *err)
{
	scoped(json_decref_p) json_t *params = NULL, *inputs = json_incref((json_t *)t->inputs);
	struct flow_job job = { .task = t, .conf = x->conf, .store = x->store, .http = x->http, .gallery = &x->gallery,
		.stop = stop, .wake_fd = x->wake_fd };

	if (!t->tool)
		return err_set(err, ERR_REJECT, "this worker (version " VERSION ") has no tool '%.60s'",
			json_string_value(json_object_get(t->body, "tool")));
	if (t->inputs_url && get_inputs(x, t, stop, &deadline_ms, &inputs, err) < 0)
		return -1;
	job.deadline_ms = deadline_ms;
	if (t->tool->nparams || t->params || t->tool->runs == TOOL_RUNNER)     /* a runner is always told of some */
		params = tool_fill_defaults(t->tool, t->params);
	job.params = params;
	job.inputs = inputs;
	if (run_tool(x, &job, ret, err) < 0)
		return -1;
	return move_large_data(x, ret, err);
}

static int sync_outputs(struct store *store, struct task_result *r, struct err *err)
{
	for (size_t i = 0; i < r->nunsynced; i++) {
		store_sync(store, (struct store_item *const[]){ &r->unsynced[i] }, 1);
		if (r->unsynced[i].error)
			return err_set(err, ERR_RETRY, "cannot keep an artifact in '%s': %s", store->path, strerror(r->unsynced[i].error));
	}
	return 0;
}

void exec_task(struct executor *x, const struct task *t, const bool *stop, int64_t deadline_ms, struct task_result *ret)
{
	int64_t began_us = clock_mono_us();

	*ret = (struct task_result){ .started_us = clock_wall_us() };
	ret->failed = run(x, t, stop, deadline_ms, ret, &ret->err) < 0 ||
		(!x->leaves_sync && sync_outputs(x->store, ret, &ret->err) < 0);
	ret->took_us = clock_mono_us() - began_us;
}
