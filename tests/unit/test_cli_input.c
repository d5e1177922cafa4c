#include "test.h"
#include "cli/api.h"
#include "cli/input.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct cli cli;
static struct err err;
static struct cli_documents documents;

static int parse(const char *text)
{
	cli_documents_done(&documents);
	err = (struct err){ 0 };
	cli.code = CLI_TROUBLE;
	return cli_documents_parse(&cli, text, strlen(text), "in.json", &documents, &err);
}

static void assert_document(size_t i, const char *source, const char *pointer)
{
	assert_true(i < documents.n);
	assert_string_equal(documents.items[i].source, source);
	assert_string_equal(documents.items[i].pointer, pointer);
}

TEST(cli_input_one_document_is_the_file)
{
	assert_int_equal(parse("\n {\"a\":\n1}\n"), 0);
	assert_int_equal(documents.n, 1);
	assert_document(0, "in.json", "");
	cli_documents_done(&documents);
}

TEST(cli_input_several_documents_are_known_by_their_lines)
{
	assert_int_equal(parse("{\"a\":1}\n\n{\"b\":\n2}\n{} {}"), 0);
	assert_int_equal(documents.n, 4);
	assert_document(0, "in.json:1", "");
	assert_document(1, "in.json:3", "");
	assert_document(2, "in.json:5", "");
	assert_document(3, "in.json:5", "");
	cli_documents_done(&documents);
}

TEST(cli_input_members_of_a_list_are_known_by_their_pointers)
{
	assert_int_equal(parse("[{},{}]"), 0);
	assert_int_equal(documents.n, 2);
	assert_document(1, "in.json", "/1");
	cli_documents_done(&documents);
}

TEST(cli_input_what_is_no_json_is_refused_with_its_place)
{
	static const struct { const char *text, *says; } cases[] = {
		{ "", "in.json: empty" },
		{ " \n", "in.json: empty" },
		{ "{\"a\": }", "in.json:1:7: not JSON" },
		{ "{}\n{\n\"a\" 1}", "in.json:3:5: not JSON" },
		{ "{\"a\":1,\"a\":2}", "duplicate" },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		assert_int_equal(parse(cases[i].text), -1);
		assert_int_equal(cli.code, CLI_FAILED);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, cases[i].says);
	}
	cli_documents_done(&documents);
}

TEST(cli_input_a_file_that_cannot_be_read_is_a_matter_of_usage)
{
	scoped(buf_free) struct buf b = { 0 };

	assert_int_equal(cli_read(&cli, test_path("nothing"), &b, &err), -1);
	assert_int_equal(cli.code, CLI_USAGE);
	assert_non_null(strstr(err.msg, "No such file"));
}

TEST(cli_input_an_option_is_json_or_names_a_file)
{
	json_t *value = NULL;
	scoped(free_p) char *at = xasprintf("@%s", test_path("p.json"));
	int fd = open(at + 1, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, "{\"b\":2}", 7), 7);
	close(fd);
	assert_int_equal(cli_option_object(&cli, "--params", "{\"a\":1}", &value, &err), 0);
	assert_int_equal(cli_int(value, "a"), 1);
	json_decref(value);
	assert_int_equal(cli_option_object(&cli, "--params", at, &value, &err), 0);
	assert_int_equal(cli_int(value, "b"), 2);
	json_decref(value);
	assert_int_equal(cli_option_object(&cli, "--params", "[1]", &value, &err), -1);
	assert_int_equal(cli.code, CLI_USAGE);
	assert_string_equal(err.msg, "--params: not a JSON object");
}

TEST(cli_input_relative_pictures_become_absolute)
{
	scoped(free_p) char *here = getcwd(NULL, 0), *real = realpath(test_dir(), NULL), *expected = xasprintf("%s/a.jpg", real);
	json_t *s = json_loads("{\"images\":[\"a.jpg\",\"/x/y.png\",\"http://h/z.jpg\",7],\"input_urls\":[\"s3://b/k\"]}", 0, NULL);
	int fd = open(test_path("a.jpg"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	const json_t *images = json_object_get(s, "images");

	close(fd);
	assert_int_equal(chdir(test_dir()), 0);
	assert_int_equal(cli_absolute_images(&cli, s, &err), 0);
	assert_string_equal(json_string_value(json_array_get(images, 0)), expected);
	assert_string_equal(json_string_value(json_array_get(images, 1)), "/x/y.png");
	assert_string_equal(json_string_value(json_array_get(images, 2)), "http://h/z.jpg");
	assert_true(json_is_integer(json_array_get(images, 3)));
	json_object_set_new(s, "images", json_pack("[s]", "b.jpg"));
	assert_int_equal(cli_absolute_images(&cli, s, &err), -1);
	assert_int_equal(cli.code, CLI_FAILED);
	assert_non_null(strstr(err.msg, "'b.jpg': no such file here"));
	assert_int_equal(chdir(here), 0);
	json_decref(s);
}

TEST(cli_api_the_list_of_dispatchers_is_read_one_by_one)
{
	static const char list[] = " http://a:1/ ,,http://b:2//, http://c";
	static const char *const urls[] = { "http://a:1", "http://b:2", "http://c" };

	for (size_t i = 0; i < countof(urls); i++) {
		scoped(free_p) char *url = cli_url_nth(list, i);

		assert_string_equal(url, urls[i]);
	}
	assert_null(cli_url_nth(list, 3));
	assert_null(cli_url_nth("", 0));
}

TEST(cli_api_parts_of_a_path_are_escaped)
{
	scoped(free_p) char *part = cli_url_part("a/b c?é~x");

	assert_string_equal(part, "a%2Fb%20c%3F%C3%A9~x");
}
