#include "sse.h"

#include <string.h>

static bool dispatch(struct cli_sse *s)
{
	bool go_on = true;

	if (s->has_data)
		go_on = s->on_event(s->arg, s->type.len ? s->type.text : "message", s->data.text);
	buf_clear(&s->type);
	buf_clear(&s->data);
	s->has_data = false;
	return go_on;
}

static bool take_field(struct cli_sse *s, const char *name, size_t n, const char *value)
{
	if (n == 5 && memcmp(name, "event", 5) == 0) {
		buf_clear(&s->type);
		buf_puts(&s->type, value);
	}
	if (n == 4 && memcmp(name, "data", 4) == 0) {
		if (s->data.len + strlen(value) >= CLI_SSE_MAX)
			return false;
		buf_puts(&s->data, s->has_data ? "\n" : "");
		buf_puts(&s->data, value);
		s->has_data = true;
	}
	return true;            /* id, retry and what a later server adds do not matter here */
}

static bool take_line(struct cli_sse *s)
{
	const char *line = s->line.text;
	size_t n;

	if (s->line.len == 0)
		return dispatch(s);
	n = strcspn(line, ":");
	if (n == 0)
		return true;    /* a comment: keep-alive */
	return take_field(s, line, n, line[n] ? line + n + 1 + (line[n + 1] == ' ') : "");
}

bool cli_sse_feed(struct cli_sse *s, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool second_half = s->after_cr && bytes[i] == '\n';

		s->after_cr = bytes[i] == '\r';
		if (second_half)
			continue;
		if (bytes[i] != '\n' && bytes[i] != '\r') {
			if (s->line.len >= CLI_SSE_MAX)
				return false;
			buf_add(&s->line, &bytes[i], 1);
			continue;
		}
		if (!take_line(s))
			return false;
		buf_clear(&s->line);
	}
	return true;
}

void cli_sse_done(struct cli_sse *s)
{
	buf_free(&s->line);
	buf_free(&s->type);
	buf_free(&s->data);
}
