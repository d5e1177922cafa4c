#include "test.h"
#include "tools.h"

#include <string.h>

TEST(every_tool_is_complete_and_unique)
{
	size_t n;
	const struct tool *all = tools_all(&n);

	assert_true(n >= 19);
	for (size_t k = 0; k < n; k++) {
		assert_ptr_equal(tool_find(all[k].name), &all[k]);
		assert_true(*all[k].title && *all[k].help && *all[k].queue && all[k].timeout_s > 0);
	}
	assert_null(tool_find("nope"));
}

TEST(every_default_is_a_value_its_own_parameter_allows)
{
	size_t n;
	const struct tool *all = tools_all(&n);

	for (size_t k = 0; k < n; k++) {
		scoped(json_decref_p) json_t *problems = json_array(), *filled = tool_fill_defaults(&all[k], NULL);

		tool_check_params(&all[k], filled, "", problems);
		if (json_array_size(problems))
			fail_msg("a default of %s is not allowed", all[k].name);
	}
}

TEST(every_tool_describes_itself_as_json_schema)
{
	size_t n;
	const struct tool *all = tools_all(&n);

	for (size_t k = 0; k < n; k++) {
		scoped(json_decref_p) json_t *d = tool_describe(&all[k]);

		assert_string_equal(json_string_value(json_object_get(json_object_get(d, "params"), "type")), "object");
	}
}

TEST(defaults_reach_into_lists_of_objects)
{
	scoped(json_decref_p) json_t *given = json_loads("{\"sizes\":[{\"width\":9}]}", 0, NULL);
	scoped(json_decref_p) json_t *filled = tool_fill_defaults(tool_find("thumbnail"), given);

	assert_string_equal(json_string_value(json_object_get(filled, "fit")), "inside");
	assert_int_equal(json_integer_value(json_object_get(filled, "quality")), 85);
	assert_null(json_object_get(given, "fit"));
}

TEST(wrong_parameters_are_told_with_place_and_range)
{
	static const struct { const char *tool, *params, *at; } rows[] = {
		{ "resize", "{\"width\":0}", "p/width" }, { "resize", "{\"width\":1.5}", "p/width" }, { "resize", "{\"kernel\":\"best\"}", "p/kernel" },
		{ "resize", "{\"keep_aspect\":1}", "p/keep_aspect" }, { "resize", "{\"background\":\"red\"}", "p/background" },
		{ "resize", "{\"wdith\":1}", "p/wdith" }, { "resize", "[]", "p" }, { "rotate", "{\"angle\":\"90\"}", "p/angle" },
		{ "thumbnail", "{\"sizes\":[]}", "p/sizes" }, { "thumbnail", "{\"sizes\":[{\"width\":0}]}", "p/sizes/0/width" },
		{ "thumbnail", "{\"sizes\":[{}]}", "p/sizes/0/width" }, { "thumbnail", "{\"sizes\":[{\"width\":1,\"x\":1}]}", "p/sizes/0/x" },
		{ "draw", "{\"boxes\":[{\"box\":[1,2,3]}]}", "p/boxes/0/box" }, { "filter", "{\"label_in\":[1]}", "p/label_in" },
		{ "callback", "{\"headers\":[]}", "p/headers" }, { "fail", "{\"items\":[\"a\"]}", "p/items" }, { "noop", "{\"a\":1}", "p/a" },
		{ "callback", "{\"url\":\"\"}", "p/url" },
	};

	for (size_t k = 0; k < countof(rows); k++) {
		scoped(json_decref_p) json_t *problems = json_array(), *params = json_loads(rows[k].params, 0, NULL);

		tool_check_params(tool_find(rows[k].tool), params, "p", problems);
		if (json_array_size(problems) != 1)
			fail_msg("%s %s: %zu problems", rows[k].tool, rows[k].params, json_array_size(problems));
		assert_string_equal(json_string_value(json_object_get(json_array_get(problems, 0), "at")), rows[k].at);
		assert_true(strlen(json_string_value(json_object_get(json_array_get(problems, 0), "allowed"))) > 3);
	}
}

TEST(required_parameters_may_come_from_either_side)
{
	scoped(json_decref_p) json_t *problems = json_array(), *width = json_loads("{\"width\":1}", 0, NULL), *height = json_loads("{\"height\":1}", 0, NULL);

	tool_check_required(tool_find("crop"), width, height, "", problems);
	assert_int_equal(json_array_size(problems), 0);
	tool_check_required(tool_find("crop"), width, NULL, "", problems);
	assert_int_equal(json_array_size(problems), 1);
}

TEST(colors_are_read_in_three_lengths)
{
	uint8_t c[4] = { 1, 2, 3, 4 };

	assert_int_equal(color_parse("#f0a", c), 0);
	assert_memory_equal(c, ((uint8_t[]){ 255, 0, 170, 255 }), 4);
	assert_int_equal(color_parse("#10203040", c), 0);
	assert_memory_equal(c, ((uint8_t[]){ 16, 32, 48, 64 }), 4);
	assert_int_equal(color_parse("#12345", c), -1);
	assert_int_equal(color_parse("red", c), -1);
	assert_int_equal(color_parse("#ggg", c), -1);
	assert_memory_equal(c, ((uint8_t[]){ 16, 32, 48, 64 }), 4);
}
