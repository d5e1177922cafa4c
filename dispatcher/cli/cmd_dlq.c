/* pixelfleet dlq list|retry|discard: dead letters, and what becomes of them. */
#include "api.h"
#include "clock.h"
#include "input.h"
#include "table.h"

#include <string.h>
#include <unistd.h>

#define REASON_COLUMNS 100

static int list_queues(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *q;
	size_t i;

	if (cli_get(c, &answer, err, "/api/v1/dlq") < 0)
		return -1;
	if (c->json) {
		cli_print_json(c, answer);
		return CLI_OK;
	}
	cli_column(&t, "QUEUE", false);
	cli_column(&t, "DEAD LETTERS", true);
	json_array_foreach(json_object_get(answer, "queues"), i, q) {
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(q, "queue"));
		cli_cell(&t, cli_int(q, "dead") ? CLI_RED : CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(q, "dead"));
	}
	cli_table_print(&t, c->out, &c->look);
	return CLI_OK;
}

static void add_letter(struct cli_table *t, const json_t *letter, size_t number)
{
	const json_t *error = json_object_get(letter, "error");
	const char *at = cli_str(letter, "failed_at");
	scoped(buf_free) struct buf reason = { 0 };

	cli_cut(&reason, cli_str(error, "message"), REASON_COLUMNS);
	cli_cell(t, CLI_PLAIN, "%zu", number);
	cli_cell(t, CLI_PLAIN, "%s", *cli_str(letter, "job") ? cli_str(letter, "job") : cli_str(letter, "id"));
	cli_cell(t, CLI_PLAIN, "%s", cli_str(letter, "step"));
	cli_cell(t, CLI_PLAIN, "%s", cli_str(letter, "tool"));
	cli_cell_age(t, *at ? at : cli_str(letter, "at"), clock_wall_us());
	cli_cell(t, CLI_PLAIN, "%zu", json_array_size(json_object_get(letter, "attempts")));
	cli_cell(t, CLI_RED, "%s", reason.text ? reason.text : "");
}

static int list_letters(struct cli *c, const char *queue, long limit, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(cli_table_done) struct cli_table t = { 0 };
	scoped(free_p) char *part = cli_url_part(queue);
	const json_t *letter;
	size_t i;

	if (cli_get(c, &answer, err, "/api/v1/dlq/%s?limit=%ld&offset=0", part, limit) < 0)
		return -1;
	if (c->json) {
		cli_print_json(c, answer);
		return CLI_OK;
	}
	cli_column(&t, "N", true);
	cli_column(&t, "JOB", false);
	cli_column(&t, "STEP", false);
	cli_column(&t, "TOOL", false);
	cli_column(&t, "AGE", true);
	cli_column(&t, "ATTEMPTS", true);
	cli_column(&t, "REASON", false);
	json_array_foreach(json_object_get(answer, "letters"), i, letter)
		add_letter(&t, letter, i + 1);
	cli_table_print(&t, c->out, &c->look);
	if (cli_int(answer, "total") > (json_int_t)cli_rows(&t))
		fprintf(c->out, "... and %" JSON_INTEGER_FORMAT " more\n", cli_int(answer, "total") - (json_int_t)cli_rows(&t));
	return CLI_OK;
}

int cmd_dlq_list(struct cli *c, struct err *err)
{
	long limit;

	if (cli_number(&c->args, "limit", 50, 1, 10000, &limit, err) < 0) {
		c->code = CLI_USAGE;
		return -1;
	}
	return c->args.nwords ? list_letters(c, c->args.words[0], limit, err) : list_queues(c, err);
}

/* {"job"?, "step"?, "tool"?, "all"?}: at least one, so that nobody means all by forgetting. */
static json_t *filter(struct cli *c, struct err *err)
{
	static const char *const names[] = { "job", "step", "tool" };
	json_t *body = json_object();

	for (size_t i = 0; i < countof(names); i++)
		if (cli_value(&c->args, names[i]))
			json_object_set_new(body, names[i], json_string(cli_value(&c->args, names[i])));
	if (cli_has(&c->args, "all"))
		json_object_set_new(body, "all", json_true());
	if (json_object_size(body) > 0)
		return body;
	json_decref(body);
	cli_usage(c, err, "%s: which ones? Give --job, --step, --tool or --all", c->args.command->name);
	return NULL;
}

static int act(struct cli *c, const char *verb, const char *past, const json_t *body, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(free_p) char *part = cli_url_part(c->args.words[0]), *path = xasprintf("/api/v1/dlq/%s/%s", part, verb);
	json_int_t n;

	if (cli_call(c, "POST", path, body, &answer, err) < 0)
		return -1;
	n = cli_int(answer, past);
	if (c->json)
		cli_print_json(c, answer);
	else
		fprintf(c->out, "%" JSON_INTEGER_FORMAT " %s\n", n, past);
	return n > 0 ? CLI_OK : CLI_NOT_FOUND;
}

int cmd_dlq_retry(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *body = filter(c, err);
	const char *text = cli_value(&c->args, "params");
	json_t *params = NULL;

	if (!body)
		return -1;
	if (text && cli_option_object(c, "--params", text, &params, err) < 0)
		return -1;
	if (params)
		json_object_set_new(body, "params", params);
	return act(c, "retry", "retried", body, err);
}

/* true: a person said y, or the command line did. */
static bool is_sure(struct cli *c)
{
	char answer[16] = "";

	if (cli_has(&c->args, "yes"))
		return true;
	if (!isatty(STDIN_FILENO))
		return false;
	fprintf(c->msg, "Discard these dead letters of queue '%s' for good? [y/N] ", c->args.words[0]);
	fflush(c->msg);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int cmd_dlq_discard(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *body = filter(c, err);

	if (!body)
		return -1;
	if (!is_sure(c))
		return cli_usage(c, err, "dlq discard: nothing was discarded; --yes, or a y at the question, is needed");
	return act(c, "discard", "discarded", body, err);
}
