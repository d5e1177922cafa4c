#include "test.h"

#include "flow_stage.h"

#include <string.h>

TEST(flow_aggregate_counts_items_by_label_most_first)
{
	struct flow_stage s;
	scoped(free_p) char *data = NULL, *csv = NULL;

	flow_stage_open(&s, "aggregate");
	assert_int_equal(flow_stage_run(&s, "{}", "[{\"step\":\"b\",\"item\":0,\"data\":{\"items\":[{\"label\":\"cat\"},{\"label\":\"dog\"}]}},"
		"{\"step\":\"b\",\"item\":1,\"data\":{\"items\":[{\"label\":\"dog\"},{\"label\":\"bus\"}]}},"
		"{\"step\":\"b\",\"item\":2,\"data\":{\"items\":[]}},{\"step\":\"c\",\"item\":0,\"data\":{\"mean\":1}}]"), 0);
	data = flow_stage_data(&s);
	csv = flow_stage_file(&s, "labels.csv");
	assert_string_equal(data, "{\"num_items\":4,\"labels\":{\"dog\":2,\"bus\":1,\"cat\":1}}");
	assert_string_equal(csv, "label,count\ndog,2\nbus,1\ncat,1\n");
	flow_stage_close(&s);
}

TEST(flow_aggregate_of_nothing_is_zero)
{
	struct flow_stage s;
	scoped(free_p) char *data = NULL, *csv = NULL;

	flow_stage_open(&s, "aggregate");
	assert_int_equal(flow_stage_run(&s, "{}", "[]"), 0);
	data = flow_stage_data(&s);
	csv = flow_stage_file(&s, "labels.csv");
	assert_string_equal(data, "{\"num_items\":0,\"labels\":{}}");
	assert_string_equal(csv, "label,count\n");
	flow_stage_close(&s);
}

TEST(flow_aggregate_says_that_something_was_simulated)
{
	struct flow_stage s;

	flow_stage_open(&s, "aggregate");
	assert_int_equal(flow_stage_run(&s, "{}", "[{\"step\":\"b\",\"item\":0,\"data\":{\"items\":[]}},"
		"{\"step\":\"b\",\"item\":1,\"data\":{\"items\":[],\"simulated\":true}}]"), 0);
	assert_true(json_is_true(json_object_get(s.result.data, "simulated")));
	flow_stage_close(&s);
}

TEST(flow_aggregate_quotes_labels_in_the_csv)
{
	struct flow_stage s;
	scoped(free_p) char *csv = NULL;

	flow_stage_open(&s, "aggregate");
	assert_int_equal(flow_stage_run(&s, "{}", "[{\"step\":\"b\",\"item\":0,\"data\":{\"items\":[{\"label\":\"a,b\"},{\"label\":\"c\\\"d\"},{}]}}]"), 0);
	csv = flow_stage_file(&s, "labels.csv");
	assert_string_equal(csv, "label,count\n(none),1\n\"a,b\",1\n\"c\"\"d\",1\n");
	flow_stage_close(&s);
}

TEST(flow_aggregate_lists_what_each_need_gave_when_asked)
{
	struct flow_stage s;
	scoped(free_p) char *data = NULL;

	flow_stage_open(&s, "aggregate");
	assert_int_equal(flow_stage_run(&s, "{\"include_results\":true}", "[{\"step\":\"b\",\"item\":0,\"data\":{\"x\":1}},"
		"{\"step\":\"r\",\"item\":0,\"artifact\":{\"name\":\"picture\",\"digest\":\"d\"}}]"), 0);
	data = flow_stage_data(&s);
	assert_string_equal(data, "{\"num_items\":0,\"labels\":{},\"results\":[{\"step\":\"b\",\"item\":0,\"data\":{\"x\":1}},"
		"{\"step\":\"r\",\"item\":0,\"artifact\":{\"name\":\"picture\",\"digest\":\"d\"}}]}");
	flow_stage_close(&s);
}
