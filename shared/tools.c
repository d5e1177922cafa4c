#include "tools.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRED "\1required"

static const struct param_row {
	const char *tool;
	struct tool_param param;
} rows[] = {
#define TOOL(...)
#define PARAM(tool_, name_, type_, def_, min_, max_, options_, help_) \
	{ #tool_, { .name = name_, .type = PARAM_##type_, .def = def_, .min = min_, .max = max_, .options = options_, .help = help_ } },
#include "tools.def"
#undef TOOL
#undef PARAM
};

static struct tool tools[] = {
#define PARAM(...)
#define TOOL(name_, title_, queue_, scope_, runs_, takes_, gives_, timeout_, help_) \
	{ .name = #name_, .title = title_, .queue = queue_, .scope = TOOL_##scope_, .runs = TOOL_##runs_, \
	  .takes = TOOL_TAKES_##takes_, .gives = TOOL_GIVES_##gives_, .timeout_s = timeout_, .help = help_ },
#include "tools.def"
#undef TOOL
#undef PARAM
};

static struct tool_param params[countof(rows)];

/* Rows of one tool stand together in the table, so a tool's params are a slice of one array. */
__attribute__((constructor)) static void link_params(void)
{
	for (size_t i = 0; i < countof(rows); i++) {
		params[i] = rows[i].param;
		params[i].required = params[i].def && strcmp(params[i].def, REQUIRED) == 0;
		if (params[i].required)
			params[i].def = NULL;
	}
	for (size_t t = 0; t < countof(tools); t++)
		for (size_t i = 0; i < countof(rows); i++)
			if (strcmp(rows[i].tool, tools[t].name) == 0) {
				if (!tools[t].nparams)
					tools[t].params = &params[i];
				must(tools[t].params + tools[t].nparams == &params[i]);
				tools[t].nparams++;
			}
}

const struct tool *tools_all(size_t *ret_n)
{
	*ret_n = countof(tools);
	return tools;
}

const struct tool *tool_find(const char *name)
{
	for (size_t i = 0; i < countof(tools); i++)
		if (strcmp(tools[i].name, name) == 0)
			return &tools[i];
	return NULL;
}

int color_parse(const char *s, uint8_t rgba[4])
{
	size_t n = strlen(s);
	uint8_t out[4] = { 0, 0, 0, 255 };
	unsigned digit[8];

	if (*s++ != '#' || (n != 4 && n != 7 && n != 9))
		return -1;
	for (size_t i = 0; i < n - 1; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return -1;
		digit[i] = isdigit((unsigned char)s[i]) ? (unsigned)(s[i] - '0') : (unsigned)(tolower((unsigned char)s[i]) - 'a') + 10;
	}
	for (size_t i = 0; i < (n == 4 ? 3 : (n - 1) / 2); i++)
		out[i] = (uint8_t)(n == 4 ? digit[i] * 17 : digit[2 * i] * 16 + digit[2 * i + 1]);
	memcpy(rgba, out, 4);
	return 0;
}

/* ---- checking ---- */

static json_t *shorten(const json_t *found)
{
	scoped(buf_free) struct buf b = { 0 };

	if (!json_is_string(found) && !json_is_object(found) && !json_is_array(found))
		return json_incref((json_t *)found);
	buf_json(&b, found);
	if (b.len <= 80)
		return json_incref((json_t *)found);
	for (b.len = 76; b.len && ((unsigned char)b.text[b.len] & 0xc0) == 0x80; b.len--)
		;                               /* not in the middle of a character */
	b.text[b.len] = '\0';
	buf_puts(&b, "...");
	return json_string(b.text);
}

static void complain(json_t *problems, const char *at, const char *name, const json_t *found, const char *allowed)
{
	scoped(free_p) char *pointer = xasprintf("%s%s%s", at, *name ? "/" : "", name);
	json_t *p = json_pack("{s:s, s:s}", "at", pointer, "allowed", allowed);

	if (found)
		json_object_set_new(p, "found", shorten(found));
	must(json_array_append_new(problems, p) == 0);
}

static void number_text(double v, char *out, size_t size)
{
	snprintf(out, size, "%.15g", v);
}

static void allowed_text(const struct tool_param *p, struct buf *b)
{
	char min[32], max[32];

	number_text(p->min, min, sizeof min);
	number_text(p->max, max, sizeof max);
	switch (p->type) {
	case PARAM_BOOL: buf_puts(b, "true or false"); return;
	case PARAM_INT: buf_printf(b, "a whole number from %s to %s", min, max); return;
	case PARAM_NUM: buf_printf(b, "a number from %s to %s", min, max); return;
	case PARAM_STR: buf_printf(b, "text of %s to %s bytes", min, max); return;
	case PARAM_ENUM:
		buf_puts(b, "one of ");
		for (const char *s = p->options; *s; s++)
			if (*s == '|')
				buf_puts(b, ", ");
			else
				buf_add(b, s, 1);
		return;
	case PARAM_INTS: buf_printf(b, "a list of %s to %s whole numbers", min, max); return;
	case PARAM_NUMS: buf_printf(b, "a list of %s to %s numbers", min, max); return;
	case PARAM_STRS: buf_printf(b, "a list of %s to %s texts", min, max); return;
	case PARAM_OBJECTS: buf_printf(b, "a list of %s to %s objects", min, max); return;
	case PARAM_OBJECT: buf_printf(b, "an object of %s to %s members", min, max); return;
	case PARAM_COLOR: buf_puts(b, "a color: #rgb, #rrggbb or #rrggbbaa"); return;
	}
}

static bool is_option(const char *options, const char *value)
{
	size_t n = strlen(value);

	for (const char *s = options; s; s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL)
		if (n && strncmp(s, value, n) == 0 && (s[n] == '|' || s[n] == '\0'))
			return true;
	return false;
}

static bool in_range(const struct tool_param *p, double v)
{
	return isfinite(v) && v >= p->min && v <= p->max;
}

static bool is_list_of(const struct tool_param *p, const json_t *v)
{
	if (!json_is_array(v) || !in_range(p, (double)json_array_size(v)))
		return false;
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *e = json_array_get(v, i);

		if ((p->type == PARAM_INTS && !json_is_integer(e)) || (p->type == PARAM_NUMS && !json_is_number(e)) ||
		    (p->type == PARAM_STRS && !json_is_string(e)) || (p->type == PARAM_OBJECTS && !json_is_object(e)))
			return false;
	}
	return true;
}

static bool fits(const struct tool_param *p, const json_t *v)
{
	uint8_t rgba[4];

	switch (p->type) {
	case PARAM_BOOL: return json_is_boolean(v);
	case PARAM_INT: return json_is_integer(v) && in_range(p, (double)json_integer_value(v));
	case PARAM_NUM: return json_is_number(v) && in_range(p, json_number_value(v));
	case PARAM_STR: return json_is_string(v) && in_range(p, (double)json_string_length(v));
	case PARAM_ENUM: return json_is_string(v) && is_option(p->options, json_string_value(v));
	case PARAM_INTS:
	case PARAM_NUMS:
	case PARAM_STRS:
	case PARAM_OBJECTS: return is_list_of(p, v);
	case PARAM_OBJECT: return json_is_object(v) && in_range(p, (double)json_object_size(v));
	case PARAM_COLOR: return json_is_string(v) && color_parse(json_string_value(v), rgba) == 0;
	}
	return false;
}

/* "width" among those with the prefix "" or "sizes[].". */
static const struct tool_param *find_param(const struct tool *t, const char *prefix, const char *name)
{
	size_t n = strlen(prefix);

	for (size_t i = 0; i < t->nparams; i++)
		if (strncmp(t->params[i].name, prefix, n) == 0 && strcmp(t->params[i].name + n, name) == 0)
			return &t->params[i];
	return NULL;
}

static bool is_member(const struct tool_param *p, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(p->name, prefix, n) == 0 && !strchr(p->name + n, '.');
}

static void unknown_param(const struct tool *t, const char *prefix, const char *at, const char *name, json_t *problems)
{
	scoped(buf_free) struct buf b = { 0 };
	scoped(json_decref_p) json_t *found = json_string(name);

	for (size_t i = 0; i < t->nparams; i++)
		if (is_member(&t->params[i], prefix))
			buf_printf(&b, "%s%s", b.len ? ", " : "parameters of this tool: ", t->params[i].name + strlen(prefix));
	if (!b.len)
		buf_printf(&b, "the tool '%s' has no parameters", t->name);
	complain(problems, at, name, found, b.text);
}

static void missing(const struct tool_param *p, const char *name, const char *at, json_t *problems)
{
	scoped(buf_free) struct buf allowed = { 0 };

	allowed_text(p, &allowed);
	buf_puts(&allowed, "; it is required");
	complain(problems, at, name, NULL, allowed.text);
}

static void check_object(const struct tool *t, const char *prefix, const json_t *object, const char *at, json_t *problems);

static void check_objects(const struct tool *t, const struct tool_param *list, const json_t *value, const char *at, json_t *problems)
{
	scoped(free_p) char *inner = xasprintf("%s[].", list->name);

	for (size_t i = 0; i < json_array_size(value); i++) {
		scoped(free_p) char *here = xasprintf("%s/%s/%zu", at, list->name, i);
		const json_t *object = json_array_get(value, i);

		check_object(t, inner, object, here, problems);
		for (size_t k = 0; k < t->nparams; k++)
			if (t->params[k].required && is_member(&t->params[k], inner) && !json_object_get(object, t->params[k].name + strlen(inner)))
				missing(&t->params[k], t->params[k].name + strlen(inner), here, problems);
	}
}

static void check_object(const struct tool *t, const char *prefix, const json_t *object, const char *at, json_t *problems)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value) {
		const struct tool_param *p = strchr(name, '.') ? NULL : find_param(t, prefix, name);
		scoped(buf_free) struct buf allowed = { 0 };

		if (!p) {
			unknown_param(t, prefix, at, name, problems);
		} else if (!fits(p, value)) {
			allowed_text(p, &allowed);
			complain(problems, at, name, value, allowed.text);
		} else if (p->type == PARAM_OBJECTS) {
			check_objects(t, p, value, at, problems);
		}
	}
}

