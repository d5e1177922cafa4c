#include "test.h"

#include "task.h"

#include <stdlib.h>
#include <string.h>

#define JOB "01900000-0000-7000-8000-000000000001"
#define HEAD "{\"v\":1,\"job\":\"" JOB "\",\"step\":\"small\",\"item\":2,\"ordinal\":7,\"attempt\":1,\"tool\":\"resize\"," \
	"\"queue\":\"image\",\"timeout_s\":60,\"final\":true,\"params\":{\"width\":0.1},\"inputs\":[],\"trace\":\"t\""

static struct sealer sealer(void)
{
	struct sealer s;

	sealer_init(&s, "a token that is long enough for this", "");
	return s;
}

static void envelope(struct buf *b, const char *head)
{
	struct sealer s = sealer();

	buf_puts(b, head);
	seal_add(&s, b, 0);
}

static void refuses(const char *head, const char *word)
{
	scoped(buf_free) struct buf b = { 0 };
	struct sealer s = sealer();
	struct task *t = NULL;
	struct err e;

	envelope(&b, head);
	assert_int_equal(task_parse(b.text, b.len, &s, &t, &e), -1);
	assert_int_equal(e.kind, ERR_REJECT);
	if (!strstr(e.msg, word))
		fail_msg("'%s' is not in: %s", word, e.msg);
}

TEST(task_is_read_from_its_envelope)
{
	scoped(buf_free) struct buf b = { 0 };
	scoped(task_free_p) struct task *t = NULL;
	struct sealer s = sealer();
	struct err e;

	envelope(&b, HEAD);
	assert_int_equal(task_parse(b.text, b.len, &s, &t, &e), 0);
	assert_string_equal(t->job, JOB);
	assert_string_equal(t->step, "small");
	assert_ptr_equal(t->tool, tool_find("resize"));
	assert_int_equal(t->item, 2);
	assert_int_equal(t->ordinal, 7);
	assert_int_equal(t->timeout_s, 60);
	assert_true(t->final);
	assert_false(t->is_requeue);
	assert_int_equal(strlen(t->run), 36);
}

TEST(slim_task_still_says_which_it_is)
{
	scoped(buf_free) struct buf b = { 0 }, report = { 0 };
	scoped(task_free_p) struct task *t = NULL;
	const struct task_result r = { .failed = false };
	struct sealer s = sealer();
	struct err e;

	envelope(&b, HEAD);
	assert_int_equal(task_parse(b.text, b.len, &s, &t, &e), 0);
	json_decref(task_slim(t));
	assert_string_equal(t->job, JOB);
	assert_string_equal(t->step, "small");
	assert_string_equal(t->queue, "image");
	assert_null(t->inputs);
	task_report(t, &r, "w", &report);
	assert_non_null(strstr(report.text, "\"job\":\"" JOB "\",\"ordinal\":7"));
	assert_null(task_slim(t));
}

TEST(task_inside_a_dead_letter_is_taken_byte_for_byte)
{
	scoped(buf_free) struct buf inner = { 0 }, letter = { 0 };
	scoped(task_free_p) struct task *t = NULL;
	struct sealer s = sealer();
	struct err e;

	envelope(&inner, HEAD);
	buf_printf(&letter, "{ \"job\":\"x\", \"error\":{\"message\":\"a \\\"task\\\": {} \\\\\"}, \"attempts\":[{\"task\":1}], \"task\": %s ,\"z\":[1]}",
		inner.text);
	assert_int_equal(task_parse(letter.text, letter.len, &s, &t, &e), 0);
	assert_true(t->is_requeue);
	assert_int_equal(t->ordinal, 7);
}

TEST(task_of_another_seal_is_refused)
{
	scoped(buf_free) struct buf b = { 0 }, letter = { 0 };
	struct sealer s = sealer();
	struct task *t = NULL;
	struct err e;

	envelope(&b, HEAD);
	*strstr(b.text, "small") = 'S';
	assert_int_equal(task_parse(b.text, b.len, &s, &t, &e), -1);
	buf_printf(&letter, "{\"task\":%s}", b.text);
	assert_int_equal(task_parse(letter.text, letter.len, &s, &t, &e), -1);
	assert_non_null(strstr(e.msg, "dead letter"));
}

TEST(task_that_is_not_whole_is_refused_with_what_is_missing)
{
	refuses("{\"v\":1", "'job'");
	refuses("{\"job\":\"" JOB "\",\"step\":\"a\"", "'tool'");
	refuses("{\"job\":\"7\",\"step\":\"a\",\"tool\":\"noop\",\"queue\":\"io\"", "UUID");
	refuses("{\"job\":\"" JOB "\",\"step\":\"a\",\"tool\":\"noop\",\"queue\":\"io\",\"ordinal\":-1", "'ordinal'");
	refuses("{\"job\":\"" JOB "\",\"step\":\"a\",\"tool\":\"noop\",\"queue\":\"io\",\"ordinal\":1,\"attempt\":0", "'attempt'");
	refuses("{\"job\":\"" JOB "\",\"step\":\"a\",\"tool\":\"noop\",\"queue\":\"io\",\"ordinal\":1,\"attempt\":1,\"params\":[]", "'params'");
	refuses("{\"job\":\"" JOB "\",\"step\":\"a\",\"tool\":\"noop\",\"queue\":\"io\",\"ordinal\":1,\"attempt\":1,\"inputs\":{}", "'inputs'");
	refuses("[1", "JSON");
}

