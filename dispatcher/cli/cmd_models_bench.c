/*
 * pixelfleet models bench NAME|FILE.onnx: how often a second each part runs here, on random tensors, by pixelfleet-infer. Where
 * requests can share a run, once alone and once BATCH together, which tells what sharing gains on this machine.
 */
#include "model_run.h"
#include "models.h"
#include "table.h"

#include <string.h>

#define BATCH 8

struct bench {
	struct model_bench how;         /* batch 0: not said */
	const char *part;               /* NULL: all */
	json_t *runs;                   /* of all parts, in the order in which they were made */
};

/* ---- running ---- */

static int run_one(struct cli *c, struct bench *b, const char *part, const char *path, long batch, json_t **ret, struct err *err)
{
	struct model_bench how = b->how;
	json_t *run = NULL;

	how.batch = batch;
	if (model_bench(c, path, &how, &run, err) < 0)
		return -1;
	json_object_set_new(run, "part", json_string(part));
	json_array_append_new(b->runs, run);
	*ret = run;
	return 0;
}

/* card_batch: what the card allows; 0: it does not say. */
static int run_part(struct cli *c, struct bench *b, const char *part, const char *path, long card_batch, struct err *err)
{
	long most = card_batch ? min_of(card_batch, (long)BATCH) : BATCH;
	json_t *alone = NULL, *together = NULL;
	double rows;

	if (b->how.batch)
		return run_one(c, b, part, path, b->how.batch, &alone, err);
	if (run_one(c, b, part, path, 1, &alone, err) < 0)
		return -1;
	if (most < 2 || !json_is_true(json_object_get(alone, "batches")))
		return 0;
	if (run_one(c, b, part, path, most, &together, err) < 0)
		return -1;
	rows = cli_num(alone, "rows_per_s");
	json_object_set_new(together, "ratio", json_real(rows > 0 ? cli_num(together, "rows_per_s") / rows : 0));
	return 0;
}

static int run_parts(struct cli *c, struct bench *b, const char *model, const json_t *parts, struct err *err)
{
	const json_t *part;
	size_t i;

	json_array_foreach(parts, i, part) {
		scoped(card_done) struct card card = { 0 };
		const char *name = cli_str(part, "part");

		if (b->part && strcmp(name, b->part) != 0)
			continue;
		if (card_find(c->conf.models_dir, model, name, &card, err) < 0) {
			c->code = CLI_FAILED;
			return -1;
		}
		if (run_part(c, b, name, card.path, card.max_batch, err) < 0)
			return -1;
	}
	return 0;
}

static int refuse_part(struct cli *c, const struct bench *b, const char *model, const json_t *parts, struct err *err)
{
	scoped(buf_free) struct buf known = { 0 };
	const json_t *part;
	size_t i;

	json_array_foreach(parts, i, part) {
		if (*cli_str(part, "part"))
			buf_printf(&known, "%s%s", i ? ", " : "", cli_str(part, "part"));
		if (strcmp(cli_str(part, "part"), b->part) == 0)
			return 0;
	}
	return cli_refuse(c, CLI_NOT_FOUND, err, "the model '%.250s' has no part '%.60s'; it has %.300s", model, b->part,
		known.len ? known.text : "one part only, without a name");
}

static int run_model(struct cli *c, struct bench *b, const char *model, struct err *err)
{
	scoped(json_decref_p) json_t *found = NULL;
	const json_t *parts;

	if (models_require(c, model, err) < 0)
		return -1;
	found = models_describe(c, model);
	parts = json_object_get(found, "parts");
	if (json_array_size(parts) == 0)
		return cli_refuse(c, CLI_FAILED, err, "%.900s", cli_str(found, "problem"));
	if (b->part && refuse_part(c, b, model, parts, err) < 0)
		return -1;
	return run_parts(c, b, model, parts, err);
}

/* ---- telling ---- */

static void add_row(struct cli_table *t, const json_t *run)
{
	cli_cell(t, CLI_BOLD, "%s", cli_str(run, "part"));
	cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(run, "batch"));
	cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(run, "callers"));
	cli_cell(t, CLI_PLAIN, "%.1f", cli_num(run, "runs_per_s"));
	cli_cell(t, CLI_PLAIN, "%.1f", cli_num(run, "rows_per_s"));
	cli_cell(t, CLI_PLAIN, "%.2f ms", cli_num(run, "p50_ms"));
	cli_cell(t, CLI_PLAIN, "%.2f ms", cli_num(run, "p99_ms"));
	cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT " MiB", cli_int(run, "peak_mb"));
	cli_cell(t, CLI_PLAIN, "%s", cli_str(run, "device"));
}

static void say_ratios(struct cli *c, const json_t *runs)
{
	const json_t *run;
	size_t i;

	json_array_foreach(runs, i, run)
		if (json_object_get(run, "ratio"))
			fprintf(c->out, "%s%s%" JSON_INTEGER_FORMAT " together do %.2f times as many rows a second as one alone\n",
				cli_str(run, "part"), *cli_str(run, "part") ? ": " : "", cli_int(run, "batch"), cli_num(run, "ratio"));
		else if (!json_is_true(json_object_get(run, "batches")))
			fprintf(c->out, "%s%sits sizes are fixed: no two requests share a run\n", cli_str(run, "part"),
				*cli_str(run, "part") ? ": " : "");
}

static void say(struct cli *c, const json_t *runs)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *run;
	size_t i;

	cli_column(&t, "PART", false);
	cli_column(&t, "BATCH", true);
	cli_column(&t, "CALLERS", true);
	cli_column(&t, "RUNS/S", true);
	cli_column(&t, "ROWS/S", true);
	cli_column(&t, "P50", true);
	cli_column(&t, "P99", true);
	cli_column(&t, "MEMORY", true);
	cli_column(&t, "DEVICE", false);
	json_array_foreach(runs, i, run)
		add_row(&t, run);
	cli_table_print(&t, c->out, &c->look);
	say_ratios(c, runs);
}

static int read_options(struct cli *c, struct bench *b, struct err *err)
{
	c->code = CLI_USAGE;
	b->part = cli_value(&c->args, "part");
	if (cli_number(&c->args, "callers", 1, 1, 256, &b->how.callers, err) < 0 ||
	    cli_number(&c->args, "seconds", 3, 1, 3600, &b->how.seconds, err) < 0)
		return -1;
	return cli_value(&c->args, "batch") ? cli_number(&c->args, "batch", 1, 1, 4096, &b->how.batch, err) : 0;
}

int cmd_models_bench(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *runs = json_array(), *answer = NULL;
	struct bench b = { .runs = runs };
	const char *word = c->args.words[0];
	int is_file;

	if (read_options(c, &b, err) < 0 || cli_settings(c, err) < 0)
		return -1;
	is_file = models_is_file(c, word, err);
	if (is_file < 0)
		return -1;
	if (is_file && b.part)
		return cli_usage(c, err, "--part: a file has no parts");
	if (is_file ? run_part(c, &b, "", word, 0, err) < 0 : run_model(c, &b, word, err) < 0)
		return -1;
	if (!c->json) {
		say(c, runs);
		return CLI_OK;
	}
	answer = json_pack("{s:o, s:O}", is_file ? "file" : "model", models_text(word), "runs", runs);
	cli_print_json(c, answer);
	return CLI_OK;
}
