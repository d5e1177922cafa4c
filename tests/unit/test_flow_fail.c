#include "test.h"

#include "flow_stage.h"

static int run(const char *params, int item, int attempt, struct err *err)
{
	struct flow_stage s;
	int rc;

	flow_stage_open(&s, "fail");
	s.task.item = item;
	s.task.attempt = attempt;
	rc = flow_stage_run(&s, params, "[]");
	*err = s.err;
	flow_stage_close(&s);
	return rc;
}

TEST(flow_fail_fails_with_the_kind_and_message_asked_for)
{
	struct err err;

	assert_int_equal(run("{}", 0, 1, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_string_equal(err.msg, "failed on purpose");
	assert_int_equal(run("{\"kind\":\"retry\",\"message\":\"100% meant\"}", 0, 1, &err), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	assert_string_equal(err.msg, "100% meant");
}

TEST(flow_fail_fails_for_the_items_listed_only)
{
	struct err err;

	assert_int_equal(run("{\"items\":[1,3]}", 0, 1, &err), 0);
	assert_int_equal(run("{\"items\":[1,3]}", 3, 1, &err), -1);
}

TEST(flow_fail_succeeds_from_an_attempt_on)
{
	struct err err;

	assert_int_equal(run("{\"until_attempt\":3}", 0, 2, &err), -1);
	assert_int_equal(run("{\"until_attempt\":3}", 0, 3, &err), 0);
}
