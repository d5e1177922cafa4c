/* pixelfleet status ID: how far a job is, what failed, and what it waits for. */
#include "api.h"
#include "clock.h"
#include "progress.h"
#include "table.h"

#include <string.h>

#define PAGE  1000
#define SHOWN 10        /* failures, and waiting steps, unless --steps asks for all */

static const char *const states[] = { "blocked", "queued", "retrying", "succeeded", "failed", "skipped", "cancelled" };

/* "small[3]": the step, and the picture it is for. */
static char *step_name(const json_t *instance)
{
	const json_t *item = json_object_get(instance, "item");

	if (!json_is_integer(item) || json_integer_value(item) < 0)
		return xstrdup(cli_str(instance, "step"));
	return xasprintf("%s[%" JSON_INTEGER_FORMAT "]", cli_str(instance, "step"), json_integer_value(item));
}

static const json_t *last_attempt(const json_t *instance)
{
	const json_t *attempts = json_object_get(instance, "attempts");

	return json_array_size(attempts) ? json_array_get(attempts, json_array_size(attempts) - 1) : NULL;
}

/* Why it is as it is: a text, an {"kind","message"}, or the error of its last attempt. */
static const char *reason_of(const json_t *instance)
{
	const json_t *reason = json_object_get(instance, "reason");
	const json_t *error = json_object_get(last_attempt(instance), "error");

	if (*cli_str(instance, "waits_for"))
		return cli_str(instance, "waits_for");
	if (json_is_string(reason))
		return json_string_value(reason);
	if (*cli_str(reason, "message"))
		return cli_str(reason, "message");
	return json_is_string(error) ? json_string_value(error) : cli_str(error, "message");
}

static bool is_failure(const json_t *instance)
{
	return strcmp(cli_str(instance, "state"), "failed") == 0;
}

static bool is_waiting(const json_t *instance)
{
	return *cli_str(instance, "waits_for") != '\0';
}

static size_t count(const json_t *instances, bool (*is)(const json_t *instance))
{
	const json_t *instance;
	size_t i, n = 0;

	json_array_foreach(instances, i, instance)
		n += is(instance);
	return n;
}

static bool has_enough(const json_t *job)
{
	const json_t *instances = json_object_get(job, "instances");

	return count(instances, is_failure) >= SHOWN && count(instances, is_waiting) >= SHOWN;
}

/* The job with its instances: all, or pages until there is enough to show. */
static int fetch(struct cli *c, const char *id, bool all, json_t **ret, struct err *err)
{
	scoped(free_p) char *part = cli_url_part(id);
	scoped(json_decref_p) json_t *job = NULL;

	if (cli_get(c, &job, err, "/api/v1/jobs/%s?limit=%d", part, PAGE) < 0)
		return err_wrap(err, "job %.100s", id);
	for (json_t *to = json_object_get(job, "instances"); to && (all || (!c->json && !has_enough(job)));) {
		size_t n = json_array_size(to);
		scoped(json_decref_p) json_t *page = NULL;
		const json_t *more;

		if (n == 0 || n % PAGE != 0)
			break;
		if (cli_get(c, &page, err, "/api/v1/jobs/%s?limit=%d&after=%" JSON_INTEGER_FORMAT, part, PAGE,
			cli_int(json_array_get(to, n - 1), "ordinal")) < 0)
			return -1;
		more = json_object_get(page, "instances");
		if (json_array_size(more) == 0)
			break;
		json_array_extend(to, (json_t *)more);
	}
	*ret = steal(&job);
	return 0;
}

static void say_pair(struct cli *c, const char *name, const char *text)
{
	scoped(buf_free) struct buf clean = { 0 };

	if (!*text)
		return;
	cli_clean(&clean, text);
	fprintf(c->out, "%-10s %s\n", name, clean.text);
}

static void say_times(struct cli *c, const json_t *job)
{
	scoped(buf_free) struct buf text = { 0 };
	const char *created = cli_str(job, "created_at"), *ended = cli_str(job, "ended_at");
	int64_t ended_us = clock_wall_us();

	if (cli_time_parse(*ended ? ended : "", &ended_us) == 0)
		buf_puts(&text, "took ");
	else
		buf_puts(&text, "running for ");
	cli_age(&text, created, ended_us);
	if (*created) {
		say_pair(c, "created", created);
		say_pair(c, "", text.text);
	}
}

static void say_head(struct cli *c, const json_t *job)
{
	struct cli_progress p;
	scoped(buf_free) struct buf line = { 0 }, state = { 0 }, labels = { 0 };
	const char *key;
	json_t *value;

	cli_styled(&state, &c->look, cli_state_style(cli_str(job, "state")), cli_str(job, "state"));
	say_pair(c, "job", cli_str(job, "id"));
	say_pair(c, "your id", cli_str(job, "client_id"));
	fprintf(c->out, "%-10s %s\n", "state", state.text ? state.text : "");
	say_pair(c, "pipeline", cli_str(job, "pipeline"));
	json_object_foreach(json_object_get(job, "labels"), key, value)
		buf_printf(&labels, "%s%s=%s", labels.len ? " " : "", key, json_string_value(value) ? json_string_value(value) : "");
	say_pair(c, "labels", labels.text ? labels.text : "");
	say_times(c, job);

	cli_progress_init(&p, "", "progress ");
	cli_progress_update(&p, job, 0);
	p.state[0] = '\0';      /* the bar's end, "succeeded in 3 s", would tell of this command's time */
	cli_progress_bar(&p, &c->look, 0, &line);
	fprintf(c->out, "%s\n", line.text);
	cli_progress_free(&p);
}

