#include "normal_form.h"

#include "definition.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 120

bool name_is(const char *text, size_t most)
{
	size_t n = text ? strlen(text) : 0;

	return n >= 1 && n <= most && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

static json_t *shortened(const json_t *found)
{
	scoped(buf_free) struct buf b = { 0 };

	buf_json(&b, found);
	if (b.len <= FOUND_MAX)
		return json_incref((json_t *)found);
	for (b.len = FOUND_MAX - 3; b.len && ((unsigned char)b.text[b.len] & 0xc0) == 0x80; b.len--)
		;
	b.text[b.len] = '\0';
	buf_puts(&b, "...");
	return json_string(b.text);
}

/* A megabyte may have a hundred thousand mistakes. What is over the most is counted with one object for all of them,
 * because callers compare how many there were. */
static bool is_full(json_t *problems)
{
	size_t n = json_array_size(problems);

	if (n < PROBLEMS_KEPT)
		return false;
	if (n == PROBLEMS_KEPT)
		json_array_append_new(problems, json_pack("{s:s, s:s}", "at", "", "allowed", "less than this: there are more problems"));
	else
		json_array_append(problems, json_array_get(problems, n - 1));
	return true;
}

void problems_cut(json_t *problems)
{
	while (json_array_size(problems) > PROBLEMS_KEPT + 1)
		json_array_remove(problems, json_array_size(problems) - 1);
}

void problem_add(json_t *problems, const json_t *found, const char *fmt, ...)
{
	scoped(free_p) char *text = NULL;
	json_t *p;
	va_list ap;
	char *bar;

	if (is_full(problems))
		return;
	p = json_object();
	va_start(ap, fmt);
	must(vasprintf(&text, fmt, ap) >= 0);
	va_end(ap);
	bar = strstr(text, "|/");       /* a name in the pointer may have more of them */
	if (!bar)
		bar = strrchr(text, '|');
	must(bar != NULL);
	*bar = '\0';
	json_object_set_new(p, "at", json_string(bar + 1));
	if (found)
		json_object_set_new(p, "found", shortened(found));
	json_object_set_new(p, "allowed", json_string(text));
	must(json_array_append_new(problems, p) == 0);
}

static void name_all(const char *const *known, struct buf *to)
{
	for (size_t i = 0; known[i]; i++)
		buf_printf(to, "%s%s", i ? ", " : "", known[i]);
}

void problem_unknown_members(json_t *problems, const json_t *object, const char *const *known, const char *at)
{
	scoped(buf_free) struct buf names = { 0 };
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value) {
		bool ok = false;
		scoped(json_decref_p) json_t *found = NULL;

		for (size_t i = 0; known[i] && !ok; i++)
			ok = strcmp(known[i], name) == 0;
		if (ok)
			continue;
		if (!names.len)
			name_all(known, &names);
		found = json_string(name);
		problem_add(problems, found, "known members: %s|%s/%.*s", names.text, at, (int)utf8_whole(name, strnlen(name, 80)), name);
	}
}

/* What the names of a step's members are in each shape, and in normal form. */
static const struct { const char *from, *to; } renames[] = {
	{ "id", "id" }, { "tool", "tool" }, { "needs", "needs" }, { "params", "params" }, { "queue", "queue" },
	{ "timeout_s", "timeout_s" }, { "retry", "retry" }, { "join", "join" }, { "on_failure", "on_failure" },
	{ "always", "always" }, { "name", NULL }, { "component_type", NULL }, { "description", NULL },
	{ "parameters", "params" }, { "dependencies", "needs" }, { "depends_on", "needs" },
};

static const char *const step_members[] = { "id", "tool", "name", "needs", "params", "queue", "timeout_s", "retry", "join",
	"on_failure", "description", "component_type", "parameters", "dependencies", "depends_on", "always", NULL };

/* The tool: "tool", or in the short form "name", or of a component what of type and name is a tool. */
static const json_t *tool_of(const json_t *step, const char *key)
{
	const json_t *tool = json_object_get(step, "tool"), *type = json_object_get(step, "component_type");
	const json_t *name = json_object_get(step, "name");

	if (tool)
		return tool;
	if (json_is_string(type) && tool_find(json_string_value(type)))
		return type;
	if (name)
		return name;
	if (type)
		return type;
	return key ? json_object_get(step, "id") : NULL;
}

static json_t *strings_of(const json_t *needs, const char *at, json_t *problems)
{
	json_t *strings = json_array(), *need;
	size_t i;

	if (!json_is_array(needs))
		problem_add(problems, needs, "a list of step ids|%s/needs", at);
	json_array_foreach(needs, i, need)
		if (json_is_string(need))
			json_array_append(strings, need);
		else
			problem_add(problems, need, "the id of another step|%s/needs/%zu", at, i);
	return strings;
}

