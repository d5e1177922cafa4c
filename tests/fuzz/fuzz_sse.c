/* A stream of events that arrives in pieces (the first byte says how large) is the same as in one. */
#include "fuzz.h"

#include "sse.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 1000

struct seen {
	struct buf text;
	size_t n;
};

static bool keep(void *arg, const char *type, const char *data)
{
	struct seen *s = arg;

	must(*type && !strpbrk(type, "\r\n") && !strchr(data, '\r'));
	buf_printf(&s->text, "%zu:%s %zu:%s\n", strlen(type), type, strlen(data), data);
	return ++s->n < EVENTS_MAX;
}

static void feed(struct seen *seen, const char *bytes, size_t n, size_t piece)
{
	scoped(cli_sse_done) struct cli_sse s = { .on_event = keep, .arg = seen };

	for (size_t i = 0; i < n; i += piece)
		if (!cli_sse_feed(&s, bytes + i, min_of(piece, n - i)))
			return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { 0 }, pieces = { 0 };

	if (!size)
		return 0;
	feed(&whole, (const char *)data + 1, size - 1, size);
	feed(&pieces, (const char *)data + 1, size - 1, 1 + data[0]);
	must(whole.n == pieces.n);
	must(whole.n == 0 || strcmp(whole.text.text, pieces.text.text) == 0);
	buf_free(&whole.text);
	buf_free(&pieces.text);
	return 0;
}
