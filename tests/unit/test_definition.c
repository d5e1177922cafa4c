#include "definition.h"
#include "test.h"

#include <string.h>

static struct definition *parse(const char *text, json_t *problems)
{
	scoped(json_decref_p) json_t *body = json_loads(text, 0, NULL);

	assert_non_null(body);
	return definition_parse(body, "", NULL, problems);
}

static const struct node *node(const struct definition *d, const char *id)
{
	assert_true(definition_find(d, id) >= 0);
	return &d->nodes[definition_find(d, id)];
}

static bool needs(const struct definition *d, const char *id, const char *need)
{
	const struct node *n = node(d, id);

	for (int k = 0; k < n->nneeds; k++)
		if (strcmp(d->nodes[n->needs[k]].id, need) == 0)
			return true;
	return false;
}

TEST(the_short_form_is_a_chain_with_a_source)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(definition_unref_p) struct definition *d = parse("{\"version\":\"0.1\",\"steps\":[{\"name\":\"resize\",\"params\":{\"width\":640}},"
		"{\"name\":\"detect\",\"params\":{\"simulate\":true}},{\"name\":\"filter\"},{\"name\":\"aggregate\"}]}", problems);

	assert_non_null(d);
	assert_int_equal(d->nnodes, 5);
	assert_true(needs(d, "resize", "source"));
	assert_true(needs(d, "detect", "resize"));
	assert_true(needs(d, "aggregate", "filter"));
	assert_int_equal(d->neach, 4);
	assert_int_equal(d->nall, 1);
	assert_int_equal(definition_total(d, 10), 41);
	assert_false(node(d, "resize")->final);         /* detect reads it */
}

TEST(components_are_steps_by_other_names)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(definition_unref_p) struct definition *d = parse("{\"components\":[{\"id\":\"get\",\"name\":\"fetch\",\"component_type\":\"input\"},"
		"{\"id\":\"small\",\"name\":\"Smaller\",\"component_type\":\"resize\",\"parameters\":{\"width\":9},\"dependencies\":[\"get\"]}]}", problems);

	assert_non_null(d);
	assert_string_equal(node(d, "small")->tool->name, "resize");
	assert_string_equal(node(d, "get")->tool->name, "fetch");
	assert_true(needs(d, "small", "get"));
	assert_true(node(d, "small")->final);
}

TEST(the_normal_form_of_a_normal_form_is_the_same)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(definition_unref_p) struct definition *d = parse("{\"name\":\"x\",\"on_failure\":\"continue\",\"steps\":[{\"id\":\"sum\",\"tool\":\"aggregate\","
		"\"needs\":[\"b\"],\"join\":\"any\"},{\"id\":\"b\",\"tool\":\"thumbnail\",\"retry\":{\"max_attempts\":7,\"backoff_s\":0.5}}]}", problems);
	scoped(definition_unref_p) struct definition *again = NULL;

	assert_non_null(d);
	again = parse(d->text, problems);
	assert_non_null(again);
	assert_string_equal(again->text, d->text);
	assert_int_equal(node(again, "b")->max_attempts, 7);
}

TEST(a_picture_comes_from_the_nearest_step_that_gives_one)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(definition_unref_p) struct definition *d = parse("{\"steps\":[{\"id\":\"small\",\"tool\":\"resize\",\"params\":{\"width\":9}},"
		"{\"id\":\"boxes\",\"tool\":\"detect\",\"params\":{\"simulate\":true}},{\"id\":\"shown\",\"tool\":\"draw\"}]}", problems);
	const struct node *shown;

	assert_non_null(d);
	shown = node(d, "shown");
	assert_int_equal(shown->nneeds, 1);
	assert_int_equal(shown->nreads, 2);
	assert_string_equal(d->nodes[shown->reads[0]].id, "boxes");
	assert_string_equal(d->nodes[shown->reads[1]].id, "small");
}

TEST(ordinals_and_nodes_are_each_others_inverse)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(definition_unref_p) struct definition *d = parse("{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"},{\"id\":\"b\",\"tool\":\"noop\"},"
		"{\"id\":\"s\",\"tool\":\"aggregate\"},{\"id\":\"t\",\"tool\":\"callback\",\"params\":{\"url\":\"http://x/\"}}]}", problems);

	assert_non_null(d);
	for (int o = 0; o < definition_total(d, 7); o++) {
		int item, n = definition_node(d, 7, o, &item);

		assert_int_equal(definition_ordinal(d, 7, n, item), o);
	}
}

