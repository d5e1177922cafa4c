#include "spec.h"

#include <stdlib.h>
#include <string.h>

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static int parse_one(const char *from, size_t len, struct spec *s, struct err *err)
{
	size_t name = strspn(from, NAME_CHARS);
	char *end;
	unsigned long n;

	if (name == 0 || name >= SPEC_NAME || name >= len || from[name] != '=')
		return err_set(err, ERR_REJECT, "slots: '%.*s' is not QUEUE=NUMBER", (int)min_of(len, (size_t)100), from);
	n = strtoul(from + name + 1, &end, 10);
	if (end == from + name + 1 || end != from + len || n < 1 || n > SPEC_SLOTS)
		return err_set(err, ERR_REJECT, "slots: '%.*s': the number is from 1 to %d", (int)min_of(len, (size_t)100), from,
			SPEC_SLOTS);
	for (size_t i = 0; i < s->n; i++)
		if (strlen(s->queue[i]) == name && memcmp(s->queue[i], from, name) == 0)
			return err_set(err, ERR_REJECT, "slots: the queue '%s' is named twice", s->queue[i]);
	if (s->n == SPEC_QUEUES)
		return err_set(err, ERR_REJECT, "slots: more than %d queues", SPEC_QUEUES);
	memcpy(s->queue[s->n], from, name);
	s->slots[s->n++] = (unsigned)n;
	return 0;
}

int spec_parse(const char *text, struct spec *ret, struct err *err)
{
	struct spec s = { 0 };

	for (const char *p = text;; p++) {
		size_t n = strcspn(p, ",");

		if (parse_one(p, n, &s, err) < 0)
			return -1;
		p += n;
		if (!*p)
			break;
	}
	*ret = s;
	return 0;
}
