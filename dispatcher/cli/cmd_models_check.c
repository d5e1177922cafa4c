/*
 * pixelfleet models check NAME|FILE.onnx: does it load, and is it what its card and its kind's tool say? Each file is looked at
 * by pixelfleet-infer, in its sandbox.
 */
#include "model_run.h"
#include "model_wants.h"
#include "models.h"
#include "table.h"

#include <string.h>

/* ---- looking ---- */

/* What the file tells is wanted next to what the card says. */
static void join(json_t *part, json_t *look)
{
	json_object_del(look, "file");
	json_object_update(part, look);
}

static void fail(json_t *of, const struct err *err)
{
	json_object_set_new(of, "problem", models_text(err->msg));
}

/* -1: nothing can run here at all. What is wrong with the model is in the part. */
static int look(struct cli *c, const char *path, json_t *part, struct signature *ret, bool *is_read, struct err *err)
{
	scoped(json_decref_p) json_t *told = NULL;

	*is_read = false;
	if (model_look(c, path, &told, err) < 0 || model_signature(told, ret, err) < 0) {
		if (c->code == CLI_TROUBLE)
			return -1;
		fail(part, err);
		return 0;
	}
	join(part, told);
	*is_read = true;
	return 0;
}

static int check_part(struct cli *c, const char *model, const char *kind, json_t *part, struct err *err)
{
	scoped(card_done) struct card card = { 0 };
	const char *name = cli_str(part, "part"), *tool = model_tool(kind, name);
	struct signature s;
	struct err why;
	bool is_read;

	if (card_find(c->conf.models_dir, model, name, &card, &why) < 0) {
		fail(part, &why);
		return 0;
	}
	if (look(c, card.path, part, &s, &is_read, err) < 0)
		return -1;
	if (!is_read)
		return 0;
	if (tool)
		json_object_set_new(part, "tool", json_string(tool));
	else
		json_object_set_new(part, "might_be", model_guesses(&s));
	if (signature_check(&s, card.declared, &why) < 0 || model_fits(kind, name, &s, card.text, &why) < 0)
		fail(part, &why);
	return 0;
}

static int check_model(struct cli *c, const char *name, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *model = models_describe(c, name);
	const char *state;
	json_t *part;
	size_t i;

	json_array_foreach(json_object_get(model, "parts"), i, part) {
		if (!json_object_get(part, "problem") && check_part(c, name, cli_str(model, "kind"), part, err) < 0)
			return -1;
		if (json_object_get(part, "problem") && !json_object_get(model, "problem"))
			json_object_set(model, "problem", json_object_get(part, "problem"));
	}
	state = cli_str(model, "state");
	if (json_object_get(model, "problem") && strcmp(state, "ok") == 0)
		json_object_set_new(model, "state", json_string("broken"));
	*ret = steal(&model);
	return 0;
}

static int check_file(struct cli *c, const char *path, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *part = json_pack("{s:s, s:o}", "part", "", "file", models_text(path));
	struct signature s;
	bool is_read;

	if (look(c, path, part, &s, &is_read, err) < 0)
		return -1;
	if (is_read)
		json_object_set_new(part, "might_be", model_guesses(&s));
	*ret = json_pack("{s:o, s:s, s:[O], s:O*}", "file", models_text(path), "state", is_read ? "ok" : "broken", "parts", part,
		"problem", json_object_get(part, "problem"));
	must(*ret != NULL);
	return 0;
}

/* ---- telling ---- */

static void say_line(struct cli *c, const char *what, const char *text)
{
	scoped(buf_free) struct buf clean = { 0 };

	cli_clean(&clean, text);
	if (clean.len)
		fprintf(c->out, "%-8s %s\n", what, clean.text);
}

static void say_head(struct cli *c, const json_t *model)
{
	if (!json_object_get(model, "model"))
		say_line(c, "file", cli_str(model, "file"));
	say_line(c, "model", cli_str(model, "model"));
	say_line(c, "kind", cli_str(model, "kind"));
	say_line(c, "title", cli_str(model, "title"));
	say_line(c, "licence", cli_str(model, "license"));
	say_line(c, "source", cli_str(model, "source"));
	say_line(c, "in", cli_str(model, "dir"));
	if (cli_int(model, "labels"))
		fprintf(c->out, "%-8s %" JSON_INTEGER_FORMAT "\n", "labels", cli_int(model, "labels"));
}

static bool is_read(const json_t *part)
{
	return json_object_get(part, "inputs") != NULL;
}

