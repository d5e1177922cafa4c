/*
 * pixelfleet completion WORD...: what may follow these words, for shells. The table
 * commands.def answers, so a new command or option is completed without another change.
 *
 * A line is a word, or "@file", "@job", "@queue", "@tool", "@pipeline", "@model", "@command": something
 * of that kind, which the shell's own script looks up. The last of the words is the one
 * being typed; it decides only whether it is an option's value.
 */
#include "cli.h"

#include <string.h>

static void kind(struct cli *c, const char *completes)
{
	if (!completes)
		return;
	if (!strchr(completes, '|')) {
		fprintf(c->out, "@%s\n", completes);
		return;
	}
	for (const char *at = completes; *at; at += strcspn(at, "|"), at += *at == '|')
		fprintf(c->out, "%.*s\n", (int)strcspn(at, "|"), at);
}

static void options(struct cli *c, const struct cli_command *command)
{
	for (size_t i = 0; i < cli_noptions; i++)
		if (cli_option_is_for(&cli_options[i], command))
			fprintf(c->out, "--%s\n", cli_options[i].name);
}

/* The words that may come first, or second after a group. */
static void commands(struct cli *c, const char *group)
{
	size_t n = group ? strlen(group) : 0;

	for (size_t i = 0; i < cli_ncommands; i++) {
		const char *name = cli_commands[i].name, *previous = i ? cli_commands[i - 1].name : "";
		size_t len = strcspn(name, " ");

		if (group && strncmp(name, group, n) == 0 && name[n] == ' ')
			fprintf(c->out, "%s\n", name + n + 1);
		if (!group && (strncmp(name, previous, len) != 0 || (previous[len] && previous[len] != ' ')))
			fprintf(c->out, "%.*s\n", (int)len, name);
	}
}

static const struct cli_option *find_option(const struct cli_command *command, const char *word)
{
	for (size_t i = 0; i < cli_noptions; i++) {
		const struct cli_option *o = &cli_options[i];

		if (!cli_option_is_for(o, command))
			continue;
		if (word[0] == '-' && (word[1] == '-' ? strcmp(word + 2, o->name) == 0 : o->letter && word[1] == o->letter && !word[2]))
			return o;
	}
	return NULL;
}

int cmd_completion(struct cli *c, struct err *err)
{
	const struct cli_command *command = NULL;
	const char *group = NULL, *last = c->args.nwords ? c->args.words[c->args.nwords - 1] : "";
	const struct cli_option *open = NULL;

	(void)err;
	for (size_t i = 0; i + 1 < c->args.nwords; i++) {
		const char *word = c->args.words[i];

		if (open && open->value) {
			open = NULL;
			continue;
		}
		open = find_option(command, word);
		if (word[0] == '-' || command)
			continue;
		if (!group && cli_is_group(word))
			group = word;
		else
			command = cli_command_find(group ? group : word, group ? word : NULL);
	}
	if (open && open->value)
		kind(c, open->completes);
	else if (last[0] == '-')
		options(c, command);
	else if (!command)
		commands(c, group);
	else
		kind(c, command->completes);
	return CLI_OK;
}
