/* pixelfleet dlq show QUEUE [N]: one dead letter, for a person who has to decide what to do. */
#include "api.h"
#include "clock.h"
#include "problems.h"
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void say(struct cli *c, const char *name, const char *text, enum cli_style style)
{
	scoped(buf_free) struct buf clean = { 0 }, shown = { 0 };

	if (!*text)
		return;
	cli_clean(&clean, text);
	cli_styled(&shown, &c->look, style, clean.text);
	fprintf(c->out, "%-10s %s\n", name, shown.text);
}

static void say_json(struct cli *c, const char *title, const json_t *value)
{
	scoped(free_p) char *text = value ? cli_pretty(value) : NULL;

	if (text)
		fprintf(c->out, "\n%s\n%s\n", title, text);
}

static void say_attempts(struct cli *c, const json_t *attempts)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *a;
	size_t i;

	cli_column(&t, "ATTEMPT", true);
	cli_column(&t, "AT", false);
	cli_column(&t, "WORKER", false);
	cli_column(&t, "TOOK", true);
	cli_column(&t, "PEAK", true);
	cli_column(&t, "SIGNAL", true);
	cli_column(&t, "ERROR", false);
	json_array_foreach(attempts, i, a) {
		const json_t *error = json_object_get(a, "error");
		scoped(buf_free) struct buf took = { 0 }, peak = { 0 };
		json_int_t number = cli_int(a, "attempt"), sig = cli_int(a, "signal");

		cli_duration(&took, cli_num(a, "ms") / 1000);
		if (cli_int(a, "peak_rss_kb"))
			cli_bytes(&peak, cli_num(a, "peak_rss_kb") * 1024);
		cli_cell(&t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, number ? number : (json_int_t)i + 1);
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(a, "at"));
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(a, "worker"));
		cli_cell(&t, CLI_PLAIN, "%s", json_is_number(json_object_get(a, "ms")) ? took.text : "");
		cli_cell(&t, CLI_PLAIN, "%s", peak.text ? peak.text : "");
		if (sig)
			cli_cell(&t, CLI_RED, "%" JSON_INTEGER_FORMAT " SIG%s", sig,
				sigabbrev_np((int)sig) ? sigabbrev_np((int)sig) : "?");
		else
			cli_cell(&t, CLI_PLAIN, "%s", "");
		cli_cell(&t, CLI_PLAIN, "%s", json_is_string(error) ? json_string_value(error) : cli_str(error, "message"));
	}
	if (cli_rows(&t) == 0)
		return;
	fputc('\n', c->out);
	cli_table_print(&t, c->out, &c->look);
}

static void say_error(struct cli *c, const json_t *error)
{
	scoped(buf_free) struct buf text = { 0 };

	say(c, "reason", cli_str(error, "message"), CLI_RED);
	say(c, "kind", cli_str(error, "kind"), CLI_PLAIN);
	if (json_array_size(json_object_get(error, "problems")) == 0)
		return;
	cli_problems_text(&text, "submission", json_object_get(error, "problems"));
	fprintf(c->out, "\n%s", text.text);
}

/* A submission that was refused: what came, as it came. */
static void say_submission(struct cli *c, const json_t *submission)
{
	scoped(buf_free) struct buf clean = { 0 };

	if (!json_is_string(submission)) {
		say_json(c, "SUBMISSION", submission);
		return;
	}
	cli_clean(&clean, json_string_value(submission));
	fprintf(c->out, "\nSUBMISSION\n%s\n", clean.text ? clean.text : "");
}

static void say_letter(struct cli *c, const json_t *letter)
{
	const json_t *task = json_object_get(letter, "task"), *item = json_object_get(letter, "item");
	scoped(free_p) char *step = NULL;

	item = item ? item : json_object_get(task, "item");
	step = json_is_integer(item) ? xasprintf("%s[%" JSON_INTEGER_FORMAT "]", cli_str(letter, "step"), json_integer_value(item))
		: xstrdup(cli_str(letter, "step"));
	say(c, "job", *cli_str(letter, "job") ? cli_str(letter, "job") : cli_str(letter, "id"), CLI_BOLD);
	say(c, "step", step, CLI_PLAIN);
	say(c, "tool", cli_str(letter, "tool"), CLI_PLAIN);
	say(c, "source", cli_str(task, "source"), CLI_PLAIN);
	say(c, "failed at", *cli_str(letter, "failed_at") ? cli_str(letter, "failed_at") : cli_str(letter, "at"), CLI_PLAIN);
	say_error(c, json_object_get(letter, "error"));
	say_attempts(c, json_object_get(letter, "attempts"));
	say_json(c, "PARAMETERS", json_object_get(task, "params"));
	say_json(c, "INPUTS", json_object_get(task, "inputs"));
	if (json_object_get(letter, "submission"))
		say_submission(c, json_object_get(letter, "submission"));
}

static int read_number(struct cli *c, long *ret, struct err *err)
{
	const char *text = c->args.nwords > 1 ? c->args.words[1] : "1";
	char *end = NULL;

	errno = 0;
	*ret = strtol(text, &end, 10);
	if (!*text || *end || errno || *ret < 1 || *ret > 1000000000)
		return cli_usage(c, err, "dlq show: '%.60s' is not a number from 1 (the newest) on", text);
	return 0;
}

int cmd_dlq_show(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(free_p) char *part = cli_url_part(c->args.words[0]);
	const json_t *letter;
	long number;

	if (read_number(c, &number, err) < 0)
		return -1;
	if (cli_get(c, &answer, err, "/api/v1/dlq/%s?limit=1&offset=%ld", part, number - 1) < 0)
		return -1;
	letter = json_array_get(json_object_get(answer, "letters"), 0);
	if (!letter)
		return cli_refuse(c, CLI_NOT_FOUND, err, "queue '%.60s' has no dead letter %ld; it has %" JSON_INTEGER_FORMAT,
			c->args.words[0], number, cli_int(answer, "total"));
	if (c->json)
		cli_print_json(c, letter);
	else
		say_letter(c, letter);
	return CLI_OK;
}
