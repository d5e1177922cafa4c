#include "test.h"

#include "options.h"

#include <string.h>

static int parse(struct worker_options *o, struct err *err, int argc, const char *const *argv)
{
	return worker_options_parse(argc, (char *const *)(uintptr_t)argv, o, err);
}

#define PARSE(o, err, ...) parse(o, err, (int)countof(((const char *[]){ "w", __VA_ARGS__ })), (const char *[]){ "w", __VA_ARGS__, NULL })

TEST(worker_options_say_what_to_do)
{
	struct worker_options o;
	struct err err;

	assert_int_equal(PARSE(&o, &err, "--slots", "io=1"), 0);
	assert_int_equal(o.mode, WORKER_RUN);
	assert_string_equal(o.slots, "io=1");
	assert_int_equal(PARSE(&o, &err, "--task", "-"), 0);
	assert_int_equal(o.mode, WORKER_TASK);
	assert_string_equal(o.task_file, "-");
	assert_int_equal(PARSE(&o, &err, "--tools", "--json"), 0);
	assert_int_equal(o.mode, WORKER_TOOLS);
	assert_true(o.json);
}

TEST(worker_options_refuse_what_they_do_not_know)
{
	struct worker_options o;
	struct err err;

	assert_int_equal(PARSE(&o, &err, "--slot"), -1);
	assert_non_null(strstr(err.msg, "'--slot'"));
	assert_int_equal(PARSE(&o, &err, "--slots"), -1);
	assert_non_null(strstr(err.msg, "needs a SPEC"));
	assert_int_equal(PARSE(&o, &err, "--once", "--check"), -1);
	assert_int_equal(PARSE(&o, &err, "stray"), -1);
}
