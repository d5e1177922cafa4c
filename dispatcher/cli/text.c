#include "text.h"
#include "utf8.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct cli_look cli_look_of(int fd)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	struct cli_look look = { .columns = 80 };
	struct winsize size = { 0 };

	look.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (fd < 0 || !isatty(fd) || !term || strcmp(term, "dumb") == 0)
		return look;
	look.live = true;
	look.color = !no_color || !*no_color;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
		look.columns = size.ws_col;
	return look;
}

/* Reads one character; returns its length in bytes, 0 when it is not well-formed UTF-8. */
static size_t decode(const char *text, uint32_t *ret)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = utf8_sequence(text, strnlen(text, 4));

	if (n)
		*ret = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		*ret = *ret << 6 | (s[i] & 0x3f);
	return n;
}

static bool is_within(uint32_t c, const uint32_t (*ranges)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

/* Good enough for names and labels: what Unicode's East Asian Width calls W or F, and what combines. */
static size_t columns_of(uint32_t c)
{
	static const uint32_t none[][2] = { { 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x5bd }, { 0x610, 0x61a },
		{ 0x64b, 0x65f }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200f }, { 0x20d0, 0x20ff },
		{ 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0x1f3fb, 0x1f3ff } };
	static const uint32_t wide[][2] = { { 0x1100, 0x115f }, { 0x231a, 0x231b }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf },
		{ 0xa960, 0xa97f }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f }, { 0xff00, 0xff60 },
		{ 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd } };

	if (c < 0x300)
		return 1;
	if (is_within(c, none, countof(none)))
		return 0;
	return is_within(c, wide, countof(wide)) ? 2 : 1;
}

size_t cli_width(const char *utf8)
{
	size_t width = 0, n;
	uint32_t c = 0;

	for (; *utf8; utf8 += n) {
		n = decode(utf8, &c);
		width += n ? columns_of(c) : 1;
		n = n ? n : 1;
	}
	return width;
}

/* Adds the next character of *text in a form that is safe to print, and steps over it. */
static void clean_next(struct buf *to, const char **text)
{
	uint32_t c = 0;
	size_t n = decode(*text, &c);

	/* U+202A.. and U+2066.. turn the direction of what follows, U+0080.. are control codes too. */
	if (n && c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069))
		buf_add(to, *text, n);
	else if (n && (c == '\n' || c == '\t' || c == '\r'))
		buf_puts(to, " ");
	else
		buf_printf(to, n ? "<U+%04X>" : "<%02X>", n ? c : (unsigned)(unsigned char)**text);
	*text += n ? n : 1;
}

void cli_clean(struct buf *to, const char *text)
{
	while (*text)
		clean_next(to, &text);
}

char *cli_pretty(const json_t *value)
{
	/* 15 digits: 0.1 stays 0.1. */
	scoped(free_p) char *raw = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	struct buf clean = { 0 };

	for (const char *at = raw ? raw : ""; *at;) {
		if (*at == '\n')
			buf_add(&clean, at++, 1);
		else
			clean_next(&clean, &at);
	}
	return buf_take(&clean);
}

void cli_cut(struct buf *to, const char *text, size_t columns)
{
	scoped(buf_free) struct buf whole = { 0 };
	size_t used = 0;

	cli_clean(&whole, text);
	if (!whole.text || cli_width(whole.text) <= columns) {
		buf_add(to, whole.text ? whole.text : "", whole.len);
		return;
	}
	for (const char *at = whole.text; *at;) {
		uint32_t c = 0;
		size_t n = decode(at, &c);

		used += columns_of(c);
		if (used + 2 > columns)
			break;
		buf_add(to, at, n);
		at += n;
	}
	buf_puts(to, columns >= 2 ? ".." : "");
}

void cli_styled(struct buf *to, const struct cli_look *look, enum cli_style style, const char *text)
{
	static const char *const codes[] = { "0", "1", "2", "31", "32", "33", "34" };

	if (look->color && style != CLI_PLAIN)
		buf_printf(to, "\033[%sm%s\033[0m", codes[style], text);
	else
		buf_puts(to, text);
}

enum cli_style cli_state_style(const char *state)
{
	static const struct { const char *state; enum cli_style style; } styles[] = {
		{ "succeeded", CLI_GREEN }, { "failed", CLI_RED }, { "partial", CLI_YELLOW }, { "retrying", CLI_YELLOW },
		{ "cancelled", CLI_YELLOW }, { "running", CLI_BLUE }, { "queued", CLI_BLUE }, { "draining", CLI_YELLOW },
		{ "skipped", CLI_DIM }, { "blocked", CLI_DIM },
	};

	for (size_t i = 0; i < countof(styles); i++)
		if (strcmp(styles[i].state, state) == 0)
			return styles[i].style;
	return CLI_PLAIN;
}

void cli_duration(struct buf *to, double seconds)
{
	double s = seconds > 0 ? seconds : 0;
	long whole = s < 1e15 ? (long)s : 0;

	if (s < 0.9995)
		buf_printf(to, "%.0f ms", s * 1000);
	else if (s < 59.95)
		buf_printf(to, "%.1f s", s);
	else if (whole < 3600)
		buf_printf(to, "%ldm%02lds", whole / 60, whole % 60);
	else if (whole < 86400)
		buf_printf(to, "%ldh%02ldm", whole / 3600, whole % 3600 / 60);
	else
		buf_printf(to, "%ldd%ldh", whole / 86400, whole % 86400 / 3600);
}

void cli_bytes(struct buf *to, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;

	for (; bytes >= 1024 && u + 1 < countof(units); u++)
		bytes /= 1024;
	buf_printf(to, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

int cli_time_parse(const char *text, int64_t *ret_us)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	double fraction = 0;
	char *end;

	if (!rest)
		return -1;
	if (*rest == '.') {
		fraction = strtod(rest, &end);
		rest = end;
	}
	if (strcmp(rest, "Z") != 0 && strcmp(rest, "+00:00") != 0)
		return -1;
	*ret_us = (int64_t)timegm(&tm) * 1000000 + (int64_t)(fraction * 1e6 + 0.5);
	return 0;
}

void cli_age(struct buf *to, const char *time, int64_t now_us)
{
	int64_t then;

	if (cli_time_parse(time, &then) == 0)
		cli_duration(to, (double)(now_us - then) / 1e6);
}

const char *cli_str(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

json_int_t cli_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

double cli_num(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}
