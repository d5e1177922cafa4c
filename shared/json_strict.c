/* JSON from outside, and the words for what is wrong with it. Declared in submission.h. */
#include "normal_form.h"
#include "outline.h"
#include "submission.h"

#include <math.h>
#include <string.h>

#define HUGE_DIGITS 300         /* a number with fewer, and without an exponent, is far below 1e308 */

struct look {
	size_t too_deep;                /* the byte where it is; 0: nowhere (an outermost bracket is not too deep) */
	bool has_large;                 /* numbers that may be huge */
};

/* What is known before the recursive parser runs: how deep brackets nest outside of strings, and what numbers look like. */
static struct look look_over(const char *text, size_t len, int max_depth)
{
	const char *end = text + len;
	struct look look = { 0 };
	size_t digits = 0;
	int depth = 0;

	for (const char *p = text; p && p < end;) {
		char c = *p++;

		if (c >= '0' && c <= '9') {
			look.has_large = look.has_large || ++digits >= HUGE_DIGITS;
			continue;
		}
		look.has_large = look.has_large || (digits && (c == 'e' || c == 'E'));
		digits = 0;
		if (c == '"') {
			p = json_string_end(p, end);
		} else if (c == '[' || c == '{') {
			if (++depth > max_depth) {
				look.too_deep = (size_t)(p - 1 - text);
				break;
			}
		} else if (c == ']' || c == '}') {
			depth--;
		}
	}
	return look;
}

static void add_not_json(json_t *problems, const char *what, size_t byte, int line, int column)
{
	json_t *p = json_pack("{s:s, s:s, s:I, s:i, s:i}", "at", "", "allowed", what, "byte", (json_int_t)byte, "line", line, "column", column);

	must(p && json_array_append_new(problems, p) == 0);
}

static void not_json(json_t *problems, char *what, size_t byte, int line, int column)
{
	for (char *c = what; *c; c++)           /* the parser quotes what it found, which may be anything */
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
	add_not_json(problems, what, byte, line, column);
}

/* Numbers are written with 15 digits (buf_json), and the largest, rounded to these, are too large to be read again. */
static bool has_huge_number(const json_t *value)
{
	const char *name;
	json_t *v;
	size_t i;

	if (json_is_real(value))
		return fabs(json_real_value(value)) > 1e308;
	json_object_foreach((json_t *)value, name, v)
		if (has_huge_number(v))
			return true;
	json_array_foreach(value, i, v)
		if (has_huge_number(v))
			return true;
	return false;
}

json_t *json_parse_strict(const char *text, size_t len, int max_depth, json_t *problems)
{
	json_error_t e;
	json_t *value;
	struct look look;
	char what[320] = "JSON: the document is empty";

	if (len == 0) {
		not_json(problems, what, 0, 1, 0);
		return NULL;
	}
	look = look_over(text, len, max_depth);
	if (look.too_deep) {
		snprintf(what, sizeof what, "JSON that nests at most %d deep", max_depth);
		not_json(problems, what, look.too_deep, 0, 0);
		return NULL;
	}
	value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if (!value) {
		snprintf(what, sizeof what, "JSON: %s", e.text);
		not_json(problems, what, (size_t)max_of(e.position, 0), e.line, e.column);
	} else if (look.has_large && has_huge_number(value)) {
		snprintf(what, sizeof what, "JSON numbers from -1e308 to 1e308");
		not_json(problems, what, 0, 0, 0);
		json_decref(steal(&value));
	}
	return value;
}

void problems_text(const json_t *problems, struct buf *to)
{
	size_t n = json_array_size(problems), i;
	const json_t *p;

	if (n > 1)
		buf_printf(to, "%zu problems: ", n);
	json_array_foreach(problems, i, p) {
		const json_t *found = json_object_get(p, "found"), *byte = json_object_get(p, "byte");
		const char *at = json_string_value(json_object_get(p, "at"));

		if (to->len > 3000) {
			buf_printf(to, "; and %zu more", n - i);
			return;
		}
		buf_printf(to, "%s%s", i ? "; " : "", at && *at ? at : "the document");
		if (byte)
			buf_printf(to, " (at byte %lld)", (long long)json_integer_value(byte));
		buf_puts(to, ": ");
		if (found) {
			buf_puts(to, "found ");
			buf_json(to, found);
			buf_puts(to, ", ");
		} else if (!byte) {
			buf_puts(to, "missing, ");
		}
		buf_printf(to, "allowed: %s", json_string_value(json_object_get(p, "allowed")));
	}
}
