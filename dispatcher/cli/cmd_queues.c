/* pixelfleet queues: what waits, runs and died, and who serves it. */
#include "api.h"
#include "table.h"

#include <string.h>

static void add_row(struct cli_table *t, const json_t *q)
{
	json_int_t waiting = cli_int(q, "queued") + cli_int(q, "backlog"), served = cli_int(q, "served_by");
	json_int_t dead = cli_int(q, "dead");
	scoped(buf_free) struct buf age = { 0 };

	if (waiting > 0 && json_is_number(json_object_get(q, "oldest_age_s")))
		cli_duration(&age, cli_num(q, "oldest_age_s"));
	cli_cell(t, CLI_PLAIN, "%s", cli_str(q, "queue"));
	cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(q, "queued"));
	cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(q, "backlog"));
	cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(q, "running"));
	cli_cell(t, dead ? CLI_RED : CLI_PLAIN, "%" JSON_INTEGER_FORMAT, dead);
	cli_cell(t, CLI_PLAIN, "%s", age.text ? age.text : "");
	if (served > 0)
		cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT " worker%s", served, served == 1 ? "" : "s");
	else
		cli_cell(t, waiting ? CLI_RED : CLI_DIM, "nobody");
}

/* Why a lane does not move although somebody serves it. */
static void add_outage(struct cli_table *t, const json_t *q, const json_t *w)
{
	bool is_closed = strcmp(cli_str(w, "state"), "closed") == 0;

	cli_cell(t, CLI_PLAIN, "%s", cli_str(q, "queue"));
	cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(w, "waiting"));
	cli_cell(t, is_closed ? CLI_PLAIN : CLI_RED, "%s", cli_str(w, "backend"));
	cli_cell(t, CLI_PLAIN, "%s", is_closed ? "is back" : cli_str(w, "next_probe"));
	cli_cell(t, CLI_PLAIN, "%.160s", cli_str(w, "why"));
}

static void print_outages(struct cli *c, const json_t *queues)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *q, *w;
	size_t i, k, n = 0;

	cli_column(&t, "QUEUE", false);
	cli_column(&t, "WAITING", true);
	cli_column(&t, "FOR BACKEND", false);
	cli_column(&t, "NEXT PROBE", false);
	cli_column(&t, "BECAUSE", false);
	json_array_foreach(queues, i, q)
		json_array_foreach(json_object_get(q, "waiting_on_backend"), k, w) {
			add_outage(&t, q, w);
			n++;
		}
	if (!n)
		return;
	fputs("\n", c->out);
	cli_table_print(&t, c->out, &c->look);
}

/* Of the photo and text queues: people's own lists. */
static void print_lists(struct cli *c, const json_t *lists)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *o;
	size_t i;

	if (!json_array_size(lists))
		return;
	cli_column(&t, "MESSAGES OF", false);
	cli_column(&t, "WAITING", true);
	cli_column(&t, "DEAD LETTERS IN", false);
	cli_column(&t, "DEAD", true);
	json_array_foreach(lists, i, o) {
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(o, "list"));
		cli_cell(&t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(o, "waiting"));
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(o, "dead_letters"));
		cli_cell(&t, cli_int(o, "dead") ? CLI_RED : CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(o, "dead"));
	}
	fputs("\n", c->out);
	cli_table_print(&t, c->out, &c->look);
}

int cmd_queues(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *q;
	size_t i;

	if (cli_get(c, &answer, err, "/api/v1/queues") < 0)
		return -1;
	if (c->json) {
		cli_print_json(c, answer);
		return CLI_OK;
	}
	cli_column(&t, "QUEUE", false);
	cli_column(&t, "QUEUED", true);
	cli_column(&t, "BACKLOG", true);
	cli_column(&t, "RUNNING", true);
	cli_column(&t, "DEAD", true);
	cli_column(&t, "OLDEST", true);
	cli_column(&t, "SERVED BY", false);
	json_array_foreach(json_object_get(answer, "queues"), i, q)
		add_row(&t, q);
	cli_table_print(&t, c->out, &c->look);
	print_lists(c, json_object_get(answer, "lists"));
	print_outages(c, json_object_get(answer, "queues"));
	return CLI_OK;
}
