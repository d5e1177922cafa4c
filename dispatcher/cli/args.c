#include "args.h"
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR 2          /* a word that is so few letters off may be what was meant */

const struct cli_command cli_commands[] = {
#define COMMAND(id, name, args, least, most, completes, summary, details) \
	{ #id, name, args, least, most, completes, summary, details, cmd_##id },
#define OPTION(id, name, letter, value, completes, help)
#include "commands.def"
#undef COMMAND
#undef OPTION
};
const size_t cli_ncommands = countof(cli_commands);

const struct cli_option cli_options[] = {
#define COMMAND(id, name, args, least, most, completes, summary, details)
#define OPTION(id, name, letter, value, completes, help) { #id, name, letter, value, completes, help },
#include "commands.def"
#undef COMMAND
#undef OPTION
};
const size_t cli_noptions = countof(cli_options);

unsigned cli_distance(const char *a, const char *b)
{
	unsigned row[32], diagonal, above;
	size_t n = strlen(b);

	if (n >= countof(row) || strlen(a) >= countof(row))
		return 9;
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		diagonal = row[0]++;
		for (size_t j = 0; j < n; j++) {
			above = row[j + 1];
			row[j + 1] = min_of(above, row[j]) + 1;
			row[j + 1] = min_of(row[j + 1], diagonal + (a[i] != b[j]));
			diagonal = above;
		}
	}
	return min_of(row[n], 9u);
}

bool cli_is_group(const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < cli_ncommands; i++)
		if (strncmp(cli_commands[i].name, word, n) == 0 && cli_commands[i].name[n] == ' ')
			return true;
	return false;
}

const struct cli_command *cli_command_find(const char *first, const char *second)
{
	char name[64];

	if (cli_is_group(first))
		snprintf(name, sizeof name, "%s %s", first, second ? second : "list");
	else
		snprintf(name, sizeof name, "%s", first);
	for (size_t i = 0; i < cli_ncommands; i++)
		if (strcmp(cli_commands[i].name, name) == 0)
			return &cli_commands[i];
	return NULL;
}

bool cli_option_is_for(const struct cli_option *o, const struct cli_command *c)
{
	return strcmp(o->command, "global") == 0 || (c && strcmp(o->command, c->id) == 0);
}

static int unknown_command(const char *word, const char *group, struct err *err)
{
	const char *near = NULL;

	for (size_t i = 0; i < cli_ncommands; i++) {
		const char *name = cli_commands[i].name;
		size_t n = group ? strlen(group) : 0;

		if (n && (strncmp(name, group, n) != 0 || name[n] != ' '))
			continue;
		if (cli_distance(word, name + (n ? n + 1 : 0)) <= NEAR)
			near = name;
	}
	if (near)
		return err_set(err, ERR_REJECT, "unknown command '%s%s%.60s'; did you mean '%s'?",
			group ? group : "", group ? " " : "", word, near);
	return err_set(err, ERR_REJECT, "unknown command '%s%s%.60s'", group ? group : "", group ? " " : "", word);
}

static int unknown_option(const struct cli_command *c, const char *word, int n, struct err *err)
{
	scoped(free_p) char *name = xstrndup(word, (size_t)n);
	const char *bare = name + strspn(name, "-");

	for (size_t i = 0; i < cli_noptions; i++)
		if (cli_option_is_for(&cli_options[i], c) && cli_distance(bare, cli_options[i].name) <= NEAR)
			return err_set(err, ERR_REJECT, "unknown option '%.60s'; did you mean '--%s'?", name, cli_options[i].name);
	return err_set(err, ERR_REJECT, "unknown option '%.60s'", name);
}

static const struct cli_option *find_option(const struct cli_command *c, const char *name, size_t n, char letter)
{
	for (size_t i = 0; i < cli_noptions; i++) {
		const struct cli_option *o = &cli_options[i];

		if (!cli_option_is_for(o, c))
			continue;
		if (letter ? o->letter == letter : strlen(o->name) == n && strncmp(o->name, name, n) == 0)
			return o;
	}
	return NULL;
}

static void add_given(struct cli_args *a, const struct cli_option *o, const char *value)
{
	a->given = grow(a->given, a->ngiven + 1, &a->given_cap, sizeof *a->given);
	a->given[a->ngiven++] = (struct cli_given){ o, value };
}

static int take_value(const struct cli_option *o, const char *inside, const char *next, size_t *used,
	const char **ret, struct err *err)
{
	if (inside) {
		*ret = inside;
		return 0;
	}
	if (!next)
		return err_set(err, ERR_REJECT, "option '--%s' needs a value: %s", o->name, o->value);
	*ret = next;
	*used += 1;
	return 0;
}

