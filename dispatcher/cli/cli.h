/*
 * cli.h - one run of `pixelfleet`: what was asked for, where the answer goes, how it ends.
 *
 * A command is a row of commands.def and a function cmd_ID(). It returns its exit status
 * (exits.def), or -1 with *err filled; then cli_main() prints the error once and exits with
 * `code`, which is CLI_TROUBLE unless whoever failed knew better (cli_refuse(), cli_call()).
 */
#ifndef CLI_H
#define CLI_H

#include "args.h"
#include "conf.h"
#include "httpc.h"
#include "text.h"

#include <jansson.h>
#include <stdio.h>

enum cli_exit {
#define EXIT(symbol, code, meaning) symbol = code,
#include "exits.def"
#undef EXIT
};

struct cli {
	struct cli_args args;
	FILE *out;                      /* answers */
	FILE *msg;                      /* errors, questions, remarks */
	bool json;
	struct cli_look look;           /* of `out` */
	struct conf conf;               /* read by cli_settings() */
	bool has_conf;
	struct httpc *http;
	size_t url;                     /* which of the dispatchers answered last */
	enum cli_exit code;             /* of a command that returns -1 */
	json_t *problems;               /* what the dispatcher found wrong, or NULL */
	char *source;                   /* the file that the problems are in, or NULL */
};

int cli_main(int argc, const char *const *argv, FILE *out, FILE *msg);

int cli_settings(struct cli *c, struct err *err) must_use;      /* reads them once */
int cli_usage(struct cli *c, struct err *err, const char *fmt, ...) printf_like(3, 4);          /* -1, CLI_USAGE */
int cli_refuse(struct cli *c, enum cli_exit code, struct err *err, const char *fmt, ...) printf_like(4, 5);

/* Prints what went wrong, as text to `msg` or as JSON to `out`, and forgets the problems. */
void cli_complain(struct cli *c, const struct err *err);
void cli_print_json(struct cli *c, const json_t *value);
void cli_help(FILE *to, const struct cli_command *command);     /* NULL: the overview */

#define COMMAND(id, name, args, least, most, completes, summary, details) int cmd_##id(struct cli *c, struct err *err);
#define OPTION(id, name, letter, value, completes, help)
#include "commands.def"
#undef COMMAND
#undef OPTION

#endif