void tool_check_params(const struct tool *t, const json_t *given, const char *pointer, json_t *problems)
{
	if (given && !json_is_object(given))
		complain(problems, pointer, "", given, "an object of parameters");
	else if (given)
		check_object(t, "", given, pointer, problems);
}

void tool_check_required(const struct tool *t, const json_t *given, const json_t *more, const char *pointer, json_t *problems)
{
	for (size_t i = 0; i < t->nparams; i++) {
		const struct tool_param *p = &t->params[i];

		if (p->required && is_member(p, "") && !json_object_get(given, p->name) && !json_object_get(more, p->name))
			missing(p, p->name, pointer, problems);
	}
}

static void fill(const struct tool *t, const char *prefix, json_t *object)
{
	for (size_t i = 0; i < t->nparams; i++) {
		const struct tool_param *p = &t->params[i];
		const char *name = p->name + strlen(prefix);
		json_t *list;

		if (!is_member(p, prefix))
			continue;
		if (p->def && !json_object_get(object, name)) {
			json_t *value = json_loads(p->def, JSON_DECODE_ANY, NULL);

			must(value != NULL);
			json_object_set_new(object, name, value);
		}
		list = p->type == PARAM_OBJECTS ? json_object_get(object, name) : NULL;
		for (size_t k = 0; k < json_array_size(list); k++) {
			scoped(free_p) char *inner = xasprintf("%s[].", p->name);

			if (json_is_object(json_array_get(list, k)))
				fill(t, inner, json_array_get(list, k));
		}
	}
}

