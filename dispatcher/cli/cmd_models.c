/* pixelfleet models list: what is in PIXELFLEET_MODELS_DIR. Asks nobody: it is about this machine's directory. */
#include "models.h"
#include "table.h"

#include <string.h>

enum { TEXT_COLUMNS = 36, PROBLEM_COLUMNS = 200 };

/* "image 102.5 KiB, text 151.1 KiB" */
static void add_parts(struct buf *to, const json_t *parts)
{
	const json_t *part;
	size_t i;

	json_array_foreach(parts, i, part) {
		const char *name = cli_str(part, "part");

		buf_printf(to, "%s%s%s", i ? ", " : "", name, *name ? " " : "");
		if (json_object_get(part, "file"))
			cli_bytes(to, cli_num(part, "bytes"));
		else
			buf_puts(to, "-");
	}
}

static void add_row(struct cli_table *t, const json_t *model)
{
	scoped(buf_free) struct buf parts = { 0 }, license = { 0 }, state = { 0 };
	bool is_ok = strcmp(cli_str(model, "state"), "ok") == 0, is_broken = strcmp(cli_str(model, "state"), "broken") == 0;

	add_parts(&parts, json_object_get(model, "parts"));
	cli_cut(&license, cli_str(model, "license"), TEXT_COLUMNS);
	cli_cut(&state, is_broken ? cli_str(model, "problem") : cli_str(model, "state"), PROBLEM_COLUMNS);
	cli_cell(t, CLI_BOLD, "%s", cli_str(model, "model"));
	cli_cell(t, CLI_PLAIN, "%s", cli_str(model, "kind"));
	cli_cell(t, CLI_PLAIN, "%s", parts.text ? parts.text : "");
	if (cli_int(model, "labels"))
		cli_cell(t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(model, "labels"));
	else
		cli_cell(t, CLI_PLAIN, "%s", "");
	cli_cell(t, CLI_PLAIN, "%s", license.text ? license.text : "");
	cli_cell(t, is_ok ? CLI_GREEN : is_broken ? CLI_RED : CLI_YELLOW, "%s", state.text ? state.text : "");
}

static void say(struct cli *c, const json_t *models)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *model;
	size_t i;

	cli_column(&t, "MODEL", false);
	cli_column(&t, "KIND", false);
	cli_column(&t, "PARTS", false);
	cli_column(&t, "LABELS", true);
	cli_column(&t, "LICENCE", false);
	cli_column(&t, "STATE", false);
	json_array_foreach(models, i, model)
		add_row(&t, model);
	cli_table_print(&t, c->out, &c->look);
}

int cmd_models_list(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *names = NULL, *models = json_array(), *answer = NULL;
	bool has_more = false;
	const json_t *name;
	size_t i;

	if (cli_settings(c, err) < 0 || models_find(c, &names, &has_more, err) < 0)
		return -1;
	json_array_foreach(names, i, name)
		json_array_append_new(models, models_describe(c, json_string_value(name)));
	if (c->json) {
		answer = json_pack("{s:O, s:b}", "models", models, "more", has_more);
		cli_print_json(c, answer);
		return CLI_OK;
	}
	say(c, models);
	if (has_more)
		fprintf(c->out, "... and more than %d\n", MODELS_MOST);
	if (json_array_size(models) == 0)
		fprintf(c->msg, "There are no models in '%s' (PIXELFLEET_MODELS_DIR).\n", c->conf.models_dir);
	return CLI_OK;
}
