/* pixelfleet jobs: the list of jobs, newest first. */
#include "api.h"
#include "clock.h"
#include "table.h"

#include <string.h>

#define PAGE 200

static int add_state(struct cli *c, struct buf *query, struct err *err)
{
	static const char *const states[] = { "running", "succeeded", "partial", "failed", "cancelled" };
	const char *state = cli_value(&c->args, "state");

	if (!state)
		return 0;
	for (size_t i = 0; i < countof(states); i++)
		if (strcmp(states[i], state) == 0) {
			buf_printf(query, "&state=%s", state);
			return 0;
		}
	return cli_usage(c, err, "--state: '%.60s' is none of running, succeeded, partial, failed, cancelled", state);
}

static int add_label(struct cli *c, struct buf *query, struct err *err)
{
	const char *label = cli_value(&c->args, "label");
	size_t n = label ? strcspn(label, "=:") : 0;

	if (!label)
		return 0;
	if (n == 0 || !label[n])
		return cli_usage(c, err, "--label: '%.100s' is not KEY=VALUE", label);
	scoped(free_p) char *raw = xasprintf("%.*s:%s", (int)n, label, label + n + 1);
	scoped(free_p) char *part = cli_url_part(raw);
	buf_printf(query, "&label=%s", part);
	return 0;
}

/* Asks page after page until there are `limit` jobs. */
static int collect(struct cli *c, const char *query, long limit, json_t *jobs, struct err *err)
{
	scoped(free_p) char *before = xstrdup("");

	while ((long)json_array_size(jobs) < limit) {
		long want = min_of(limit - (long)json_array_size(jobs), (long)PAGE);
		scoped(json_decref_p) json_t *page = NULL;
		const char *next;

		if (cli_get(c, &page, err, "/api/v1/jobs?limit=%ld%s%s%s", want, query, *before ? "&before=" : "", before) < 0)
			return -1;
		json_array_extend(jobs, json_object_get(page, "jobs"));
		next = cli_str(page, "next");
		if (!*next || json_array_size(json_object_get(page, "jobs")) == 0)
			break;
		free_p(&before);
		before = cli_url_part(next);
	}
	return 0;
}

static void labels_text(const json_t *labels, struct buf *to)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)labels, key, value)
		buf_printf(to, "%s%s=%s", to->len ? " " : "", key, json_string_value(value) ? json_string_value(value) : "");
}

static void add_row(struct cli_table *t, const json_t *job, int64_t now_us)
{
	json_int_t failed = cli_int(job, "failed"), total = cli_int(job, "total");
	json_int_t done = cli_int(job, "succeeded") + failed + cli_int(job, "skipped") + cli_int(job, "cancelled");
	scoped(buf_free) struct buf labels = { 0 };
	const char *state = cli_str(job, "state");
	int64_t ended_us = now_us;

	if (*cli_str(job, "ended_at") && cli_time_parse(cli_str(job, "ended_at"), &ended_us) < 0)
		ended_us = now_us;
	labels_text(json_object_get(job, "labels"), &labels);
	cli_cell(t, CLI_PLAIN, "%s", cli_str(job, "id"));
	cli_cell(t, cli_state_style(state), "%s", state);
	cli_cell(t, CLI_PLAIN, "%s", cli_str(job, "pipeline"));
	cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(job, "images"));
	cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT, done, total);
	cli_cell(t, failed ? CLI_RED : CLI_PLAIN, "%" JSON_INTEGER_FORMAT, failed);
	cli_cell_age(t, cli_str(job, "created_at"), now_us);
	cli_cell_age(t, cli_str(job, "created_at"), ended_us);
	cli_cell(t, CLI_PLAIN, "%s", labels.text ? labels.text : "");
}

static void print(struct cli *c, const json_t *jobs)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *job;
	size_t i;

	cli_column(&t, "ID", false);
	cli_column(&t, "STATE", false);
	cli_column(&t, "PIPELINE", false);
	cli_column(&t, "PICTURES", true);
	cli_column(&t, "STEPS", true);
	cli_column(&t, "FAILED", true);
	cli_column(&t, "AGE", true);
	cli_column(&t, "TOOK", true);
	cli_column(&t, "LABELS", false);
	json_array_foreach(jobs, i, job)
		add_row(&t, job, clock_wall_us());
	cli_table_print(&t, c->out, &c->look);
}

int cmd_jobs(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *jobs = json_array();
	scoped(buf_free) struct buf query = { 0 };
	long limit;

	if (cli_number(&c->args, "limit", 20, 1, 100000, &limit, err) < 0) {
		c->code = CLI_USAGE;
		return -1;
	}
	if (add_state(c, &query, err) < 0 || add_label(c, &query, err) < 0)
		return -1;
	if (collect(c, query.text ? query.text : "", limit, jobs, err) < 0)
		return -1;
	if (c->json) {
		scoped(json_decref_p) json_t *all = json_pack("{s:O}", "jobs", jobs);

		cli_print_json(c, all);
	} else {
		print(c, jobs);
	}
	return CLI_OK;
}
