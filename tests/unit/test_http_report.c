#include "test.h"

#include "report.h"

#include <stdlib.h>
#include <string.h>

DEFINE_SCOPED(struct op *, op_free)

#define JOB "0197a000-0000-7000-8000-000000000001"
#define RUN "11111111-2222-4333-8444-555555555555"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static json_t *report(const char *status)
{
	json_t *r = json_pack("{s:s, s:s, s:i, s:i, s:s, s:s, s:f, s:s}", "run", RUN, "job", JOB, "ordinal", 3, "attempt", 2,
		"worker", "host-1-abcdef", "started_at", "2026-01-02T03:04:05.678901Z", "ms", 1.25, "status", status);

	assert_non_null(r);
	return r;
}

static json_t *artifact(const char *name)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:s}", "name", name, "digest", DIGEST, "media_type", "image/png",
		"bytes", 123, "width", 4, "height", 5, "origin", "jpeg");
}

static void refuses(json_t *take_report, const char *word)
{
	scoped(json_decref_p) json_t *r = take_report;
	struct op *op = NULL;
	struct err err = { 0 };

	assert_int_equal(report_parse(r, &op, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_non_null(strstr(err.msg, word));
	assert_null(op);
}

static json_t *with(const char *member, json_t *take_value)
{
	json_t *r = report("succeeded");

	json_object_set_new(r, member, take_value);
	return r;
}

TEST(a_success_becomes_an_operation_with_its_outputs)
{
	scoped(json_decref_p) json_t *r = report("succeeded");
	scoped(op_free_p) struct op *op = NULL;
	struct err err;

	json_object_set_new(r, "artifacts", json_pack("[o]", artifact("picture")));
	json_object_set_new(r, "data", json_pack("{s:i}", "items", 1));
	json_object_set_new(r, "peak_rss_kb", json_integer(1000));
	json_object_set_new(r, "requeue", json_true());
	assert_int_equal(report_parse(r, &op, &err), 0);
	assert_int_equal(op->kind, OP_REPORT);
	assert_string_equal(op->job, JOB);
	assert_int_equal(op->ordinal, 3);
	assert_int_equal(op->report.ordinal, 3);
	assert_int_equal(op->report.attempt, 2);
	assert_string_equal(op->report.run, RUN);
	assert_string_equal(op->report.worker, "host-1-abcdef");
	assert_int_equal(op->report.started_us, 1767323045678901);
	assert_int_equal(op->report.peak_rss_kb, 1000);
	assert_true(op->report.is_requeue);
	assert_false(op->report.failed);
	assert_string_equal(op->report.data, "{\"items\":1}");
	assert_int_equal(json_array_size(op->report.artifact_list), 1);
	assert_memory_equal(op->report.artifacts, "[{\"name\":\"picture\",", 19);
}

TEST(a_failure_keeps_kind_message_and_signal)
{
	scoped(json_decref_p) json_t *r = report("failed");
	scoped(op_free_p) struct op *op = NULL;
	struct err err;

	json_object_set_new(r, "error", json_pack("{s:s, s:s, s:i}", "kind", "reject", "message", "not a picture", "signal", 11));
	assert_int_equal(report_parse(r, &op, &err), 0);
	assert_true(op->report.failed);
	assert_int_equal(op->report.kind, ERR_REJECT);
	assert_string_equal(op->report.message, "not a picture");
	assert_int_equal(op->report.signal, 11);
	assert_null(op->report.artifacts);
}

static json_t *failure(const char *kind, json_t *take_more)
{
	json_t *r = report("failed"), *error = json_pack("{s:s, s:s}", "kind", kind, "message", "no");

	json_object_update(error, take_more);
	json_decref(take_more);
	json_object_set_new(r, "error", error);
	return r;
}

TEST(a_failure_says_whose_fault_it_was)
{
	scoped(json_decref_p) json_t *r = failure("retry", json_pack("{s:s, s:b}", "backend", "triton", "deferred", 1));
	scoped(op_free_p) struct op *op = NULL;
	struct err err;

	json_object_set_new(r, "backend", json_string("callback:h:80"));
	json_object_set_new(r, "probe", json_true());
	json_object_set_new(r, "pass", json_integer(7));
	assert_int_equal(report_parse(r, &op, &err), 0);
	assert_string_equal(op->report.backend, "triton");
	assert_true(op->report.deferred);
	assert_false(op->report.answered);
	assert_true(op->report.is_probe);
	assert_int_equal(op->report.pass, 7);
}

TEST(a_report_says_which_backend_answered)
{
	static const char *const kinds[] = { NULL, "reject" };

	for (size_t i = 0; i < countof(kinds); i++) {
		scoped(json_decref_p) json_t *r = kinds[i] ? failure(kinds[i], json_object()) : report("succeeded");
		scoped(op_free_p) struct op *op = NULL;
		struct err err;

		json_object_set_new(r, "backend", json_string("triton"));
		assert_int_equal(report_parse(r, &op, &err), 0);
		assert_string_equal(op->report.backend, "triton");
		assert_true(op->report.answered);
		assert_int_equal(op->report.pass, 0);
	}
}

TEST(a_report_with_a_wrong_backend_names_it)
{
	refuses(with("backend", json_integer(1)), "backend");
	refuses(with("backend", json_string("")), "backend");
	refuses(with("backend", json_string("a b")), "backend");
	refuses(with("probe", json_integer(1)), "probe");
	refuses(with("pass", json_integer(-1)), "pass");
	refuses(with("pass", json_integer(40000)), "pass");
	refuses(failure("retry", json_pack("{s:s}", "backend", "a\nb")), "backend");
	refuses(failure("retry", json_pack("{s:b}", "deferred", 1)), "deferred");
	refuses(failure("reject", json_pack("{s:s, s:b}", "backend", "a", "deferred", 1)), "deferred");
	refuses(failure("retry", json_pack("{s:s, s:i}", "backend", "a", "deferred", 1)), "deferred");
}

TEST(a_long_message_is_cut_between_characters)
{
	scoped(json_decref_p) json_t *r = report("failed");
	scoped(op_free_p) struct op *op = NULL;
	struct err err;
	char *text = xcalloc(1, 6001);

	for (size_t i = 0; i + 3 <= 6000; i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	json_object_set_new(r, "error", json_pack("{s:s, s:s}", "kind", "retry", "message", text));
	free(text);
	assert_int_equal(report_parse(r, &op, &err), 0);
	assert_int_equal(strlen(op->report.message), REPORT_MESSAGE_MAX - REPORT_MESSAGE_MAX % 3);
}

TEST(a_report_with_a_wrong_field_names_it)
{
	refuses(json_array(), "object");
	refuses(with("job", json_string("x")), "job");
	refuses(with("job", json_string("0197A000-0000-7000-8000-000000000001")), "job");
	refuses(with("run", json_integer(1)), "run");
	refuses(with("ordinal", json_integer(-1)), "ordinal");
	refuses(with("ordinal", json_real(1.5)), "ordinal");
	refuses(with("ordinal", json_integer(1 << 30)), "ordinal");
	refuses(with("attempt", json_integer(0)), "attempt");
	refuses(with("attempt", json_integer(40000)), "attempt");
	refuses(with("worker", json_string("")), "worker");
	refuses(with("ms", json_string("1")), "ms");
	refuses(with("ms", json_integer(-1)), "ms");
	refuses(with("started_at", json_string("yesterday")), "started_at");
	refuses(with("requeue", json_integer(1)), "requeue");
	refuses(with("peak_rss_kb", json_integer(-5)), "peak_rss_kb");
	refuses(with("status", json_string("done")), "status");
	refuses(report("failed"), "error");
}

TEST(a_report_with_a_wrong_artifact_names_it)
{
	json_t *a = artifact("x");

	refuses(with("artifacts", json_object()), "artifacts");
	refuses(with("artifacts", json_pack("[i]", 1)), "artifacts/0");
	refuses(with("artifacts", json_pack("[oo]", artifact("x"), artifact("x"))), "twice");
	refuses(with("artifacts", json_pack("[o]", artifact(""))), "name");
	json_object_set_new(a, "digest", json_string("../../etc/passwd"));
	refuses(with("artifacts", json_pack("[O]", a)), "digest");
	json_object_set_new(a, "digest", json_string(DIGEST));
	json_object_set_new(a, "media_type", json_string("image/png\r\nSet-Cookie: a=b"));
	refuses(with("artifacts", json_pack("[O]", a)), "media_type");
	json_object_set_new(a, "media_type", json_string("image/png"));
	json_object_set_new(a, "bytes", json_integer(-1));
	refuses(with("artifacts", json_pack("[O]", a)), "bytes");
	json_object_set_new(a, "bytes", json_integer(1));
	json_object_set_new(a, "extra", json_object());
	refuses(with("artifacts", json_pack("[o]", a)), "extra");
}

TEST(a_report_over_its_sizes_is_refused)
{
	json_t *many = json_array(), *large = json_array();

	for (int i = 0; i <= REPORT_ARTIFACTS_MAX; i++)
		json_array_append_new(many, artifact("x"));
	refuses(with("artifacts", many), "1000");
	for (unsigned i = 0; i < REPORT_DATA_MAX / 2; i++)
		json_array_append_new(large, json_integer(1));
	refuses(with("data", large), "data");
}
