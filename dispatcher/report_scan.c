#include "report_scan.h"

#include "definition.h"
#include "report.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define WORKER_MAX 200
#define DIGITS_MAX 15           /* no number of more is exact as a double */

DEFINE_SCOPED(struct op *, op_free)

static void skip_blanks(struct report_scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

static bool take(struct report_scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* ---- values ---- */

/* A string of printable ASCII without escapes. */
static bool take_text(struct report_scan *s, const char **ret, size_t *ret_len)
{
	const char *from;

	if (!take(s, '"'))
		return false;
	for (from = s->at; s->at < s->end && *s->at != '"'; s->at++)
		if (*s->at < ' ' || *s->at > '~' || *s->at == '\\')
			return false;
	*ret = from;
	*ret_len = (size_t)(s->at - from);
	return take(s, '"');
}

static bool take_uuid(struct report_scan *s, char to[UUID_TEXT])
{
	const char *text;
	size_t n;

	if (!take_text(s, &text, &n) || n != UUID_TEXT - 1)
		return false;
	memcpy(to, text, n);
	to[n] = '\0';
	return uuid_is(to);
}

/* A whole number without a sign, as it is written by programs. */
static bool take_whole(struct report_scan *s, int64_t *ret)
{
	const char *from = s->at;
	int64_t v = 0;

	for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
		if (s->at - from == DIGITS_MAX)
			return false;
		v = v * 10 + (*s->at - '0');
	}
	*ret = v;
	return s->at > from && (*from != '0' || s->at == from + 1);
}

static bool take_from(struct report_scan *s, int64_t least, int64_t most, int *ret)
{
	int64_t v;

	if (!take_whole(s, &v) || v < least || v > most)
		return false;
	*ret = (int)v;
	return true;
}

static bool take_decimal(struct report_scan *s, double *ret)
{
	const char *from;
	int64_t whole, part = 0;
	double unit = 1;

	if (!take_whole(s, &whole))
		return false;
	if (take(s, '.')) {
		for (from = s->at; s->at < s->end && *s->at >= '0' && *s->at <= '9' && s->at - from < 6; s->at++) {
			part = part * 10 + (*s->at - '0');
			unit *= 10;
		}
		if (s->at == from)
			return false;
	}
	*ret = (double)whole + (double)part / unit;
	return *ret <= 3e10;
}

/* 2026-01-02T03:04:05.678901Z */
static bool take_time(struct report_scan *s)
{
	static const char shape[] = "0000-00-00T00:00:00.000000Z";
	const char *t;
	size_t n;

	if (!take_text(s, &t, &n) || n != sizeof shape - 1)
		return false;
	for (size_t i = 0; i < n; i++)
		if (shape[i] == '0' ? t[i] < '0' || t[i] > '9' : t[i] != shape[i])
			return false;
	return memcmp(t, "1970", 4) >= 0 && memcmp(t + 5, "01", 2) >= 0 && memcmp(t + 5, "12", 2) <= 0 && memcmp(t + 8, "01", 2) >= 0 &&
		memcmp(t + 8, "31", 2) <= 0 && memcmp(t + 11, "23", 2) <= 0 && memcmp(t + 14, "59", 2) <= 0 && memcmp(t + 17, "60", 2) <= 0;
}

static bool take_word(struct report_scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
		return false;
	s->at += n;
	return true;
}

/* ---- a report ---- */

enum member { RUN, JOB, ORDINAL, ATTEMPT, PASS, WORKER, STARTED_AT, MS, PEAK_RSS_KB, STATUS, MEMBERS };

static const char *const members[MEMBERS] = { "run", "job", "ordinal", "attempt", "pass", "worker", "started_at", "ms", "peak_rss_kb", "status" };
#define NEEDED (1u << RUN | 1u << JOB | 1u << ORDINAL | 1u << ATTEMPT | 1u << WORKER | 1u << STARTED_AT | 1u << MS | 1u << STATUS)

static enum member find(const char *name, size_t n)
{
	for (enum member m = 0; m < MEMBERS; m++)
		if (strlen(members[m]) == n && memcmp(members[m], name, n) == 0)
			return m;
	return MEMBERS;
}

static bool take_value(struct report_scan *s, enum member m, char job[UUID_TEXT], struct report *r)
{
	const char *text;
	size_t n;

	switch (m) {
	case RUN:         return take_uuid(s, r->run);
	case JOB:         return take_uuid(s, job);
	case ORDINAL:     return take_from(s, 0, DEFINITION_MAX_INSTANCES, &r->ordinal);
	case ATTEMPT:     return take_from(s, 1, INT16_MAX, &r->attempt);
	case PASS:        return take_from(s, 0, INT16_MAX, &r->pass);
	case WORKER:      return take_text(s, &text, &n) && n && n <= WORKER_MAX;
	case STARTED_AT:  return take_time(s);
	case MS:          return take_decimal(s, &r->ms);
	case PEAK_RSS_KB: return take_whole(s, &r->peak_rss_kb);
	case STATUS:      return take_word(s, "\"succeeded\"");
	case MEMBERS:     return false;
	}
	return false;
}

static bool take_plain(struct report_scan *s, char job[UUID_TEXT], struct report *r)
{
	unsigned seen = 0;

	if (!take(s, '{'))
		return false;
	do {
		const char *name;
		size_t n;
		enum member m;

		if (!take_text(s, &name, &n) || !take(s, ':'))
			return false;
		m = find(name, n);
		if (m == MEMBERS || seen & 1u << m || !take_value(s, m, job, r))
			return false;
		seen |= 1u << m;
	} while (take(s, ','));
	return (seen & NEEDED) == NEEDED && take(s, '}');
}

/* The end of an object that is not read here. Whether it is JSON at all is seen by who reads it. */
static bool skip_object(struct report_scan *s)
{
	int depth = 0;

	for (; s->at < s->end; s->at++) {
		if (*s->at == '{' || *s->at == '[') {
			depth++;
		} else if (*s->at == '}' || *s->at == ']') {
			if (--depth == 0) {
				s->at++;
				return true;
			}
		} else if (*s->at == '"') {
			for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
				if (*s->at == '\\' && s->at + 1 < s->end)
					s->at++;
			if (s->at == s->end)
				return false;
		}
	}
	return false;
}

static struct op *scan_plain(struct report_scan *s)
{
	struct report r = { 0 };
	char job[UUID_TEXT];
	struct op *op;

	if (!take_plain(s, job, &r))
		return NULL;
	op = op_new(OP_REPORT);
	op->job = xstrdup(job);
	op->ordinal = r.ordinal;
	op->attempt = r.attempt;
	op->report = r;
	return op;
}

/* ---- the list ---- */

/* 1: a report begins. */
static int next(struct report_scan *s)
{
	bool is_first = !s->has_begun;

	skip_blanks(s);
	if (is_first && !take(s, '['))
		return -1;
	s->has_begun = true;
	skip_blanks(s);
	if (take(s, ']')) {
		skip_blanks(s);
		return s->at == s->end ? 0 : -1;
	}
	if (!is_first && !take(s, ','))
		return -1;
	skip_blanks(s);
	return s->at < s->end && *s->at == '{' ? 1 : -1;
}

int report_scan_next(struct report_scan *s, const char **ret_text, size_t *ret_len, struct op **ret_op)
{
	scoped(op_free_p) struct op *op = NULL;
	const char *from;
	int rc = next(s);

	if (rc != 1)
		return rc;
	from = s->at;
	op = scan_plain(s);
	if (!op) {
		s->at = from;
		if (!skip_object(s))
			return -1;
	}
	*ret_text = from;
	*ret_len = (size_t)(s->at - from);
	*ret_op = steal(&op);
	return 1;
}