/* --name, --name=value. *used is how many words of argv it took. */
static int long_option(struct cli_args *a, const char *word, const char *next, size_t *used, struct err *err)
{
	size_t n = strcspn(word + 2, "=");
	const char *inside = word[2 + n] ? word + 2 + n + 1 : NULL, *value = NULL;
	const struct cli_option *o = find_option(a->command, word + 2, n, 0);

	if (!o)
		return unknown_option(a->command, word, (int)n + 2, err);
	if (!o->value && inside)
		return err_set(err, ERR_REJECT, "option '--%s' takes no value", o->name);
	if (o->value && take_value(o, inside, next, used, &value, err) < 0)
		return -1;
	add_given(a, o, value);
	return 0;
}

/* -x, -xy of flags, -nvalue. */
static int short_options(struct cli_args *a, const char *word, const char *next, size_t *used, struct err *err)
{
	for (const char *at = word + 1; *at; at++) {
		const struct cli_option *o = find_option(a->command, NULL, 0, *at);
		const char *value = NULL;

		if (!o)
			return err_set(err, ERR_REJECT, "unknown option '-%c'", *at);
		if (o->value && take_value(o, at[1] ? at + 1 : NULL, next, used, &value, err) < 0)
			return -1;
		add_given(a, o, value);
		if (o->value)
			break;
	}
	return 0;
}

static void add_word(struct cli_args *a, const char *word)
{
	a->words = grow(a->words, a->nwords + 1, &a->words_cap, sizeof *a->words);
	a->words[a->nwords++] = word;
}

/* The first words that are not options name the command. */
static int take_word(struct cli_args *a, const char *word, const char **group, struct err *err)
{
	if (a->command) {
		add_word(a, word);
		return 0;
	}
	if (!*group && cli_is_group(word)) {
		*group = word;
		return 0;
	}
	a->command = *group ? cli_command_find(*group, word) : cli_command_find(word, NULL);
	return a->command ? 0 : unknown_command(word, *group, err);
}

static int check_count(const struct cli_args *a, struct err *err)
{
	const struct cli_command *c = a->command;

	if (!c || cli_has(a, "help") || cli_has(a, "version"))
		return 0;
	if (a->nwords < c->least)
		return err_set(err, ERR_REJECT, "%s: an argument is missing: %s", c->name, c->args);
	if (a->nwords > c->most)
		return err_set(err, ERR_REJECT, "%s: unexpected argument '%.60s'%s%s", c->name, a->words[c->most],
			*c->args ? "; it takes " : "", c->args);
	return 0;
}

int cli_args_parse(struct cli_args *ret, int argc, const char *const *argv, struct err *err)
{
	const char *group = NULL;
	bool options = true;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
		size_t used = 0;
		int rc;

		if (options && strcmp(word, "--") == 0) {
			options = false;
			continue;
		}
		/* What the shell asks about is not ours to understand. */
		if (ret->command && strcmp(ret->command->id, "completion") == 0)
			rc = take_word(ret, word, &group, err);
		else if (options && word[0] == '-' && word[1] == '-')
			rc = long_option(ret, word, next, &used, err);
		else if (options && word[0] == '-' && word[1])
			rc = short_options(ret, word, next, &used, err);
		else
			rc = take_word(ret, word, &group, err);
		if (rc < 0)
			return -1;
		i += (int)used;
	}
	if (!ret->command && group)
		ret->command = cli_command_find(group, NULL);
	return check_count(ret, err);
}

void cli_args_done(struct cli_args *a)
{
	free(a->given);
	free(a->words);
	*a = (struct cli_args){ 0 };
}

const char *cli_next_value(const struct cli_args *a, const char *name, size_t *at)
{
	must(find_option(a->command, name, strlen(name), 0));
	while (*at < a->ngiven) {
		const struct cli_given *g = &a->given[(*at)++];

		if (strcmp(g->option->name, name) == 0)
			return g->value ? g->value : "";
	}
	return NULL;
}

const char *cli_value(const struct cli_args *a, const char *name)
{
	const char *value, *last = NULL;
	size_t at = 0;

	while ((value = cli_next_value(a, name, &at)))
		last = value;
	return last;
}

bool cli_has(const struct cli_args *a, const char *name)
{
	return cli_value(a, name) != NULL;
}

int cli_number(const struct cli_args *a, const char *name, long def, long least, long most, long *ret, struct err *err)
{
	const char *text = cli_value(a, name);
	char *end = NULL;
	long n;

	if (!text) {
		*ret = def;
		return 0;
	}
	errno = 0;
	n = strtol(text, &end, 10);
	if (!*text || *end || errno || n < least || n > most)
		return err_set(err, ERR_REJECT, "--%s: '%.60s' is not a whole number from %ld to %ld", name, text, least, most);
	*ret = n;
	return 0;
}