static void say_steps(struct cli *c, const json_t *steps)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	bool used[countof(states)] = { false };
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i, step)
		for (size_t k = 0; k < countof(states); k++)
			used[k] |= cli_int(json_object_get(step, "state_counts"), states[k]) != 0;
	cli_column(&t, "STEP", false);
	cli_column(&t, "TOOL", false);
	cli_column(&t, "QUEUE", false);
	for (size_t k = 0; k < countof(states); k++)
		if (used[k])
			cli_column(&t, states[k], true);
	json_array_foreach(steps, i, step) {
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(step, "step"));
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(step, "tool"));
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(step, "queue"));
		for (size_t k = 0; k < countof(states); k++) {
			json_int_t n = cli_int(json_object_get(step, "state_counts"), states[k]);

			if (used[k])
				cli_cell(&t, n ? cli_state_style(states[k]) : CLI_DIM, "%" JSON_INTEGER_FORMAT, n);
		}
	}
	fputc('\n', c->out);
	cli_table_print(&t, c->out, &c->look);
}

/* What is known of a failure besides its message. */
static void add_circumstances(const json_t *instance, struct buf *to)
{
	const json_t *attempt = last_attempt(instance);
	json_int_t n = cli_int(instance, "attempt");

	buf_printf(to, "%" JSON_INTEGER_FORMAT " attempt%s", n, n == 1 ? "" : "s");
	if (cli_int(attempt, "signal"))
		buf_printf(to, ", signal %" JSON_INTEGER_FORMAT, cli_int(attempt, "signal"));
	if (*cli_str(attempt, "worker"))
		buf_printf(to, ", worker %s", cli_str(attempt, "worker"));
}

static void say_some(struct cli *c, const json_t *instances, const char *title, bool (*is)(const json_t *instance), size_t total)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *instance;
	size_t i;

	if (count(instances, is) == 0)
		return;
	cli_column(&t, title, false);
	cli_column(&t, "TOOL", false);
	cli_column(&t, is == is_failure ? "TRIED" : "STATE", false);
	cli_column(&t, is == is_failure ? "REASON" : "WAITS FOR", false);
	json_array_foreach(instances, i, instance) {
		scoped(free_p) char *name = step_name(instance);
		scoped(buf_free) struct buf tried = { 0 };

		if (!is(instance) || cli_rows(&t) == SHOWN)
			continue;
		add_circumstances(instance, &tried);
		cli_cell(&t, is == is_failure ? CLI_RED : CLI_PLAIN, "%s", name);
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(instance, "tool"));
		cli_cell(&t, CLI_PLAIN, "%s", is == is_failure ? tried.text : cli_str(instance, "state"));
		cli_cell(&t, CLI_PLAIN, "%s", reason_of(instance));
	}
	fputc('\n', c->out);
	cli_table_print(&t, c->out, &c->look);
	if (total > cli_rows(&t))
		fprintf(c->out, "... and %zu more; --steps lists them\n", total - cli_rows(&t));
}

static void say_instances(struct cli *c, const json_t *instances)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *instance;
	size_t i;

	cli_column(&t, "STEP", false);
	cli_column(&t, "TOOL", false);
	cli_column(&t, "STATE", false);
	cli_column(&t, "ATTEMPT", true);
	cli_column(&t, "MS", true);
	cli_column(&t, "OUTPUTS", true);
	cli_column(&t, "REASON", false);
	json_array_foreach(instances, i, instance) {
		scoped(free_p) char *name = step_name(instance);
		bool went_well = strcmp(cli_str(instance, "state"), "succeeded") == 0;

		cli_cell(&t, CLI_PLAIN, "%s", name);
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(instance, "tool"));
		cli_cell(&t, cli_state_style(cli_str(instance, "state")), "%s", cli_str(instance, "state"));
		cli_cell(&t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(instance, "attempt"));
		cli_cell(&t, CLI_PLAIN, "%.1f", cli_num(instance, "ms"));
		cli_cell(&t, CLI_PLAIN, "%zu", json_array_size(json_object_get(instance, "artifacts")));
		cli_cell(&t, CLI_PLAIN, "%s", went_well ? "" : reason_of(instance));
	}
	fputc('\n', c->out);
	cli_table_print(&t, c->out, &c->look);
}

int cmd_status(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *job = NULL;
	bool all = cli_has(&c->args, "steps");
	const json_t *instances;

	if (fetch(c, c->args.words[0], all, &job, err) < 0)
		return -1;
	if (c->json) {
		cli_print_json(c, job);
		return CLI_OK;
	}
	instances = json_object_get(job, "instances");
	say_head(c, job);
	say_steps(c, json_object_get(job, "steps"));
	if (all) {
		say_instances(c, instances);
		return CLI_OK;
	}
	say_some(c, instances, "FAILED", is_failure, (size_t)cli_int(job, "failed"));
	say_some(c, instances, "WAITING", is_waiting, count(instances, is_waiting));
	return CLI_OK;
}
