/* pixelfleet workers: who is there, and what each slot does. */
#include "api.h"
#include "clock.h"
#include "table.h"

static void slots_text(const json_t *slots, struct buf *to)
{
	const char *queue;
	json_t *n;

	json_object_foreach((json_t *)slots, queue, n)
		buf_printf(to, "%s%s=%" JSON_INTEGER_FORMAT, to->len ? "," : "", queue, json_integer_value(n));
}

static void say_workers(struct cli *c, const json_t *workers)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *w;
	size_t i;

	cli_column(&t, "WORKER", false);
	cli_column(&t, "STATE", false);
	cli_column(&t, "SLOTS", false);
	cli_column(&t, "RUNNING", true);
	cli_column(&t, "HELD", true);
	cli_column(&t, "DONE", true);
	cli_column(&t, "FAILED", true);
	cli_column(&t, "UP", true);
	cli_column(&t, "VERSION", false);
	json_array_foreach(workers, i, w) {
		scoped(buf_free) struct buf slots = { 0 };
		bool claims = !json_is_false(json_object_get(w, "claiming"));

		slots_text(json_object_get(w, "slots"), &slots);
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(w, "worker"));
		cli_cell(&t, claims ? cli_state_style(cli_str(w, "state")) : CLI_YELLOW, "%s%s", cli_str(w, "state"),
			claims ? "" : ", not claiming");
		cli_cell(&t, CLI_PLAIN, "%s", slots.text ? slots.text : "");
		cli_cell(&t, CLI_PLAIN, "%zu", json_array_size(json_object_get(w, "running")));
		cli_cell(&t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(w, "held"));
		cli_cell(&t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(w, "done"));
		cli_cell(&t, cli_int(w, "failed") ? CLI_RED : CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(w, "failed"));
		cli_cell_age(&t, cli_str(w, "started_at"), clock_wall_us());
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(w, "version"));
	}
	cli_table_print(&t, c->out, &c->look);
}

static void say_running(struct cli *c, const json_t *workers)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *w, *task;
	size_t i, k;

	cli_column(&t, "RUNS ON", false);
	cli_column(&t, "JOB", false);
	cli_column(&t, "STEP", false);
	cli_column(&t, "TOOL", false);
	cli_column(&t, "ATTEMPT", true);
	cli_column(&t, "FOR", true);
	cli_column(&t, "WAITS FOR", false);
	json_array_foreach(workers, i, w)
		json_array_foreach(json_object_get(w, "running"), k, task) {
			cli_cell(&t, CLI_PLAIN, "%s", cli_str(w, "worker"));
			cli_cell(&t, CLI_PLAIN, "%s", cli_str(task, "job"));
			cli_cell(&t, CLI_PLAIN, "%s", cli_str(task, "step"));
			cli_cell(&t, CLI_PLAIN, "%s", cli_str(task, "tool"));
			cli_cell(&t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(task, "attempt"));
			cli_cell_age(&t, cli_str(task, "since"), clock_wall_us());
			cli_cell(&t, CLI_YELLOW, "%s", cli_str(task, "waits_for"));
		}
	if (cli_rows(&t) == 0)
		return;
	fputc('\n', c->out);
	cli_table_print(&t, c->out, &c->look);
}

static void say_dispatchers(struct cli *c, const json_t *dispatchers)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *d;
	size_t i;

	if (json_array_size(dispatchers) == 0)
		return;
	cli_column(&t, "DISPATCHER", false);
	cli_column(&t, "UP", true);
	cli_column(&t, "VERSION", false);
	json_array_foreach(dispatchers, i, d) {
		const char *name = json_is_string(d) ? json_string_value(d) : cli_str(d, "dispatcher");

		cli_cell(&t, CLI_PLAIN, "%s", *name ? name : cli_str(d, "id"));
		cli_cell_age(&t, cli_str(d, "started_at"), clock_wall_us());
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(d, "version"));
	}
	fputc('\n', c->out);
	cli_table_print(&t, c->out, &c->look);
}

int cmd_workers(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;

	if (cli_get(c, &answer, err, "/api/v1/workers") < 0)
		return -1;
	if (c->json) {
		cli_print_json(c, answer);
		return CLI_OK;
	}
	say_workers(c, json_object_get(answer, "workers"));
	say_running(c, json_object_get(answer, "workers"));
	say_dispatchers(c, json_object_get(answer, "dispatchers"));
	return CLI_OK;
}
