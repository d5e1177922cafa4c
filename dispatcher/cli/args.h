/*
 * args.h - the words of a command line, read against the table commands.def.
 *
 *	scoped(cli_args_done) struct cli_args a = { 0 };
 *	if (cli_args_parse(&a, argc, argv, err) < 0) ...
 *	if (cli_has(&a, "json")) ...
 *	const char *state = cli_value(&a, "state");          // NULL: not given
 *
 * Options may stand before, between and after arguments, as --name value, --name=value,
 * -n value or -nvalue; "--" ends them. The strings are those of argv.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "err.h"

#define CLI_MANY 1000000

struct cli;

struct cli_command {
	const char *id, *name, *args;
	size_t least, most;             /* number of arguments */
	const char *completes, *summary, *details;
	/* Returns the exit status, or -1 with *err filled. */
	int (*run)(struct cli *c, struct err *err);
};

struct cli_option {
	const char *command;            /* a command's id, or "global" */
	const char *name;
	char letter;                    /* 0: none */
	const char *value;              /* NULL: a flag */
	const char *completes, *help;
};

struct cli_given {
	const struct cli_option *option;
	const char *value;              /* NULL of a flag */
};

struct cli_args {
	const struct cli_command *command;      /* NULL: none was named */
	struct cli_given *given;
	size_t ngiven, given_cap;
	const char **words;             /* the arguments */
	size_t nwords, words_cap;
};

extern const struct cli_command cli_commands[];
extern const size_t cli_ncommands;
extern const struct cli_option cli_options[];
extern const size_t cli_noptions;

/* With --help or --version, the number of arguments is not checked. On -1 what was understood so far
 * is kept (for the hint which help to read): cli_args_done() is due in any case. */
int cli_args_parse(struct cli_args *ret, int argc, const char *const *argv, struct err *err) must_use;
void cli_args_done(struct cli_args *a);

/* `name` must be an option of the command or a global one. */
bool cli_has(const struct cli_args *a, const char *name);
const char *cli_value(const struct cli_args *a, const char *name);      /* the last one given */
/* The next value of a repeatable option, from *at on, which starts at 0; NULL at the end. */
const char *cli_next_value(const struct cli_args *a, const char *name, size_t *at);
/* A whole number in [least, most]; `def` when it was not given. */
int cli_number(const struct cli_args *a, const char *name, long def, long least, long most, long *ret, struct err *err) must_use;

/* "dlq list", or "dlq" + "list"; `second` may be NULL. A group alone means its "list". NULL: no such command. */
const struct cli_command *cli_command_find(const char *first, const char *second);
bool cli_is_group(const char *word);            /* "dlq", "pipelines" */
bool cli_option_is_for(const struct cli_option *o, const struct cli_command *c);

/* How many letters must be typed differently to get from a to b; capped at 9. */
unsigned cli_distance(const char *a, const char *b);

#endif
