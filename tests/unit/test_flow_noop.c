#include "test.h"

#include "flow_stage.h"

TEST(flow_noop_gives_nothing)
{
	struct flow_stage s;

	flow_stage_open(&s, "noop");
	assert_int_equal(flow_stage_run(&s, "{}", "[]"), 0);
	assert_null(s.result.data);
	assert_null(s.result.artifacts);
	flow_stage_close(&s);
}

TEST(flow_tools_are_all_in_the_table_of_tools_and_the_other_way_round)
{
	size_t n;
	const struct tool *all = tools_all(&n);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(flow_find(all[i].name) != NULL, all[i].runs == TOOL_PARENT);
}
