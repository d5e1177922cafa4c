#include "test.h"
#include "cli/problems.h"

#include <string.h>

static void assert_problem(const char *json, const char *text)
{
	json_t *problems = json_loads(json, 0, NULL);
	scoped(buf_free) struct buf b = { 0 };

	cli_problems_text(&b, "job.json", problems);
	assert_string_equal(b.text ? b.text : "", text);
	json_decref(problems);
}

TEST(cli_problems_say_where_what_and_what_instead)
{
	assert_problem("[{\"at\":\"/steps/0/params/widht\",\"message\":\"unknown parameter\",\"found\":\"widht\",\"allowed\":[\"width\",\"height\"]}]",
		"job.json: /steps/0/params/widht: unknown parameter (found \"widht\"; allowed: width, height)\n");
	assert_problem("[{\"at\":\"/images\",\"found\":0.1,\"allowed\":\"a list\"},{\"at\":\"\",\"allowed\":\"an object\"}]",
		"job.json: /images: found 0.1; allowed: a list\njob.json: /: allowed: an object\n");
	assert_problem("[{\"at\":\"/x\",\"message\":\"a cycle\"}]", "job.json: /x: a cycle\n");
	assert_problem("[{\"at\":\"\",\"byte\":6,\"found\":\"}\",\"allowed\":\"a value\"}]",
		"job.json: / (byte 6): found \"}\"; allowed: a value\n");
	assert_problem("[{\"at\":\"/x\"}]", "job.json: /x: not valid\n");
	assert_problem("[]", "");
}

TEST(cli_problems_keep_what_was_found_short_and_harmless)
{
	json_t *problems = json_pack("[{s:s, s:o}]", "at", "/a\033[2J", "found", json_array());
	scoped(buf_free) struct buf b = { 0 };

	for (int i = 0; i < 1000; i++)
		json_array_append_new(json_object_get(json_array_get(problems, 0), "found"), json_integer(i));
	cli_problems_text(&b, "job.json", problems);
	assert_true(b.len < 160);
	assert_null(strchr(b.text, '\033'));
	json_decref(problems);
}

TEST(cli_problems_move_to_the_file_that_a_person_edits)
{
	json_t *problems = json_loads("[{\"at\":\"/pipeline/steps/0\",\"found\":1},{\"at\":\"/pipelines\",\"found\":2},"
		"{\"at\":\"/images\",\"found\":3}]", 0, NULL);
	scoped(buf_free) struct buf b = { 0 };

	cli_problems_move(problems, "", "/4", "list.json");
	cli_problems_move(problems, "/4/pipeline", "", "pipe.json");
	cli_problems_text(&b, "?", problems);
	assert_string_equal(b.text, "pipe.json: /steps/0: found 1\nlist.json: /4/pipelines: found 2\nlist.json: /4/images: found 3\n");
	json_decref(problems);
}
