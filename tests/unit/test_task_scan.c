#include "test.h"

#include "task_scan.h"

#include <stdlib.h>
#include <string.h>

#define JOB "01900000-0000-7000-8000-000000000001"
#define HEAD "{\"v\":1,\"job\":\"" JOB "\",\"step\":\"a\",\"item\":-1,\"ordinal\":7,\"attempt\":2,\"tool\":\"noop\",\"queue\":\"io\"," \
	"\"timeout_s\":10,\"final\":true"
#define NONE ",\"params\":{},\"inputs\":[]"
#define TAIL ",\"enqueued_at\":\"2026-01-02T03:04:05.678901Z\",\"trace\":\"00-1-2-01\""

static struct sealer sealer(void)
{
	struct sealer s;

	sealer_init(&s, "a token that is long enough for this", "");
	return s;
}

static struct task *parse(const char *text, const struct sealer *s)
{
	struct sealer with = sealer();
	scoped(buf_free) struct buf b = { 0 };
	struct task *t = NULL;
	struct err e;

	buf_puts(&b, text);
	seal_add(&with, &b, 0);
	assert_int_equal(task_parse(b.text, b.len, s, &t, &e), 0);
	return t;
}

static void same_text(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a)
		assert_string_equal(a, b);
}

/* Without a sealer it is always the parser's. */
TEST(task_scan_reads_what_the_parser_reads)
{
	static const struct { const char *text; bool is_plain; } cases[] = { { HEAD NONE TAIL, true }, { HEAD ",\"pass\":3" NONE TAIL, true },
		{ HEAD ",\"pass\":3,\"probe\":true" NONE TAIL, true }, { HEAD ",\"probe\":true" NONE TAIL, true },
		{ HEAD ",\"params\":{\"x\":1},\"inputs\":[]" TAIL, false }, { HEAD ",\"params\":{},\"inputs\":[1]" TAIL, false },
		{ HEAD ",\"source\":\"s\"" NONE TAIL, false }, { HEAD NONE ",\"more\":1" TAIL, false } };
	struct sealer s = sealer();

	for (size_t i = 0; i < countof(cases); i++) {
		scoped(task_free_p) struct task *scanned = parse(cases[i].text, &s), *parsed = parse(cases[i].text, NULL);

		assert_int_equal(scanned->body == NULL, cases[i].is_plain);
		assert_non_null(parsed->body);
		same_text(scanned->job, parsed->job);
		same_text(scanned->step, parsed->step);
		same_text(scanned->queue, parsed->queue);
		same_text(scanned->enqueued_at, parsed->enqueued_at);
		same_text(scanned->trace, parsed->trace);
		same_text(scanned->source, parsed->source);
		assert_ptr_equal(scanned->tool, parsed->tool);
		assert_int_equal(scanned->item, parsed->item);
		assert_int_equal(scanned->ordinal, parsed->ordinal);
		assert_int_equal(scanned->attempt, parsed->attempt);
		assert_int_equal(scanned->timeout_s, parsed->timeout_s);
		assert_int_equal(scanned->pass, parsed->pass);
		assert_int_equal(scanned->final, parsed->final);
		assert_int_equal(scanned->is_probe, parsed->is_probe);
		assert_int_equal(json_array_size(scanned->inputs), json_array_size(parsed->inputs));
	}
}

TEST(task_scan_leaves_alone_what_is_cut_or_written_otherwise)
{
	static const char whole[] = HEAD NONE TAIL ",\"seal\":\"00\"}";
	static const char *const others[] = { "{\"v\":1, \"job\":\"" JOB "\"" NONE, "{\"v\":1,\"job\":\"x\",\"step\":\"a\"" NONE,
		"{\"v\":1,\"job\":\"" JOB "\",\"step\":\"a\\\"\",\"item\":0" NONE, "{\"v\":1,\"job\":\"" JOB "\",\"step\":\"a\",\"item\":99999999999" NONE,
		"{\"v\":1,\"job\":\"" JOB "\",\"step\":\"a\",\"item\":01,\"ordinal\":1" NONE,
		"{\"v\":1,\"job\":\"" JOB "\",\"step\":\"a\",\"item\":1.5,\"ordinal\":1" NONE };
	struct task t;

	for (size_t n = 0; n < sizeof whole - 1; n++) {
		scoped(free_p) char *piece = xstrndup(whole, n);

		assert_false(task_scan(piece, n, &t));
	}
	for (size_t i = 0; i < countof(others); i++)
		assert_false(task_scan(others[i], strlen(others[i]), &t));
	assert_true(task_scan(whole, sizeof whole - 1, &t));
	free(t.kept);
}
