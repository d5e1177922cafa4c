#include "outline.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static const char *said(const struct outline *o, size_t k)
{
	static char text[200];

	snprintf(text, sizeof text, "%.*s=%.*s", (int)o->members[k].name.len, o->members[k].name.at, (int)o->members[k].value.len,
		o->members[k].value.at);
	return text;
}

TEST(an_outline_has_each_member_and_where_its_value_ends)
{
	static const char text[] = " {\"a\" : {\"b\":[\"}\",\"\\\\\"],\"c\":\"\\\"]\"} ,\n\"d\":-1.5e3,\"e\":\"x\\\"y\",\"f\":[],\"g\":null }";
	struct outline o;

	assert_int_equal(outline_read(text, sizeof text - 1, &o), 0);
	assert_int_equal(o.n, 5);
	assert_string_equal(said(&o, 0), "a={\"b\":[\"}\",\"\\\\\"],\"c\":\"\\\"]\"}");
	assert_string_equal(said(&o, 1), "d=-1.5e3");
	assert_string_equal(said(&o, 2), "e=\"x\\\"y\"");
	assert_string_equal(said(&o, 3), "f=[]");
	assert_string_equal(said(&o, 4), "g=null");
	assert_true(SPAN_IS(o.members[4].name, "g"));
	assert_false(SPAN_IS(o.members[4].name, "gg"));
}

TEST(what_has_no_outline_is_no_object_or_has_odd_names)
{
	static const char *const rows[] = { "", "[1]", "7", "{}", "{\"a\":1", "{\"a\":", "{\"a\"", "{\"a", "{\"a\":[1,2}", "{\"a\":\"x}",
		"{\"a\":1 \"b\":2}", "{\"a\\u0062\":1}", "{a:1}", "{\"a\":}", "{\"a\":1,}", "{\"a\" 1}", "{\"a\":{\"b\":1}", "{\"a\":\"\\\"}",
		"{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,"
		"\"p\":1,\"q\":1}" };
	struct outline o;

	for (size_t k = 0; k < countof(rows); k++)
		if (outline_read(rows[k], strlen(rows[k]), &o) == 0)
			fail_msg("'%s' has an outline", rows[k]);
}

TEST(a_value_that_is_taken_out_leaves_the_rest_as_it_was)
{
	static const char text[] = "{\"a\": {\"x\":[1]} ,\"b\":[2], \"c\":\"t\"}\n";
	static const bool out[OUTLINE_MEMBERS] = { true, false, true };
	char rest[sizeof text] = "";
	struct outline o;
	size_t n;

	assert_int_equal(outline_read(text, sizeof text - 1, &o), 0);
	n = outline_without(&o, text, sizeof text - 1, out, rest);
	assert_int_equal(n, strlen(rest));
	assert_string_equal(rest, "{\"a\": 0 ,\"b\":[2], \"c\":0}\n");
}