static void say_files(struct cli *c, const json_t *parts)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *part;
	size_t i;

	cli_column(&t, "PART", false);
	cli_column(&t, "FILE", false);
	cli_column(&t, "LOADED IN", true);
	cli_column(&t, "MEMORY", true);
	cli_column(&t, "DEVICE", false);
	cli_column(&t, "BATCHED", false);
	json_array_foreach(parts, i, part) {
		json_int_t most = cli_int(part, "max_batch");

		if (!is_read(part))
			continue;
		cli_cell(&t, CLI_BOLD, "%s", cli_str(part, "part"));
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(part, "file"));
		cli_cell(&t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT " ms", cli_int(part, "load_ms"));
		cli_cell(&t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT " MiB", cli_int(part, "memory_mb"));
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(part, "device"));
		if (!json_is_true(json_object_get(part, "batches")))
			cli_cell(&t, CLI_PLAIN, "no: its sizes are fixed");
		else if (most)
			cli_cell(&t, CLI_PLAIN, most == 1 ? "no: the card says so" : "up to %" JSON_INTEGER_FORMAT, most);
		else
			cli_cell(&t, CLI_PLAIN, "yes");
	}
	if (cli_rows(&t) == 0)
		return;
	fputc('\n', c->out);
	cli_table_print(&t, c->out, &c->look);
}

static void add_tensors(struct cli_table *t, const json_t *part, const char *member, const char *what)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(part, member), i, one) {
		scoped(buf_free) struct buf shape = { 0 };

		buf_json(&shape, json_object_get(one, "shape"));
		cli_cell(t, CLI_BOLD, "%s", cli_str(part, "part"));
		cli_cell(t, CLI_PLAIN, "%s", what);
		cli_cell(t, CLI_PLAIN, "%s", cli_str(one, "name"));
		cli_cell(t, CLI_PLAIN, "%s", cli_str(one, "datatype"));
		cli_cell(t, CLI_PLAIN, "%s", shape.text);
	}
}

static void say_tensors(struct cli *c, const json_t *parts)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *part;
	size_t i;

	cli_column(&t, "PART", false);
	cli_column(&t, "", false);
	cli_column(&t, "TENSOR", false);
	cli_column(&t, "TYPE", false);
	cli_column(&t, "SHAPE", false);
	json_array_foreach(parts, i, part) {
		add_tensors(&t, part, "inputs", "in");
		add_tensors(&t, part, "outputs", "out");
	}
	if (cli_rows(&t) == 0)
		return;
	fputc('\n', c->out);
	cli_table_print(&t, c->out, &c->look);
}

static void say_guesses(struct cli *c, const json_t *guesses)
{
	const json_t *one;
	size_t i;

	fputs(json_array_size(guesses) ? "ok; by its tensors it might be of " : "ok; by its tensors, no tool here would take it", c->out);
	json_array_foreach(guesses, i, one)
		fprintf(c->out, "%s%s", i ? ", or of " : "", json_string_value(one));
	fputc('\n', c->out);
}

static void say_verdict(struct cli *c, const json_t *model)
{
	const json_t *part;
	bool is_told = false;
	size_t i;

	fputc('\n', c->out);
	if (strcmp(cli_str(model, "state"), "card only") == 0) {
		say_line(c, "problem", cli_str(model, "problem"));
		return;
	}
	json_array_foreach(json_object_get(model, "parts"), i, part) {
		const char *name = cli_str(part, "part"), *problem = cli_str(part, "problem");
		scoped(buf_free) struct buf line = { 0 };

		is_told = is_told || *problem;
		fprintf(c->out, "%s%s", name, *name ? ": " : "");
		cli_clean(&line, problem);
		if (*problem) {
			scoped(buf_free) struct buf red = { 0 };

			cli_styled(&red, &c->look, CLI_RED, line.text);
			fprintf(c->out, "%s\n", red.text);
		} else if (json_object_get(part, "might_be"))
			say_guesses(c, json_object_get(part, "might_be"));
		else
			fprintf(c->out, "ok, for the tool %s\n", cli_str(part, "tool"));
	}
	if (!is_told)
		say_line(c, "problem", cli_str(model, "problem"));
}

static void say(struct cli *c, const json_t *model)
{
	const json_t *parts = json_object_get(model, "parts");

	say_head(c, model);
	say_files(c, parts);
	say_tensors(c, parts);
	say_verdict(c, model);
	say_line(c, "note", cli_str(json_array_get(parts, 0), "note"));
}

static int check(struct cli *c, const char *word, json_t **ret, struct err *err)
{
	int is_file = models_is_file(c, word, err);

	if (is_file != 0)
		return is_file < 0 ? -1 : check_file(c, word, ret, err);
	return models_require(c, word, err) < 0 ? -1 : check_model(c, word, ret, err);
}

int cmd_models_check(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *found = NULL;

	if (cli_settings(c, err) < 0 || check(c, c->args.words[0], &found, err) < 0)
		return -1;
	if (c->json)
		cli_print_json(c, found);
	else
		say(c, found);
	return strcmp(cli_str(found, "state"), "ok") == 0 ? CLI_OK : CLI_FAILED;
}
