#include "embedding.h"

#include "pg.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int embedding_read(const json_t *list, size_t size, const char *setting, struct buf *to, struct err *err)
{
	size_t n = json_array_size(list), zeros = 0;
	char text[40];

	if (!json_is_array(list))
		return err_set(err, ERR_REJECT, "the embedding is no list of numbers");
	if (n != size)
		return err_set(err, ERR_REJECT, "the embedding has %zu numbers, allowed are %zu (%s)", n, size, setting);
	pg_array_begin(to);
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);
		double d = json_number_value(v);

		if (!json_is_number(v) || !isfinite(d) || fabs(d) > (double)FLT_MAX)
			return err_set(err, ERR_REJECT, "number %zu of %zu of the embedding is %s, allowed are finite 32-bit numbers", i, n,
				json_is_null(v) ? "NaN, infinite or null" : json_is_number(v) ? "too large" : "no number");
		zeros += fabs(d) < (double)FLT_MIN;
		snprintf(text, sizeof text, "%.9g", (double)(float)d);
		pg_array_word(to, text);
	}
	pg_array_end(to);
	if (zeros == n)
		return err_set(err, ERR_REJECT, "all %zu numbers of the embedding are 0, which has no direction", n);
	return 0;
}

/* Length of a word that Python writes where JSON has none; 0: another. */
static size_t odd_word(const char *s)
{
	static const char *const words[] = { "NaN", "-Infinity", "Infinity" };

	for (size_t i = 0; i < countof(words); i++)
		if (strncmp(s, words[i], strlen(words[i])) == 0)
			return strlen(words[i]);
	return 0;
}

void embedding_spell(struct buf *body)
{
	struct buf out = { 0 };
	bool in_string = false;
	size_t from = 0;

	if (!body->text || (!strstr(body->text, "NaN") && !strstr(body->text, "Infinity")))
		return;
	for (size_t i = 0; i < body->len; i++) {
		char c = body->text[i];
		size_t n = in_string ? 0 : odd_word(body->text + i);

		if (in_string && c == '\\') {
			i++;
		} else if (c == '"') {
			in_string = !in_string;
		} else if (n) {
			buf_add(&out, body->text + from, i - from);
			buf_puts(&out, "null");
			from = i + n;
			i = from - 1;
		}
	}
	buf_add(&out, body->text + from, body->len - from);
	buf_free(body);
	*body = out;
}
