#include "log.h"

#include "clock.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static _Thread_local struct log_scope *top;
static enum log_level least_level = LOG_INFO_;
static bool as_json;

static const char *const level_names[] = { "debug", "info", "warn", "error", "bug" };

void log_setup(enum log_level least, bool json)
{
	least_level = least;
	as_json = json;
}

bool log_is_on(enum log_level level)
{
	return level >= least_level;
}

void log_scope_begin(struct log_scope *s, const char *key, const char *fmt, ...)
{
	va_list ap;

	s->outer = top;
	s->key = key;
	va_start(ap, fmt);
	vsnprintf(s->value, sizeof s->value, fmt, ap);
	va_end(ap);
	top = s;
}

void log_scope_end(struct log_scope *s)
{
	must(top == s);
	top = s->outer;
}

static size_t text(const struct log_scope *s, char *buf, size_t size)
{
	size_t n = s->outer ? text(s->outer, buf, size) : 0;
	int w = n < size ? snprintf(buf + n, size - n, " %s=%s", s->key, s->value) : 0;

	return w < 0 ? n : min_of(n + (size_t)w, size - 1);
}

size_t log_scope_text(char *buf, size_t size)
{
	buf[0] = '\0';
	return top ? text(top, buf, size) : 0;
}

const char *log_quote(const char *s)
{
	static _Thread_local char ring[4][600];
	static _Thread_local unsigned turn;
	char *out = ring[turn++ % 4], *p = out, *end = out + sizeof ring[0] - 8;

	*p++ = '"';
	while (*s && p < end) {
		unsigned char c = (unsigned char)*s;
		size_t n = utf8_sequence(s, strnlen(s, 4));

		if (c == '"' || c == '\\')
			*p++ = '\\', *p++ = (char)c;
		else if (c == '\n')
			*p++ = '\\', *p++ = 'n';
		else if (n > 1 && !(c == 0xc2 && (unsigned char)s[1] < 0xa0))
			p = mempcpy(p, s, n);
		else                            /* U+0080 to U+009F command terminals, too */
			*p++ = n != 1 ? '?' : c < 0x20 || c == 0x7f ? ' ' : (char)c;
		s += max_of(n, (size_t)1);
	}
	if (*s)
		p = stpcpy(p, "...");
	*p++ = '"';
	*p = '\0';
	return out;
}

/* Turn ` a=1 b="x y"` into `,"a":"1","b":"x y"`: the line is ours, so the grammar is known. */
static size_t words_to_json(const char *s, char *out, size_t size)
{
	char *p = out, *end = out + size - 4;

	while (*s && p < end) {
		const char *eq;

		s += strspn(s, " ");
		eq = strchr(s, '=');
		if (!eq)
			break;
		p += snprintf(p, (size_t)(end - p), ",\"%.*s\":", (int)min_of(eq - s, (ptrdiff_t)40), s);
		s = eq + 1;
		if (*s == '"') {
			do {
				if (*s == '\\' && !s[1] && s++)        /* the line was cut here */
					break;
				if (*s == '\\' && s[1] && p < end)
					*p++ = *s++;
				if (p < end)
					*p++ = *s;
				s++;
			} while (*s && *s != '"' && p < end);
			s += *s == '"';
		} else {
			for (*p++ = '"'; *s && *s != ' ' && p < end; s++) {
				if (*s == '\\' || *s == '"')
					*p++ = '\\';
				*p++ = *s;
			}
		}
		*p++ = '"';
		p = min_of(p, end);
	}
	*p = '\0';
	return (size_t)(p - out);
}

static size_t format_words(char *line, size_t size, const char *head, const char *body)
{
	int n = snprintf(line, size, "%s%s%s", head, *body ? " " : "", body);

	return min_of((size_t)n, size - 1);
}

static size_t format_json(char *line, size_t size, const char *head, const char *body)
{
	char words[LINE_MAX_BYTES], fields[LINE_MAX_BYTES * 2], at[CLOCK_TEXT];
	int n;

	format_words(words, sizeof words, head, body);
	words_to_json(words, fields, sizeof fields);
	clock_format(clock_wall_us(), at);
	n = snprintf(line, size, "{\"at\":\"%s\"%s}", at, fields);
	return min_of((size_t)n, size - 1);
}

void log_event(enum log_level level, const char *ev, const char *fmt, ...)
{
	char scope[256], head[400], body[LINE_MAX_BYTES / 2], line[LINE_MAX_BYTES * 2 + 1];
	va_list ap;
	size_t n;

	if (level < least_level)
		return;
	log_scope_text(scope, sizeof scope);
	snprintf(head, sizeof head, "level=%s ev=%s%s", level_names[level], ev, scope);
	va_start(ap, fmt);
	vsnprintf(body, sizeof body, fmt, ap);
	va_end(ap);
	body[utf8_whole(body, strlen(body))] = '\0';
	n = (as_json ? format_json : format_words)(line, sizeof line - 1, head, body);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;         /* nobody is reading: there is nowhere to say so */
}
