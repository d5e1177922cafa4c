#include "outline.h"

#include <string.h>

static const char *blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

const char *json_string_end(const char *p, const char *end)
{
	while ((p = memchr(p, '"', (size_t)(end - p)))) {
		const char *before = p;

		while (before[-1] == '\\')      /* at the latest the first quote stops this */
			before--;
		p++;
		if ((p - 1 - before) % 2 == 0)
			return p;
	}
	return NULL;
}

/* Brackets are counted, not matched: of valid JSON that is the same. */
static const char *brackets_end(const char *p, const char *end)
{
	static const signed char kinds[256] = { ['"'] = 2, ['['] = 1, ['{'] = 1, [']'] = -1, ['}'] = -1 };
	size_t depth = 0;

	while (p < end) {
		signed char kind = kinds[(unsigned char)*p++];

		if (kind == 0)
			continue;
		if (kind == 2) {
			if (!(p = json_string_end(p, end)))
				return NULL;
		} else if (kind > 0) {
			depth++;
		} else if (--depth == 0) {
			return p;
		}
	}
	return NULL;
}

static const char *value_end(const char *p, const char *end)
{
	if (p == end)
		return NULL;
	if (*p == '"')
		return json_string_end(p + 1, end);
	if (*p == '{' || *p == '[')
		return brackets_end(p, end);
	while (p < end && !memchr(",}] \t\r\n", *p, 7))
		p++;
	return p;
}

/* "name": value, and what follows it. NULL: it is not like that. */
static const char *member(const char *p, const char *end, struct span *name, struct span *value)
{
	const char *begin;

	if (p == end || *p++ != '"')
		return NULL;
	begin = p;
	if (!(p = json_string_end(p, end)))
		return NULL;
	*name = (struct span){ begin, (size_t)(p - 1 - begin) };
	p = blank(p, end);
	if (memchr(name->at, '\\', name->len) || p == end || *p++ != ':')
		return NULL;
	begin = p = blank(p, end);
	if (!(p = value_end(p, end)) || p == begin)
		return NULL;
	*value = (struct span){ begin, (size_t)(p - begin) };
	return blank(p, end);
}

int outline_read(const char *text, size_t len, struct outline *ret)
{
	const char *p = text, *end = text + len;

	ret->n = 0;
	p = blank(p, end);
	if (p == end || *p++ != '{')
		return -1;
	for (;;) {
		if (ret->n == OUTLINE_MEMBERS)
			return -1;
		p = member(blank(p, end), end, &ret->members[ret->n].name, &ret->members[ret->n].value);
		if (!p || p == end)
			return -1;
		ret->n++;
		if (*p == '}')
			return 0;
		if (*p++ != ',')
			return -1;
	}
}

bool span_is(struct span s, const char *word, size_t len)
{
	return s.len == len && memcmp(s.at, word, len) == 0;
}

size_t outline_without(const struct outline *o, const char *text, size_t len, const bool *out, char *to)
{
	const char *p = text;
	char *begin = to;

	for (size_t k = 0; k < o->n; k++) {
		if (!out[k])
			continue;
		to = mempcpy(to, p, (size_t)(o->members[k].value.at - p));
		*to++ = '0';
		p = o->members[k].value.at + o->members[k].value.len;
	}
	to = mempcpy(to, p, len - (size_t)(p - text));
	return (size_t)(to - begin);
}
