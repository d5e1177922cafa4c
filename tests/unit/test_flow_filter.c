#include "test.h"

#include "flow_stage.h"

#include <string.h>

#define ITEMS "[{\"step\":\"boxes\",\"item\":0,\"data\":{\"width\":100,\"height\":50,\"simulated\":true,\"model\":\"m\",\"other\":1,\"items\":[" \
	"{\"label\":\"cat\",\"score\":0.5,\"box\":[0,0,10,10]},{\"label\":\"dog\",\"score\":0.9,\"box\":[0,0,20,20]}," \
	"{\"label\":\"car\",\"score\":0.2,\"box\":[0,0,5,5]},{\"label\":\"cat\"}]}}]"

static void expect(const char *params, const char *labels)
{
	struct flow_stage s;
	scoped(buf_free) struct buf got = { 0 };
	json_t *items;

	flow_stage_open(&s, "filter");
	assert_int_equal(flow_stage_run(&s, params, ITEMS), 0);
	items = json_object_get(s.result.data, "items");
	for (size_t i = 0; i < json_array_size(items); i++)
		buf_printf(&got, "%s ", json_string_value(json_object_get(json_array_get(items, i), "label")));
	assert_string_equal(got.text ? got.text : "", labels);
	flow_stage_close(&s);
}

TEST(flow_filter_without_conditions_keeps_all)
{
	expect("{}", "cat dog car cat ");
}

TEST(flow_filter_keeps_what_meets_all_conditions)
{
	expect("{\"min_score\":0.5}", "cat dog ");
	expect("{\"max_score\":0.5}", "cat car ");
	expect("{\"label_in\":[\"cat\",\"car\"]}", "cat car cat ");
	expect("{\"label_not_in\":[\"cat\"]}", "dog car ");
	expect("{\"min_area\":50,\"max_area\":200}", "cat ");
	expect("{\"min_score\":0.4,\"label_in\":[\"dog\"]}", "dog ");
}

TEST(flow_filter_leaves_out_items_that_lack_what_a_condition_is_about)
{
	expect("{\"min_score\":0}", "cat dog car ");
	expect("{\"min_area\":0}", "cat dog car ");
}

TEST(flow_filter_keeps_the_best_so_many)
{
	expect("{\"max_items\":2}", "dog cat ");
	expect("{\"max_items\":0}", "");
}

TEST(flow_filter_carries_what_the_items_were_found_in)
{
	struct flow_stage s;

	flow_stage_open(&s, "filter");
	assert_int_equal(flow_stage_run(&s, "{}", ITEMS), 0);
	assert_int_equal(json_integer_value(json_object_get(s.result.data, "width")), 100);
	assert_true(json_is_true(json_object_get(s.result.data, "simulated")));
	assert_string_equal(json_string_value(json_object_get(s.result.data, "model")), "m");
	assert_null(json_object_get(s.result.data, "other"));
	flow_stage_close(&s);
}

TEST(flow_filter_without_items_is_rejected)
{
	struct flow_stage s;

	flow_stage_open(&s, "filter");
	assert_int_equal(flow_stage_run(&s, "{}", "[{\"step\":\"a\",\"item\":0,\"data\":{\"sum\":1}}]"), -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "items"));
	flow_stage_close(&s);
}

TEST(flow_filter_reads_items_that_were_too_large_for_the_envelope)
{
	static const char data[] = "{\"items\":[{\"label\":\"cat\",\"score\":1}]}";
	struct flow_stage s;
	char digest[DIGEST_TEXT];
	scoped(free_p) char *inputs = NULL;

	flow_stage_open(&s, "filter");
	assert_int_equal(store_put(&s.store, data, sizeof data - 1, digest, &s.err), 0);
	inputs = xasprintf("[{\"step\":\"b\",\"item\":0,\"artifact\":{\"name\":\"data\",\"media_type\":\"application/json\",\"digest\":\"%s\"}}]",
		digest);
	assert_int_equal(flow_stage_run(&s, "{}", inputs), 0);
	assert_int_equal(json_array_size(json_object_get(s.result.data, "items")), 1);
	flow_stage_close(&s);
}
