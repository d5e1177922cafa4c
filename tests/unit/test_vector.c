#include "buf.h"
#include "test.h"
#include "vector.h"

#include <math.h>
#include <string.h>

TEST(vector_has_length_one_and_nine_digits)
{
	const float v[] = { 3, -4, 0, 0.1f };
	scoped(buf_free) struct buf text = { 0 };
	json_t *list = NULL;
	struct err err;

	assert_int_equal(vector_json(v, 4, "it", &list, &err), 0);
	buf_json(&text, list);
	assert_string_equal(text.text, "[0.599880036,-0.799840048,0.0,0.0199960015]");
	json_decref(list);
}

TEST(vector_without_a_direction_is_refused)
{
	const float none[] = { 0, 0 }, nan[] = { 1, NAN };
	json_t *list = NULL;
	struct err err;

	assert_int_equal(vector_json(none, 2, "the thing", &list, &err), -1);
	assert_non_null(strstr(err.msg, "the thing is 0 in all of its 2 values"));
	assert_int_equal(vector_json(nan, 2, "the thing", &list, &err), -1);
	assert_non_null(strstr(err.msg, "at 1 of 2"));
	assert_null(list);
}
