#include "problems.h"
#include "text.h"

#include <string.h>

#define FOUND_MAX 100           /* columns of what was found */

static void add_value(struct buf *to, const json_t *value, size_t columns)
{
	scoped(buf_free) struct buf text = { 0 };
	char *dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

	buf_puts(&text, dump ? dump : "?");
	free(dump);
	cli_cut(to, text.text, columns);
}

/* Allowed is a text, or a list of what may be there. */
static void add_allowed(struct buf *to, const json_t *allowed)
{
	const json_t *item;
	size_t i;

	if (json_is_string(allowed)) {
		cli_clean(to, json_string_value(allowed));
		return;
	}
	if (!json_is_array(allowed)) {
		add_value(to, allowed, 4 * FOUND_MAX);
		return;
	}
	json_array_foreach(allowed, i, item) {
		buf_puts(to, i ? ", " : "");
		if (json_is_string(item))
			cli_clean(to, json_string_value(item));
		else
			add_value(to, item, FOUND_MAX);
	}
}

static void add_problem(struct buf *to, const char *source, const json_t *problem)
{
	const json_t *found = json_object_get(problem, "found"), *allowed = json_object_get(problem, "allowed");
	const char *at = cli_str(problem, "at"), *message = cli_str(problem, "message");
	const char *in = cli_str(problem, "in");
	bool inside = *message && (found || allowed);

	cli_clean(to, *in ? in : source);
	buf_puts(to, ": ");
	cli_clean(to, *at ? at : "/");
	if (json_is_integer(json_object_get(problem, "byte")))
		buf_printf(to, " (byte %" JSON_INTEGER_FORMAT ")", cli_int(problem, "byte"));
	buf_puts(to, ": ");
	cli_clean(to, message);
	buf_puts(to, inside ? " (" : "");
	if (found) {
		buf_puts(to, "found ");
		add_value(to, found, FOUND_MAX);
	}
	buf_puts(to, found && allowed ? "; " : "");
	if (allowed) {
		buf_puts(to, "allowed: ");
		add_allowed(to, allowed);
	}
	buf_puts(to, inside ? ")" : !*message && !found && !allowed ? "not valid" : "");
	buf_puts(to, "\n");
}

void cli_problems_text(struct buf *to, const char *source, const json_t *problems)
{
	const json_t *problem;
	size_t i;

	json_array_foreach(problems, i, problem)
		add_problem(to, source, problem);
}

void cli_problems_move(json_t *problems, const char *without, const char *with, const char *source)
{
	size_t i, n = strlen(without);
	json_t *problem;

	json_array_foreach(problems, i, problem) {
		const char *at = cli_str(problem, "at");

		if (!json_is_object(problem) || strncmp(at, without, n) != 0 || (at[n] && at[n] != '/'))
			continue;
		json_object_set_new(problem, "at", json_sprintf("%s%s", with, at + n));
		json_object_set_new(problem, "in", json_string(source));
	}
}
