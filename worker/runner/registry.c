#include "registry.h"

#include "lastwords.h"
#include "log.h"
#include "picture.h"
#include "tools.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

enum { KEPT_BYTES = 32 << 20 };         /* the most that malloc takes as M_MMAP_THRESHOLD */

#define RUNNER_TOOL(name) extern const struct runner_tool tool_##name;
#include "tools_list.def"
#undef RUNNER_TOOL

static const struct runner_tool *const tools[] = {
#define RUNNER_TOOL(name) &tool_##name,
#include "tools_list.def"
#undef RUNNER_TOOL
};

const struct runner_tool *runner_tool_find(const char *name)
{
	for (size_t i = 0; i < countof(tools); i++)
		if (strcmp(tools[i]->name, name) == 0)
			return tools[i];
	return NULL;
}

/* The first problem and how many there are; the dispatcher has listed them all at submission. */
static int refuse(const json_t *problems, struct err *err)
{
	scoped(free_p) char *first = json_dumps(json_array_get(problems, 0), JSON_COMPACT);

	return err_set(err, ERR_REJECT, "%zu bad parameter%s, the first: %.600s", json_array_size(problems),
		json_array_size(problems) == 1 ? "" : "s", first ? first : "");
}

int runner_run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	const struct runner_tool *tool = runner_tool_find(job->tool);
	const struct tool *described = tool_find(job->tool);
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(json_decref_p) json_t *params = NULL;
	struct runner_job complete = *job;

	if (!tool || !described)
		return err_set(err, ERR_REJECT, "this runner has no tool '%.64s'", job->tool);
	tool_check_params(described, job->params, "/params", problems);
	tool_check_required(described, job->params, NULL, "/params", problems);
	if (json_array_size(problems) > 0)
		return refuse(problems, err);
	params = tool_fill_defaults(described, job->params);
	complete.params = params;
	picture_note("");
	return tool->run(&complete, ret_data, err);
}

static void on_glib_log(const char *domain, GLogLevelFlags level, const char *text, void *arg)
{
	(void)arg;
	if (level & G_LOG_LEVEL_ERROR) {        /* GLib aborts after this */
		const char *allocation = strstr(text, "failed to allocate");

		if (allocation)
			lastwords_memory(allocation);
		else
			lastwords("it gave up: %s", text);
	}
	if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
		log_error("runner.library", "domain=%s text=%s", domain ? domain : "-", log_quote(text));
	else if (level & G_LOG_LEVEL_WARNING)
		picture_note(text);
	else
		log_debug("runner.library", "domain=%s text=%s", domain ? domain : "-", log_quote(text));
}

int runner_init(const char *program, struct err *err)
{
	/* A picture that does not fit into memory goes nowhere else: libvips would write it to a file in /tmp. */
	setenv("VIPS_DISC_THRESHOLD", "1000g", 1);
	/* Progressive JPEGs in many arenas keep several times the memory. Given back to the kernel after each picture, memory comes
	 * again as zeros that somebody has to write: that is done when there is nothing to do (see serve.c). */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	g_log_set_default_handler(on_glib_log, NULL);
	if (VIPS_INIT(program))
		return err_set(err, ERR_RETRY, "libvips does not start: %s", vips_error_buffer());
	vips_block_untrusted_set(TRUE);
	/* Tasks run side by side in processes, which beats threads inside of one task. Nothing is
	 * read twice, so nothing is cached. */
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	vips_cache_set_max_mem(0);
	vips_cache_set_max_files(0);
	return 0;
}
