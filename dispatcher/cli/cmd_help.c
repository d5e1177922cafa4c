/* pixelfleet help [COMMAND|exit-codes|settings]: what the table commands.def says, for people. */
#include "cli.h"
#include "table.h"

#include <string.h>

static void options_of(FILE *to, const char *command, const char *title)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	struct cli_look plain = { 0 };

	cli_column(&t, title, false);
	cli_column(&t, "", false);
	for (size_t i = 0; i < cli_noptions; i++) {
		const struct cli_option *o = &cli_options[i];
		char letter[8] = "    ";

		if (strcmp(o->command, command) != 0)
			continue;
		if (o->letter)
			snprintf(letter, sizeof letter, "-%c, ", o->letter);
		cli_cell(&t, CLI_PLAIN, "  %s--%s%s%s", letter, o->name, o->value ? " " : "", o->value ? o->value : "");
		cli_cell(&t, CLI_PLAIN, "%s", o->help);
	}
	if (cli_rows(&t) == 0)
		return;
	fputc('\n', to);
	cli_table_print(&t, to, &plain);
}

static void overview(FILE *to)
{
	scoped(cli_table_done) struct cli_table t = { 0 };
	struct cli_look plain = { 0 };

	fprintf(to, "usage: pixelfleet COMMAND [ARGUMENT...] [OPTION...]\n\n"
		"Hands work to a pixelfleet, and shows what became of it.\n\n");
	cli_column(&t, "Commands", false);
	cli_column(&t, "", false);
	for (size_t i = 0; i < cli_ncommands; i++) {
		cli_cell(&t, CLI_PLAIN, "  %s", cli_commands[i].name);
		cli_cell(&t, CLI_PLAIN, "%s", cli_commands[i].summary);
	}
	cli_table_print(&t, to, &plain);
	options_of(to, "global", "Options of every command");
	fprintf(to, "\n'pixelfleet help COMMAND' explains one; 'pixelfleet help exit-codes' and 'pixelfleet help settings'\n"
		"list those. Dispatchers are looked for at PIXELFLEET_DISPATCHER_URL.\n");
}

void cli_help(FILE *to, const struct cli_command *command)
{
	if (!command) {
		overview(to);
		return;
	}
	fprintf(to, "usage: pixelfleet %s%s%s\n\n%s\n", command->name, *command->args ? " " : "", command->args, command->summary);
	if (*command->details)
		fprintf(to, "\n%s", command->details);
	options_of(to, command->id, "Options");
	options_of(to, "global", "Options of every command");
}

static void exit_codes(struct cli *c)
{
	static const struct { int code; const char *meaning; } codes[] = {
#define EXIT(symbol, code, meaning) { code, meaning },
#include "exits.def"
#undef EXIT
	};

	if (c->json) {
		scoped(json_decref_p) json_t *all = json_object();

		for (size_t i = 0; i < countof(codes); i++)
			json_object_set_new(all, codes[i].meaning, json_integer(codes[i].code));
		cli_print_json(c, all);
		return;
	}
	for (size_t i = 0; i < countof(codes); i++)
		fprintf(c->out, "%4d  %s\n", codes[i].code, codes[i].meaning);
}

/* "dlq" names four commands. */
static void group(struct cli *c, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < cli_ncommands; i++)
		if (strncmp(cli_commands[i].name, name, n) == 0 && cli_commands[i].name[n] == ' ')
			fprintf(c->out, "pixelfleet %s %s\n    %s\n", cli_commands[i].name, cli_commands[i].args, cli_commands[i].summary);
}

int cmd_help(struct cli *c, struct err *err)
{
	const char *topic = c->args.nwords ? c->args.words[0] : NULL, *second = c->args.nwords > 1 ? c->args.words[1] : NULL;
	const struct cli_command *command = topic ? cli_command_find(topic, second) : NULL;

	if (!topic)
		cli_help(c->out, NULL);
	else if (strcmp(topic, "exit-codes") == 0)
		exit_codes(c);
	else if (strcmp(topic, "settings") == 0)
		conf_help(c->out);
	else if (cli_is_group(topic) && !second)
		group(c, topic);
	else if (command)
		cli_help(c->out, command);
	else
		return cli_usage(c, err, "help: nothing is known about '%.60s%s%.60s'", topic, second ? " " : "", second ? second : "");
	return CLI_OK;
}
