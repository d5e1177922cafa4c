/* test_registry.c - the table of tools and the runner's tools are the same list. */
#include "registry.h"
#include "studio.h"
#include "test.h"
#include "tools.h"

#include <string.h>

TEST(runner_has_every_tool_of_the_table_that_runs_in_it)
{
	size_t n;
	const struct tool *all = tools_all(&n);

	for (size_t i = 0; i < n; i++) {
		const struct runner_tool *mine = runner_tool_find(all[i].name);

		assert_int_equal(all[i].runs == TOOL_RUNNER, mine != NULL);
		if (mine)
			assert_string_equal(mine->name, all[i].name);
	}
}

TEST(runner_refuses_an_unknown_tool)
{
	struct shot s = { 0 };

	studio_run(&s, "frobnicate", "{}", -1, NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "no tool 'frobnicate'"));
	studio_done(&s);
}

TEST(runner_refuses_bad_parameters_before_it_looks_at_the_picture)
{
	struct shot s = { 0 };

	studio_run(&s, "resize", "{\"width\":\"wide\"}", studio_bytes("x", 1), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "/params/width"));
	studio_done(&s);
}

TEST(runner_refuses_a_missing_parameter)
{
	struct shot s = { 0 };

	studio_run(&s, "crop", "{\"width\":1}", studio_bytes("x", 1), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "/params/height"));
	studio_done(&s);
}
