/*
 * tools.h - what tools there are and what they take: the table tools.def.
 *
 * Validation, the registry in PostgreSQL, --tools, /api/v1/tools and the docs read it.
 * A new tool is: its rows in tools.def, its file (worker/runner/tool_NAME.c or
 * worker/flow_NAME.c), its test file. Nothing else changes.
 */
#ifndef TOOLS_H
#define TOOLS_H

#include "buf.h"

#include <stdio.h>

enum tool_scope { TOOL_EACH, TOOL_ALL };
enum tool_runs  { TOOL_PARENT, TOOL_RUNNER };
enum tool_takes { TOOL_TAKES_NOTHING, TOOL_TAKES_PICTURE, TOOL_TAKES_ITEMS, TOOL_TAKES_BOTH, TOOL_TAKES_INPUTS };
enum tool_gives { TOOL_GIVES_NONE, TOOL_GIVES_PICTURES, TOOL_GIVES_DATA, TOOL_GIVES_PICTURES_AND_DATA };
enum param_type { PARAM_BOOL, PARAM_INT, PARAM_NUM, PARAM_STR, PARAM_ENUM, PARAM_INTS, PARAM_NUMS, PARAM_STRS,
	PARAM_OBJECTS, PARAM_OBJECT, PARAM_COLOR };

struct tool_param {
	const char *name;
	enum param_type type;
	const char *def;        /* JSON text; NULL: none */
	bool required;
	double min, max;
	const char *options;    /* "a|b|c" */
	const char *help;
};

struct tool {
	const char *name, *title, *queue, *help;
	enum tool_scope scope;
	enum tool_runs runs;
	enum tool_takes takes;
	enum tool_gives gives;
	unsigned timeout_s;
	const struct tool_param *params;        /* nparams of them, in the table's order */
	size_t nparams;
};

const struct tool *tools_all(size_t *ret_n);
const struct tool *tool_find(const char *name);                         /* NULL: no such tool */
static inline bool tool_takes_picture(const struct tool *t)
{
	return t->takes == TOOL_TAKES_PICTURE || t->takes == TOOL_TAKES_BOTH;
}
static inline bool tool_gives_pictures(const struct tool *t)
{
	return t->gives == TOOL_GIVES_PICTURES || t->gives == TOOL_GIVES_PICTURES_AND_DATA;
}

/* Every problem of `params` (NULL is {}), each as {"at": pointer + "/width", "found", "allowed"},
 * appended to `problems`. What is missing is not looked at. */
void tool_check_params(const struct tool *t, const json_t *params, const char *pointer, json_t *problems);
/* The required ones that neither `params` nor `more` has (both may be NULL). */
void tool_check_required(const struct tool *t, const json_t *params, const json_t *more, const char *pointer, json_t *problems);

/* New object: params with the defaults filled in, nested ones too. */
json_t *tool_fill_defaults(const struct tool *t, const json_t *params);

/* New object, for /api/v1/tools and --tools --json: name, title, queue, scope, help, timeout_s, params
 * as JSON Schema. */
json_t *tool_describe(const struct tool *t);
void tools_print(FILE *to);

/* "#rgb", "#rrggbb", "#rrggbbaa" to four values of 0-255. -1: not a color. */
int color_parse(const char *text, uint8_t rgba[4]) must_use;

#endif
