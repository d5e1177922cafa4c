/*
 * outline.h - where the members of a JSON object stand in its text, found without reading their values.
 *
 *	struct outline o;
 *	if (outline_read(text, len, &o) == 0)
 *		... o.members[0].name, o.members[0].value
 *
 * Of valid JSON it is exact. Of anything else it may be wrong, and so it replaces no parser: who uses it has the
 * parser read what is left when a value is taken out (outline_without) and knows of the value that it is one.
 */
#ifndef OUTLINE_H
#define OUTLINE_H

#include "base.h"

#define OUTLINE_MEMBERS 16

struct span {
	const char *at;
	size_t len;
};

struct outline {
	struct {
		struct span name;       /* without the quotes */
		struct span value;
	} members[OUTLINE_MEMBERS];
	size_t n;
};

/* -1: this is no object, has more members, or names with escapes. The spans point into `text`. */
int outline_read(const char *text, size_t len, struct outline *ret) must_use;

/* p is behind the first quote of a string; what is returned behind the last one. NULL: there is none before `end`. */
const char *json_string_end(const char *p, const char *end);

#define SPAN_IS(s, word) span_is(s, word, sizeof(word "") - 1)
bool span_is(struct span s, const char *word, size_t len);

/* The text with the value of each member k for which `out[k]` replaced by 0: at most `len` bytes, written to `to`.
 * Returns how many. */
size_t outline_without(const struct outline *o, const char *text, size_t len, const bool *out, char *to);

#endif