json_t *tool_fill_defaults(const struct tool *t, const json_t *given)
{
	json_t *filled = given ? json_deep_copy(given) : json_object();

	must(filled != NULL);
	fill(t, "", filled);
	return filled;
}

/* ---- describing ---- */

static const char *schema_type(enum param_type type)
{
	switch (type) {
	case PARAM_BOOL: return "boolean";
	case PARAM_INT: return "integer";
	case PARAM_NUM: return "number";
	case PARAM_STR:
	case PARAM_ENUM:
	case PARAM_COLOR: return "string";
	case PARAM_INTS:
	case PARAM_NUMS:
	case PARAM_STRS:
	case PARAM_OBJECTS: return "array";
	case PARAM_OBJECT: return "object";
	}
	return "string";
}

static void set_range(json_t *schema, const struct tool_param *p)
{
	static const char *const bounds[][2] = {
		[PARAM_INT] = { "minimum", "maximum" }, [PARAM_NUM] = { "minimum", "maximum" },
		[PARAM_STR] = { "minLength", "maxLength" }, [PARAM_INTS] = { "minItems", "maxItems" },
		[PARAM_NUMS] = { "minItems", "maxItems" }, [PARAM_STRS] = { "minItems", "maxItems" },
		[PARAM_OBJECTS] = { "minItems", "maxItems" }, [PARAM_OBJECT] = { "minProperties", "maxProperties" },
		[PARAM_COLOR] = { NULL, NULL },
	};
	bool whole = p->type != PARAM_NUM;

	if (!bounds[p->type][0])
		return;
	json_object_set_new(schema, bounds[p->type][0], whole ? json_integer((json_int_t)p->min) : json_real(p->min));
	json_object_set_new(schema, bounds[p->type][1], whole ? json_integer((json_int_t)p->max) : json_real(p->max));
}

