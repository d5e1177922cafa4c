#include "test.h"
#include "cli/sse.h"

#include <string.h>

static struct buf seen;
static int stop_after;

static bool note(void *arg, const char *type, const char *data)
{
	(void)arg;
	buf_printf(&seen, "<%s|%s>", type, data);
	return stop_after == 0 || --stop_after > 0;
}

/* Feeds the text in pieces of n bytes; what came out is in `seen`. */
static bool feed(const char *text, size_t n)
{
	struct cli_sse s = { .on_event = note };
	bool go_on = true;

	buf_clear(&seen);
	for (size_t at = 0, len = strlen(text); at < len && go_on; at += n)
		go_on = cli_sse_feed(&s, text + at, min_of(n, len - at));
	cli_sse_done(&s);
	return go_on;
}

TEST(cli_sse_reads_the_same_events_from_any_pieces)
{
	const char *text = ": hello\n\nevent: job\ndata: {\"a\":1}\n\ndata: one\ndata: two\n\n: keep-alive\n\nevent: x\r\ndata:y\r\n\r\n";

	for (size_t n = 1; n < 40; n++) {
		assert_true(feed(text, n));
		assert_string_equal(seen.text, "<job|{\"a\":1}><message|one\ntwo><x|y>");
	}
	buf_free(&seen);
}

TEST(cli_sse_an_event_without_data_or_without_its_end_does_not_happen)
{
	assert_true(feed("event: job\n\ndata: half", 3));
	assert_int_equal(seen.len, 0);
	buf_free(&seen);
}

TEST(cli_sse_takes_one_blank_off_and_knows_fields_without_a_value)
{
	assert_true(feed("data:  two blanks\n\ndata\n\nid: 7\nretry: 10\ndata: z\n\n", 100));
	assert_string_equal(seen.text, "<message| two blanks><message|><message|z>");
	buf_free(&seen);
}

TEST(cli_sse_stops_when_told)
{
	stop_after = 2;
	assert_false(feed("data: 1\n\ndata: 2\n\ndata: 3\n\n", 100));
	assert_string_equal(seen.text, "<message|1><message|2>");
	stop_after = 0;
	buf_free(&seen);
}

TEST(cli_sse_refuses_a_line_without_end)
{
	struct cli_sse s = { .on_event = note };
	char piece[4096];
	bool go_on = true;
	size_t n;

	memset(piece, 'x', sizeof piece);
	for (n = 0; go_on && n < 2 * CLI_SSE_MAX; n += sizeof piece)
		go_on = cli_sse_feed(&s, piece, sizeof piece);
	assert_false(go_on);
	assert_true(n <= CLI_SSE_MAX + 2 * sizeof piece);
	cli_sse_done(&s);
}
