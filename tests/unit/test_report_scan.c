#include "report.h"
#include "report_scan.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

DEFINE_SCOPED(struct op *, op_free)

#define JOB "0197a000-0000-7000-8000-000000000001"
#define RUN "11111111-2222-4333-8444-555555555555"
#define HEAD "{\"run\":\"" RUN "\",\"job\":\"" JOB "\",\"ordinal\":3,\"attempt\":2,\"worker\":\"host-1-abcdef\","
#define TAIL "\"started_at\":\"2026-01-02T03:04:05.678901Z\",\"ms\":1.250,\"status\":\"succeeded\"}"

/* What scanning a list of one makes of it: 1 with an operation, 2 when it is left to others, 0, -1. */
static int scan(const char *list, struct op **ret)
{
	struct report_scan s = { .at = list, .end = list + strlen(list) };
	const char *text;
	size_t len;
	int rc = report_scan_next(&s, &text, &len, ret), end;
	struct op *other = NULL;

	if (rc != 1)
		return rc;
	end = report_scan_next(&s, &text, &len, &other);
	op_free(other);
	if (end != 0) {
		op_free(steal(ret));
		return -1;
	}
	return *ret ? 1 : 2;
}

static int scan_one(const char *report)
{
	scoped(free_p) char *list = xasprintf("[%s]", report);
	scoped(op_free_p) struct op *op = NULL;

	return scan(list, &op);
}

TEST(a_plain_success_is_read_as_report_parse_reads_it)
{
	static const char *const reports[] = { HEAD TAIL, HEAD "\"pass\":7,\"peak_rss_kb\":4711," TAIL, HEAD "\"pass\":0," TAIL };

	for (size_t i = 0; i < countof(reports); i++) {
		scoped(free_p) char *list = xasprintf(" [ %s ]\n", reports[i]);
		scoped(json_decref_p) json_t *o = json_loads(reports[i], 0, NULL);
		scoped(op_free_p) struct op *scanned = NULL, *parsed = NULL;
		struct err err;

		assert_int_equal(scan(list, &scanned), 1);
		assert_int_equal(report_parse(o, &parsed, &err), 0);
		assert_int_equal(scanned->kind, parsed->kind);
		assert_string_equal(scanned->job, parsed->job);
		assert_int_equal(scanned->ordinal, parsed->ordinal);
		assert_int_equal(scanned->attempt, parsed->attempt);
		assert_string_equal(scanned->report.run, parsed->report.run);
		assert_int_equal(scanned->report.ordinal, parsed->report.ordinal);
		assert_int_equal(scanned->report.attempt, parsed->report.attempt);
		assert_int_equal(scanned->report.pass, parsed->report.pass);
		assert_true(scanned->report.ms == parsed->report.ms);
		assert_int_equal(scanned->report.peak_rss_kb, parsed->report.peak_rss_kb);
		assert_false(scanned->report.failed || scanned->report.is_requeue || scanned->report.is_probe || scanned->report.answered);
		assert_null(scanned->report.artifacts);
		assert_null(scanned->report.data);
	}
}

TEST(whatever_else_a_report_says_is_left_to_report_parse)
{
	static const char *const reports[] = { "{}", HEAD "\"requeue\":true," TAIL, HEAD "\"data\":{\"a\":[1,\"}\\\"\"]}," TAIL, HEAD "\"artifacts\":[]," TAIL,
		HEAD "\"backend\":\"b\"," TAIL, HEAD "\"ordinal\":4," TAIL, HEAD "\"pass\":-1," TAIL, HEAD "\"pass\":1.5," TAIL, HEAD "\"pass\":01," TAIL,
		HEAD "\"pass\":40000," TAIL, HEAD "\"peak_rss_kb\":1234567890123456," TAIL, HEAD "\"p\\u0061ss\":1," TAIL, HEAD " " TAIL,
		HEAD "\"started_at\":\"2026-13-02T03:04:05.678901Z\",\"ms\":1,\"status\":\"succeeded\"}",
		HEAD "\"started_at\":\"2026-01-02T03:04:05Z\",\"ms\":1,\"status\":\"succeeded\"}",
		HEAD "\"started_at\":\"2026-01-02T03:04:05.678901Z\",\"ms\":1,\"status\":\"failed\"}",
		HEAD "\"started_at\":\"2026-01-02T03:04:05.678901Z\",\"ms\":-1,\"status\":\"succeeded\"}",
		HEAD "\"started_at\":\"2026-01-02T03:04:05.678901Z\",\"ms\":1e3,\"status\":\"succeeded\"}",
		HEAD "\"started_at\":\"2026-01-02T03:04:05.678901Z\",\"ms\":1}",
		"{\"run\":\"x\",\"job\":\"" JOB "\",\"ordinal\":3,\"attempt\":2,\"worker\":\"w\"," TAIL,
		"{\"run\":\"" RUN "\",\"job\":\"" JOB "\",\"ordinal\":3,\"attempt\":0,\"worker\":\"w\"," TAIL,
		"{\"run\":\"" RUN "\",\"job\":\"" JOB "\",\"ordinal\":3,\"attempt\":2,\"worker\":\"\"," TAIL,
		"{\"run\":\"" RUN "\",\"job\":\"" JOB "\",\"ordinal\":200001,\"attempt\":2,\"worker\":\"w\"," TAIL,
		"{\"run\":\"" RUN "\",\"job\":\"" JOB "\",\"ordinal\":3,\"attempt\":2,\"worker\":\"\xc3\xa4\"," TAIL };

	for (size_t i = 0; i < countof(reports); i++)
		assert_int_equal(scan_one(reports[i]), 2);
}

TEST(what_is_no_list_of_objects_is_said_to_be_none)
{
	static const char *const lists[] = { "", "[", "{}", "[1]", "[{}", "[{},]", "[,{}]", "[{}{}]", "[{}] x", "[{\"a\":\"}]", "[[{}]]", "[{]" };
	scoped(op_free_p) struct op *op = NULL;

	for (size_t i = 0; i < countof(lists); i++) {
		assert_int_equal(scan(lists[i], &op), -1);
		assert_null(op);
	}
	assert_int_equal(scan("[]", &op), 0);
	assert_int_equal(scan(" [ ] ", &op), 0);
}

TEST(reports_of_both_kinds_stand_in_their_order)
{
	static const char list[] = "[" HEAD TAIL ", {\"data\":1}," HEAD TAIL "]";
	struct report_scan s = { .at = list, .end = list + sizeof list - 1 };
	const char *text;
	size_t len, n = 0;
	struct op *op;

	for (; report_scan_next(&s, &text, &len, &op) == 1; n++) {
		assert_int_equal(op != NULL, n != 1);
		if (n == 1)
			assert_memory_equal(text, "{\"data\":1}", len);
		op_free(op);
	}
	assert_int_equal(n, 3);
}