TEST(task_without_a_sealer_may_come_from_a_file)
{
	static const char text[] = HEAD "}";
	scoped(task_free_p) struct task *t = NULL;
	struct err e;

	assert_int_equal(task_parse(text, strlen(text), NULL, &t, &e), 0);
}

static void dropped(const char *text)
{
	struct task *t = NULL;
	struct err e;

	if (task_parse(text, strlen(text), NULL, &t, &e) == 0)
		fail_msg("%s became a task", text);
}

TEST(task_of_nonsense_is_refused_without_reading_past_its_end)
{
	static const char *const row[] = { "", "{", "{\"", "{\"task\"", "{\"task\":", "{\"task\":{", "{\"a\":\"\\", "{\"task\":\"{}\"}",
		"{\"task\":{}}", "{\"a\":[[[", "{\"a\":1,", "null", "\"task\"", "{\"a\":}]}", " \n{\"task\" : {\"v\":1} }" };

	for (size_t i = 0; i < countof(row); i++) {
		scoped(free_p) char *exact = xstrdup(row[i]);

		dropped(exact);
	}
}

TEST(report_of_a_success_has_outputs)
{
	static const char text[] = HEAD "}";
	scoped(task_free_p) struct task *t = NULL;
	scoped(buf_free) struct buf b = { 0 };
	struct task_result r = { .data = json_pack("{s:i}", "n", 1), .artifacts = json_pack("[{s:s}]", "name", "x"),
		.took_us = 1250, .peak_rss_kb = 99 };
	json_t *report;
	struct err e;

	assert_int_equal(task_parse(text, strlen(text), NULL, &t, &e), 0);
	task_report(t, &r, "host-1-abc", &b);
	report = json_loads(b.text, 0, NULL);
	assert_non_null(report);
	assert_string_equal(json_string_value(json_object_get(report, "status")), "succeeded");
	assert_string_equal(json_string_value(json_object_get(report, "run")), t->run);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(report, "data"), "n")), 1);
	assert_int_equal(json_array_size(json_object_get(report, "artifacts")), 1);
	assert_int_equal(json_integer_value(json_object_get(report, "peak_rss_kb")), 99);
	assert_true(json_real_value(json_object_get(report, "ms")) > 1.2 && json_real_value(json_object_get(report, "ms")) < 1.3);
	assert_null(json_object_get(report, "requeue"));
	json_decref(report);
	task_result_done(&r);
	assert_null(r.data);
}

TEST(report_of_a_failure_has_kind_message_and_signal)
{
	static const char text[] = HEAD "}";
	scoped(task_free_p) struct task *t = NULL;
	scoped(buf_free) struct buf b = { 0 };
	struct task_result r = { .failed = true, .signal = 11 };
	json_t *report, *error;
	struct err e;

	err_set(&r.err, ERR_RETRY, "broke at \xff\"x\"");
	assert_int_equal(task_parse(text, strlen(text), NULL, &t, &e), 0);
	task_report(t, &r, "w", &b);
	report = json_loads(b.text, 0, NULL);
	assert_non_null(report);
	error = json_object_get(report, "error");
	assert_string_equal(json_string_value(json_object_get(report, "status")), "failed");
	assert_string_equal(json_string_value(json_object_get(error, "kind")), "retry");
	assert_string_equal(json_string_value(json_object_get(error, "message")), "broke at ?\"x\"");
	assert_int_equal(json_integer_value(json_object_get(error, "signal")), 11);
	json_decref(report);
	task_result_done(&r);
}

static json_t *report_with(const char *more, struct task_result r)
{
	scoped(free_p) char *text = xasprintf("%s%s}", HEAD, more);
	scoped(task_free_p) struct task *t = NULL;
	scoped(buf_free) struct buf b = { 0 };
	json_t *report;
	struct err e;

	assert_int_equal(task_parse(text, strlen(text), NULL, &t, &e), 0);
	task_report(t, &r, "w", &b);
	report = json_loads(b.text, 0, NULL);
	assert_non_null(report);
	return report;
}

static const char *text_at(const json_t *report, const char *object, const char *name)
{
	return json_string_value(json_object_get(object ? json_object_get(report, object) : report, name));
}

TEST(report_says_whose_fault_it_was_or_who_answered)
{
	struct task_result fault = { .failed = true, .backend = "triton", .deferred = true, .err = { ERR_RETRY, "away" } };
	struct task_result own = { .failed = true, .backend = "triton", .backend_answered = true, .err = { ERR_REJECT, "no such model" } };
	struct task_result fine = { .backend = "triton" };
	scoped(json_decref_p) json_t *a = report_with("", fault), *b = report_with("", own), *c = report_with("", fine);

	assert_string_equal(text_at(a, "error", "backend"), "triton");
	assert_true(json_is_true(json_object_get(json_object_get(a, "error"), "deferred")));
	assert_null(text_at(a, NULL, "backend"));
	assert_string_equal(text_at(b, NULL, "backend"), "triton");
	assert_null(text_at(b, "error", "backend"));
	assert_null(json_object_get(json_object_get(b, "error"), "deferred"));
	assert_string_equal(text_at(c, NULL, "backend"), "triton");
}

TEST(report_says_of_which_push_it_is_and_whether_that_was_a_probe)
{
	struct task_result fine = { 0 };
	scoped(json_decref_p) json_t *first = report_with("", fine), *probe = report_with(",\"pass\":3,\"probe\":true", fine);

	assert_null(json_object_get(first, "pass"));
	assert_null(json_object_get(first, "probe"));
	assert_int_equal(json_integer_value(json_object_get(probe, "pass")), 3);
	assert_true(json_is_true(json_object_get(probe, "probe")));
}