static void set_id(json_t *out, const json_t *step, size_t index, const char *at, json_t *problems)
{
	const json_t *id = json_object_get(out, "id");

	if (!id)
		id = json_object_get(step, "name") ? json_object_get(step, "name") : json_object_get(out, "tool");
	if (name_is(json_string_value(id), 64)) {
		json_object_set(out, "id", (json_t *)id);
		return;
	}
	if (id)
		problem_add(problems, id, "1 to 64 of a-z, 0-9, _ and -|%s/id", at);
	json_object_set_new(out, "id", json_sprintf("?%zu", index));
}

static json_t *normal_step(const json_t *step, const char *key, size_t index, const char *pointer, const char *at, json_t *problems)
{
	json_t *out = json_pack("{s:s}", "at", at);
	scoped(free_p) char *here = xasprintf("%s/%s", pointer, at);
	const json_t *tool;

	if (!json_is_object(step))
		problem_add(problems, step, "an object: a step|%s", here);
	else
		problem_unknown_members(problems, step, step_members, here);
	for (size_t i = 0; i < countof(renames); i++)
		if (renames[i].to && json_object_get(step, renames[i].from))
			json_object_set(out, renames[i].to, json_object_get(step, renames[i].from));
	if (key)
		json_object_set_new(out, "id", json_string(key));
	tool = tool_of(step, key);
	if (!tool && key)
		tool = json_object_get(out, "id");
	if (json_is_string(tool)) {
		json_object_set(out, "tool", (json_t *)tool);
	} else {
		json_object_del(out, "tool");
		if (json_is_object(step))
			problem_add(problems, tool, "the name of a tool|%s/tool", here);
	}
	set_id(out, step, index, here, problems);
	if (json_object_get(out, "needs"))
		json_object_set_new(out, "needs", strings_of(json_object_get(out, "needs"), here, problems));
	return out;
}

static void check_unique(const json_t *steps, const char *pointer, json_t *problems)
{
	scoped(json_decref_p) json_t *seen = json_object();
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i, step) {
		const json_t *id = json_object_get(step, "id");

		if (json_is_string(id) && json_object_get(seen, json_string_value(id)))
			problem_add(problems, id, "an id that no other step has|%s/%s/id", pointer, json_string_value(json_object_get(step, "at")));
		else if (json_is_string(id))
			json_object_set_new(seen, json_string_value(id), json_true());
	}
}

/* When nothing says what it needs, each step needs the one before it. */
static void chain(json_t *steps)
{
	json_t *step;
	size_t i;

	json_array_foreach(steps, i, step)
		if (json_object_get(step, "needs"))
			return;
	json_array_foreach(steps, i, step)
		json_object_set_new(step, "needs", i ? json_pack("[O]", json_object_get(json_array_get(steps, i - 1), "id")) : json_array());
}

static json_t *collect(const json_t *list, const char *member, const char *pointer, json_t *problems)
{
	json_t *steps = json_array(), *step;
	const char *key;
	size_t i;

	if (json_is_object(list)) {
		json_object_foreach((json_t *)list, key, step) {
			scoped(free_p) char *at = xasprintf("%s/%.*s", member, (int)utf8_whole(key, strnlen(key, 64)), key);

			json_array_append_new(steps, normal_step(step, key, json_array_size(steps), pointer, at, problems));
		}
		return steps;
	}
	json_array_foreach(list, i, step) {
		scoped(free_p) char *at = xasprintf("%s/%zu", member, i);

		json_array_append_new(steps, normal_step(step, NULL, i, pointer, at, problems));
	}
	return steps;
}

json_t *normal_form(const json_t *body, const char *pointer, json_t *problems)
{
	static const char *const known[] = { "name", "version", "description", "on_failure", "steps", "components", NULL };
	const char *member = json_object_get(body, "components") ? "components" : "steps";
	const json_t *list = json_object_get(body, member), *name = json_object_get(body, "name");
	json_t *steps;
	size_t n;

	if (!json_is_object(body)) {
		problem_add(problems, body, "an object: a pipeline definition|%s", pointer);
		return NULL;
	}
	problem_unknown_members(problems, body, known, pointer);
	if (name && !(json_is_string(name) && json_string_length(name) >= 1 && json_string_length(name) <= 128))
		problem_add(problems, name, "text of 1 to 128 bytes|%s/name", pointer);
	n = json_is_object(list) ? json_object_size(list) : json_array_size(list);
	if (!(json_is_array(list) || json_is_object(list)) || n < 1 || n > DEFINITION_MAX_STEPS) {
		scoped(json_decref_p) json_t *count = json_is_array(list) || json_is_object(list) ? json_sprintf("%zu steps", n) : NULL;

		problem_add(problems, count ? count : list, "a list of 1 to %d steps|%s/%s", DEFINITION_MAX_STEPS, pointer, member);
		return NULL;
	}
	steps = collect(list, member, pointer, problems);
	check_unique(steps, pointer, problems);
	chain(steps);
	return json_pack("{s:s, s:O*, s:o}", "name", json_is_string(name) ? json_string_value(name) : "unnamed",
		"on_failure", json_object_get(body, "on_failure"), "steps", steps);
}