static void set_options(json_t *schema, const char *options)
{
	json_t *list = json_array();

	for (const char *s = options; s; s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL)
		json_array_append_new(list, json_stringn(s, strcspn(s, "|")));
	json_object_set_new(schema, "enum", list);
}

static json_t *object_schema(const struct tool *t, const char *prefix);

static json_t *param_schema(const struct tool *t, const struct tool_param *p)
{
	json_t *schema = json_pack("{s:s, s:s}", "type", schema_type(p->type), "description", p->help);
	static const char *const item_type[] = { [PARAM_INTS] = "integer", [PARAM_NUMS] = "number", [PARAM_STRS] = "string", [PARAM_COLOR] = NULL };

	if (p->def)
		json_object_set_new(schema, "default", json_loads(p->def, JSON_DECODE_ANY, NULL));
	if (p->type == PARAM_ENUM)
		set_options(schema, p->options);
	if (p->type == PARAM_COLOR)
		json_object_set_new(schema, "pattern", json_string("^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$"));
	set_range(schema, p);
	if (p->type == PARAM_OBJECTS) {
		scoped(free_p) char *inner = xasprintf("%s[].", p->name);

		json_object_set_new(schema, "items", object_schema(t, inner));
	} else if (item_type[p->type]) {
		json_object_set_new(schema, "items", json_pack("{s:s}", "type", item_type[p->type]));
	}
	return schema;
}

static json_t *object_schema(const struct tool *t, const char *prefix)
{
	json_t *properties = json_object(), *required = json_array();
	json_t *schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", 0);

	for (size_t i = 0; i < t->nparams; i++) {
		const struct tool_param *p = &t->params[i];

		if (!is_member(p, prefix))
			continue;
		json_object_set_new(properties, p->name + strlen(prefix), param_schema(t, p));
		if (p->required)
			json_array_append_new(required, json_string(p->name + strlen(prefix)));
	}
	if (json_array_size(required))
		json_object_set(schema, "required", required);
	json_decref(required);
	return schema;
}

json_t *tool_describe(const struct tool *t)
{
	static const char *const gives[] = { "nothing", "pictures", "data", "pictures and data" };
	static const char *const takes[] = { "nothing", "a picture", "items", "a picture and items", "any inputs" };

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o}", "name", t->name, "title", t->title,
		"help", t->help, "queue", t->queue, "scope", t->scope == TOOL_EACH ? "each" : "all",
		"takes", takes[t->takes], "gives", gives[t->gives], "timeout_s", (int)t->timeout_s,
		"params", object_schema(t, ""));
}

void tools_print(FILE *to)
{
	for (size_t i = 0; i < countof(tools); i++) {
		fprintf(to, "%-11s %-6s %s\n", tools[i].name, tools[i].queue, tools[i].help);
		for (size_t k = 0; k < tools[i].nparams; k++) {
			const struct tool_param *p = &tools[i].params[k];

			fprintf(to, "    %-20s %s%s%s%s\n", p->name, p->help, p->required ? " (required)" : "",
				p->def ? "; default " : "", p->def ? p->def : "");
		}
	}
}
