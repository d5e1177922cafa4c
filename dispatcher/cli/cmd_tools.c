/* pixelfleet tools [NAME]: what a step may name, and its parameters. */
#include "api.h"
#include "table.h"

#include <string.h>

static void say_all(struct cli *c, const json_t *tools)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *tool;
	size_t i;

	cli_column(&t, "TOOL", false);
	cli_column(&t, "QUEUE", false);
	cli_column(&t, "RUNS", false);
	cli_column(&t, "WHAT IT DOES", false);
	json_array_foreach(tools, i, tool) {
		cli_cell(&t, CLI_BOLD, "%s", cli_str(tool, "name"));
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(tool, "queue"));
		cli_cell(&t, CLI_PLAIN, "%s", strcmp(cli_str(tool, "scope"), "all") == 0 ? "once" : "each picture");
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(tool, "help"));
	}
	cli_table_print(&t, c->out, &c->look);
}

static void add_number(struct buf *to, const json_t *schema, const char *key)
{
	if (json_is_number(json_object_get(schema, key)))
		buf_printf(to, "%.12g", cli_num(schema, key));
}

/* "1-100", "attention|entropy", "2-5 long", or nothing. */
static void add_range(const json_t *schema, struct buf *to)
{
	static const char *const bounds[][3] = { { "minimum", "maximum", "" }, { "minLength", "maxLength", " long" },
		{ "minItems", "maxItems", " of them" }, { "minProperties", "maxProperties", " members" } };
	const json_t *option;
	size_t i;

	json_array_foreach(json_object_get(schema, "enum"), i, option)
		buf_printf(to, "%s%s", i ? "|" : "", json_string_value(option) ? json_string_value(option) : "?");
	for (i = 0; i < countof(bounds); i++) {
		if (!json_object_get(schema, bounds[i][0]) && !json_object_get(schema, bounds[i][1]))
			continue;
		add_number(to, schema, bounds[i][0]);
		buf_puts(to, " to ");
		add_number(to, schema, bounds[i][1]);
		buf_puts(to, bounds[i][2]);
	}
	if (*cli_str(schema, "pattern"))
		buf_puts(to, strstr(cli_str(schema, "pattern"), "^#") ? "#rrggbb" : cli_str(schema, "pattern"));
}

static bool is_required(const json_t *schema, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, item)
		if (strcmp(json_string_value(item) ? json_string_value(item) : "", name) == 0)
			return true;
	return false;
}

static void add_params(struct cli_table *t, const json_t *schema, const char *prefix)
{
	const char *name;
	json_t *param;

	json_object_foreach(json_object_get(schema, "properties"), name, param) {
		const json_t *items = json_object_get(param, "items"), *def = json_object_get(param, "default");
		scoped(buf_free) struct buf text = { 0 }, range = { 0 };
		const char *of = cli_str(items, "type");

		if (def)
			buf_json(&text, def);
		else if (is_required(schema, name))
			buf_puts(&text, "(required)");
		add_range(param, &range);
		cli_cell(t, CLI_BOLD, "%s%s", prefix, name);
		cli_cell(t, CLI_PLAIN, "%s%s%s", cli_str(param, "type"), *of ? " of " : "", of);
		cli_cell(t, CLI_PLAIN, "%s", text.text ? text.text : "");
		cli_cell(t, CLI_PLAIN, "%s", range.text ? range.text : "");
		cli_cell(t, CLI_PLAIN, "%s", cli_str(param, "description"));
		if (json_object_get(items, "properties")) {
			scoped(free_p) char *inner = xasprintf("%s%s[].", prefix, name);

			add_params(t, items, inner);
		}
	}
}

static void say_one(struct cli *c, const json_t *tool)
{
	scoped(cli_table_done) struct cli_table t = { 0 };

	fprintf(c->out, "%s: %s\n", cli_str(tool, "name"), cli_str(tool, "help"));
	fprintf(c->out, "takes %s, gives %s; queue %s, time limit %" JSON_INTEGER_FORMAT " s, runs %s\n",
		cli_str(tool, "takes"), cli_str(tool, "gives"), cli_str(tool, "queue"), cli_int(tool, "timeout_s"),
		strcmp(cli_str(tool, "scope"), "all") == 0 ? "once for all pictures" : "for each picture");
	cli_column(&t, "PARAMETER", false);
	cli_column(&t, "TYPE", false);
	cli_column(&t, "DEFAULT", false);
	cli_column(&t, "ALLOWED", false);
	cli_column(&t, "MEANING", false);
	add_params(&t, json_object_get(tool, "params"), "");
	if (cli_rows(&t) == 0)
		return;
	fputc('\n', c->out);
	cli_table_print(&t, c->out, &c->look);
}

static const json_t *find(const json_t *tools, const char *name, const char **ret_near)
{
	const json_t *tool;
	size_t i;

	json_array_foreach(tools, i, tool) {
		const char *its = cli_str(tool, "name");

		if (strcmp(its, name) == 0)
			return tool;
		if (cli_distance(its, name) <= 2)
			*ret_near = its;
	}
	return NULL;
}

int cmd_tools(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	const json_t *shown;
	const char *near = NULL;

	if (cli_get(c, &answer, err, "/api/v1/tools") < 0)
		return -1;
	shown = answer;
	if (c->args.nwords) {
		shown = find(json_object_get(answer, "tools"), c->args.words[0], &near);
		if (!shown)
			return cli_refuse(c, CLI_NOT_FOUND, err, "there is no tool '%.60s'%s%s%s", c->args.words[0],
				near ? "; did you mean '" : "", near ? near : "", near ? "'?" : " ('pixelfleet tools' lists them)");
	}
	if (c->json)
		cli_print_json(c, shown);
	else if (c->args.nwords)
		say_one(c, shown);
	else
		say_all(c, json_object_get(answer, "tools"));
	return CLI_OK;
}
