#include "task_scan.h"

#include "uuid.h"

#include <stdlib.h>
#include <string.h>

/* What is left to read, and where the next text goes. */
struct scan {
	const char *p, *end;
	char *to;
};

static bool skip(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* A text without escapes, with its quotes. */
static bool text(struct scan *s, const char **ret)
{
	const char *close;

	if (!skip(s, "\"") || !(close = memchr(s->p, '"', (size_t)(s->end - s->p))) || memchr(s->p, '\\', (size_t)(close - s->p)))
		return false;
	*ret = s->to;
	s->to = (char *)mempcpy(s->to, s->p, (size_t)(close - s->p)) + 1;
	s->p = close + 1;
	return **ret != '\0';
}

static bool number(struct scan *s, int least, int *ret)
{
	const char *from = s->p;
	bool minus = skip(s, "-");
	int64_t v = 0;

	for (from = s->p; s->p < s->end && *s->p >= '0' && *s->p <= '9' && s->p - from < 10; s->p++)
		v = v * 10 + (*s->p - '0');
	if (s->p == from || (*from == '0' && s->p - from > 1) || (s->p < s->end && strchr(".eE0123456789", *s->p)))
		return false;
	v = minus ? -v : v;
	*ret = (int)v;
	return v >= least && v <= INT32_MAX;
}

static bool truth(struct scan *s, bool *ret)
{
	*ret = skip(s, "true");
	return *ret || skip(s, "false");
}

static bool head(struct scan *s, struct task *t)
{
	const char *tool;
	int seconds;

	if (!skip(s, "{\"v\":1,\"job\":") || !text(s, &t->job) || !skip(s, ",\"step\":") || !text(s, &t->step) ||
	    !skip(s, ",\"item\":") || !number(s, -1, &t->item) || !skip(s, ",\"ordinal\":") || !number(s, 0, &t->ordinal) ||
	    !skip(s, ",\"attempt\":") || !number(s, 1, &t->attempt) || !skip(s, ",\"tool\":") || !text(s, &tool) ||
	    !skip(s, ",\"queue\":") || !text(s, &t->queue) || !skip(s, ",\"timeout_s\":") || !number(s, 1, &seconds) ||
	    !skip(s, ",\"final\":") || !truth(s, &t->final))
		return false;
	if ((skip(s, ",\"pass\":") && !number(s, 0, &t->pass)) || (skip(s, ",\"probe\":") && !truth(s, &t->is_probe)))
		return false;
	t->timeout_s = (unsigned)seconds;
	t->tool = tool_find(tool);
	return t->tool && uuid_is(t->job);
}

static bool tail(struct scan *s, struct task *t)
{
	const char *seal;

	return skip(s, ",\"params\":{},\"inputs\":[],\"enqueued_at\":") && text(s, &t->enqueued_at) && skip(s, ",\"trace\":") &&
		text(s, &t->trace) && skip(s, ",\"seal\":") && text(s, &seal) && skip(s, "}") && s->p == s->end;
}

bool task_scan(const char *envelope, size_t len, struct task *t)
{
	struct task seen = { 0 };
	struct scan s = { .p = envelope, .end = envelope + len };

	if (len > 1024 || !memmem(envelope, len, ",\"params\":{},\"inputs\":[],", 25))
		return false;
	seen.kept = s.to = xcalloc(1, len);
	if (!head(&s, &seen) || !tail(&s, &seen)) {
		free(seen.kept);
		return false;
	}
	*t = seen;
	return true;
}