TEST(a_definition_tells_all_that_is_wrong_with_it)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(buf_free) struct buf text = { 0 };

	assert_null(parse("{\"nmae\":1,\"steps\":[{\"id\":\"a\",\"tool\":\"rezise\"},{\"id\":\"a\",\"tool\":\"noop\",\"needs\":[\"z\"]},7,"
		"{\"id\":\"B!\",\"tool\":\"crop\",\"params\":{\"left\":-1,\"hue\":2},\"retry\":{\"max_attempts\":0},\"join\":\"some\",\"queue\":\"jobs\","
		"\"timeout_s\":-1,\"on_failure\":\"panic\"}]}", problems));
	buf_json(&text, problems);
	assert_non_null(strstr(text.text, "/nmae"));
	assert_non_null(strstr(text.text, "/steps/0/tool"));
	assert_non_null(strstr(text.text, "/steps/1/id"));
	assert_non_null(strstr(text.text, "/steps/1/needs/0"));
	assert_non_null(strstr(text.text, "\"/steps/2\""));
	assert_non_null(strstr(text.text, "/steps/3/id"));
	assert_non_null(strstr(text.text, "/steps/3/params/left"));
	assert_non_null(strstr(text.text, "/steps/3/params/hue"));
	assert_non_null(strstr(text.text, "/steps/3/retry/max_attempts"));
	assert_non_null(strstr(text.text, "/steps/3/join"));
	assert_non_null(strstr(text.text, "/steps/3/queue"));
	assert_non_null(strstr(text.text, "/steps/3/timeout_s"));
	assert_non_null(strstr(text.text, "/steps/3/on_failure"));
}

TEST(a_cycle_is_named_by_its_steps)
{
	scoped(json_decref_p) json_t *problems = json_array();

	assert_null(parse("{\"steps\":[{\"id\":\"x\",\"tool\":\"noop\",\"needs\":[]},{\"id\":\"a\",\"tool\":\"noop\",\"needs\":[\"b\",\"x\"]},"
		"{\"id\":\"b\",\"tool\":\"noop\",\"needs\":[\"a\"]}]}", problems));
	assert_int_equal(json_array_size(problems), 2);
}

TEST(definitions_of_the_wrong_shape_are_refused)
{
	static const char *const rows[] = { "[]", "{}", "{\"steps\":[]}", "{\"steps\":{}}", "{\"steps\":\"resize\"}", "{\"steps\":[null]}",
		"{\"steps\":[{}]}", "{\"steps\":[{\"tool\":1}]}", "{\"steps\":[{\"tool\":\"noop\",\"needs\":\"a\"}]}",
		"{\"steps\":[{\"tool\":\"noop\",\"needs\":[1]}]}", "{\"steps\":[{\"tool\":\"noop\",\"params\":[]}]}",
		"{\"name\":5,\"steps\":[{\"tool\":\"noop\"}]}", "{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\",\"needs\":[\"a\"]}]}" };

	for (size_t k = 0; k < countof(rows); k++) {
		scoped(json_decref_p) json_t *problems = json_array();

		assert_null(parse(rows[k], problems));
		assert_true(json_array_size(problems) > 0);
	}
}

TEST(a_step_whose_long_name_would_be_cut_in_a_character_is_told_about)
{
	static const char text[] = "{\"steps\":{\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\xc3\xa9\":{\"name\":\"noop\"}}}";
	scoped(json_decref_p) json_t *problems = json_array();

	assert_null(parse(text, problems));
	assert_int_equal(json_array_size(problems), 1);
	assert_non_null(strstr(json_string_value(json_object_get(json_array_get(problems, 0), "at")), "/steps/kkk"));
}

TEST(a_bar_in_a_name_is_part_of_the_name)
{
	scoped(json_decref_p) json_t *problems = json_array();

	assert_null(parse("{\"steps\":[{\"name\":\"noop\"}],\"a|b\":1}", problems));
	assert_string_equal(json_string_value(json_object_get(json_array_get(problems, 0), "at")), "/a|b");
}

TEST(steps_that_are_added_count_too)
{
	scoped(json_decref_p) json_t *problems = json_array(), *steps = json_array();
	scoped(json_decref_p) json_t *body = json_pack("{s:O}", "steps", steps);

	for (int i = 0; i < DEFINITION_MAX_STEPS; i++)
		json_array_append_new(steps, json_pack("{s:o, s:s}", "id", json_sprintf("s%d", i), "tool", "rotate"));
	assert_null(definition_parse(body, "", NULL, problems));
	assert_int_equal(json_array_size(problems), 1);
}
