#include "embedding.h"
#include "test.h"

#include <string.h>

static int embedding_of(const char *json, size_t size, struct buf *to, struct err *err)
{
	json_t *list = json_loads(json, JSON_DECODE_ANY, NULL);
	int rc = embedding_read(list, size, "THE_SETTING", to, err);

	json_decref(list);
	return rc;
}

TEST(embedding_becomes_an_array_that_keeps_each_bit)
{
	struct buf b = { 0 };
	struct err err;

	assert_int_equal(embedding_of("[1, -0.1, 3.4028234663852886e38, 1e-300, 16777217]", 5, &b, &err), 0);
	assert_string_equal(b.text, "{1,-0.100000001,3.40282347e+38,0,16777216}");
	buf_free(&b);
}

TEST(embedding_is_refused_with_the_numbers)
{
	static const struct { const char *json, *says; } row[] = {
		{ "[1,2]", "has 2 numbers, allowed are 3 (THE_SETTING)" }, { "[1,2,3,4]", "has 4 numbers, allowed are 3" },
		{ "[]", "has 0 numbers" }, { "{}", "no list" }, { "null", "no list" }, { "[1,null,2]", "number 1 of 3 of the embedding is NaN" },
		{ "[1,2,1e39]", "number 2 of 3 of the embedding is too large" }, { "[true,1,2]", "number 0 of 3 of the embedding is no number" },
		{ "[0,0.0,-0.0]", "all 3 numbers" }, { "[0,1e-300,0]", "all 3 numbers" },
	};

	for (size_t i = 0; i < countof(row); i++) {
		struct buf b = { 0 };
		struct err err;

		assert_int_equal(embedding_of(row[i].json, 3, &b, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		if (!strstr(err.msg, row[i].says))
			fail_msg("%s: %s", row[i].json, err.msg);
		buf_free(&b);
	}
}

TEST(embedding_takes_the_words_that_python_writes_where_json_has_none)
{
	static const struct { const char *from, *to; } row[] = {
		{ "[NaN,-Infinity,Infinity,1]", "[null,null,null,1]" }, { "[1,2]", "[1,2]" }, { "", "" },
		{ "{\"a NaN\":\"x \\\" NaN \\\\\",\"b\":NaN}", "{\"a NaN\":\"x \\\" NaN \\\\\",\"b\":null}" },
		{ "NaN", "null" }, { "\"NaN\\", "\"NaN\\" },
	};

	for (size_t i = 0; i < countof(row); i++) {
		struct buf b = { 0 };

		buf_puts(&b, row[i].from);
		embedding_spell(&b);
		assert_string_equal(b.text ? b.text : "", row[i].to);
		buf_free(&b);
	}
}
