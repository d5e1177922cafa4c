#include "cli.h"
#include "problems.h"

#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int cli_refuse(struct cli *c, enum cli_exit code, struct err *err, const char *fmt, ...)
{
	char text[sizeof err->msg];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	c->code = code;
	return err_set(err, ERR_REJECT, "%s", text);
}

int cli_usage(struct cli *c, struct err *err, const char *fmt, ...)
{
	char text[sizeof err->msg];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return cli_refuse(c, CLI_USAGE, err, "%s", text);
}

int cli_settings(struct cli *c, struct err *err)
{
	if (c->has_conf)
		return 0;
	if (conf_load(&c->conf, (const char *const *)environ, err) < 0) {
		c->code = CLI_USAGE;
		return -1;
	}
	c->has_conf = true;
	return 0;
}

void cli_print_json(struct cli *c, const json_t *value)
{
	scoped(free_p) char *text = c->look.live ? cli_pretty(value)
		: json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) | JSON_COMPACT);

	fprintf(c->out, "%s\n", text ? text : "null");
}

static void complain_json(struct cli *c, const struct err *err)
{
	scoped(json_decref_p) json_t *out = json_pack("{s:{s:s, s:O*}}", "error", "message", err->msg, "problems", c->problems);

	if (!out)       /* the message was cut inside a character */
		out = json_pack("{s:{s:s}}", "error", "message", "the error's text is not UTF-8");
	cli_print_json(c, out);
}

void cli_complain(struct cli *c, const struct err *err)
{
	scoped(buf_free) struct buf text = { 0 };

	if (c->json) {
		complain_json(c, err);
	} else if (json_array_size(c->problems)) {
		cli_problems_text(&text, c->source ? c->source : "submission", c->problems);
		fputs(text.text, c->msg);
	} else {
		cli_clean(&text, err->msg);
		fprintf(c->msg, "pixelfleet: %s%s%s\n", c->source ? c->source : "", c->source ? ": " : "", text.text ? text.text : "");
	}
	if (c->code == CLI_USAGE && !c->json)
		fprintf(c->msg, "'pixelfleet %s%s' explains.\n", c->args.command ? c->args.command->name : "help",
			c->args.command ? " --help" : "");
	json_decref(c->problems);
	c->problems = NULL;
	free(c->source);
	c->source = NULL;
}

static int run(struct cli *c, int argc, const char *const *argv, struct err *err)
{
	const struct cli_command *command;

	if (cli_args_parse(&c->args, argc, argv, err) < 0) {
		c->code = CLI_USAGE;
		return -1;
	}
	command = c->args.command;
	c->json = cli_has(&c->args, "json");
	if (cli_has(&c->args, "version")) {
		fprintf(c->out, "pixelfleet %s\n", VERSION);
		return CLI_OK;
	}
	if (cli_has(&c->args, "help")) {
		cli_help(c->out, command);
		return CLI_OK;
	}
	if (!command) {
		cli_help(c->msg, NULL);
		return CLI_USAGE;
	}
	return command->run(c, err);
}

static void done(struct cli *c)
{
	if (c->http)
		httpc_free(c->http);
	if (c->has_conf)
		conf_done(&c->conf);
	json_decref(c->problems);
	free(c->source);
	cli_args_done(&c->args);
}

int cli_main(int argc, const char *const *argv, FILE *out, FILE *msg)
{
	struct cli c = { .out = out, .msg = msg, .code = CLI_TROUBLE };
	struct err err = { 0 };
	int code;

	setlocale(LC_CTYPE, "");
	c.look = cli_look_of(fileno(out));
	code = run(&c, argc, argv, &err);
	if (code < 0) {
		fflush(out);    /* so that the complaint comes after what was printed */
		cli_complain(&c, &err);
		code = c.code;
	}
	/* A full disk or a closed pipe is not "all is well". */
	if ((fflush(out) != 0 || ferror(out)) && code == CLI_OK)
		code = CLI_TROUBLE;
	done(&c);
	return code;
}
