#include "test.h"

#include "conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN "0123456789abcdef0123456789abcdef"

static char *printed(const struct conf *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	conf_print(c, f);
	fclose(f);
	return text;
}

static void refuses(const char *entry, const char *word)
{
	const char *env[] = { entry, NULL };
	struct conf c;
	struct err e;

	assert_int_equal(conf_load(&c, env, &e), -1);
	if (!strstr(e.msg, word))
		fail_msg("%s: '%s' is not in: %s", entry, word, e.msg);
}

TEST(conf_without_an_environment_has_the_defaults)
{
	const char *env[] = { NULL };
	scoped(conf_done) struct conf c = { 0 };
	struct err e;

	assert_int_equal(conf_load(&c, env, &e), 0);
	assert_string_equal(c.listen, "127.0.0.1:5800");
	assert_string_equal(c.artifacts, "/var/lib/pixelfleet/artifacts");
	assert_int_equal(c.max_file_size, 52428800);
	assert_int_equal(c.request_timeout_s, 300);
	assert_false(c.allow_private_urls);
}

TEST(conf_takes_what_the_environment_says)
{
	const char *env[] = { "PATH=/bin", "PIXELFLEET_DATA_DIR=/srv/p", "PIXELFLEET_DRAIN_S=5", "PIXELFLEET_ALLOW_PRIVATE_URLS=1",
		"MAX_FILE_SIZE=10000000000", NULL };
	scoped(conf_done) struct conf c = { 0 };
	struct err e;

	assert_int_equal(conf_load(&c, env, &e), 0);
	assert_string_equal(c.artifacts, "/srv/p/artifacts");
	assert_int_equal(c.worker_drain_s, 5);
	assert_true(c.allow_private_urls);
	assert_int_equal(c.max_file_size, 10000000000);
}

TEST(conf_refuses_names_and_values_that_make_no_sense)
{
	refuses("PIXELFLEET_LISTTEN=x", "PIXELFLEET_LISTTEN");
	refuses("PIXELFLEET_DRAIN_S=soon", "'soon'");
	refuses("PIXELFLEET_DRAIN_S", "has no value");
	refuses("PIXELFLEET_DRAIN_S=", "whole number");
	refuses("PIXELFLEET_DRAIN_S=-1", "whole number");
	refuses("PIXELFLEET_DRAIN_S=99999999999", "whole number");
	refuses("PIXELFLEET_ALLOW_PRIVATE_URLS=yes", "neither 0 nor 1");
	refuses("PIXELFLEET_LOG=xml", "neither text nor json");
	refuses("PIXELFLEET_LOG_LEVEL=loud", "none of debug");
	refuses("PROCESSING_INTERNAL_TOKEN_FILE=/no/such/file", "/no/such/file");
}

TEST(conf_never_prints_a_secret)
{
	const char *env[] = { "PROCESSING_INTERNAL_TOKEN=" TOKEN, "DATABASE_URL=postgresql://u:hidden@h/d", NULL };
	scoped(conf_done) struct conf c = { 0 };
	scoped(free_p) char *text = NULL;
	struct err e;

	assert_int_equal(conf_load(&c, env, &e), 0);
	text = printed(&c);
	assert_non_null(strstr(text, "PROCESSING_INTERNAL_TOKEN=***\n"));
	assert_non_null(strstr(text, "PIXELFLEET_LISTEN=127.0.0.1:5800\n"));
	assert_null(strstr(text, TOKEN));
	assert_null(strstr(text, "hidden"));
}

TEST(conf_reads_the_token_from_its_file_without_the_line_end)
{
	FILE *f = fopen(test_path("token"), "w");
	scoped(free_p) char *entry = xasprintf("PROCESSING_INTERNAL_TOKEN_FILE=%s", test_path("token"));
	const char *env[] = { "PROCESSING_INTERNAL_TOKEN=x", entry, NULL };
	scoped(conf_done) struct conf c = { 0 };
	struct err e;

	assert_non_null(f);
	fputs(TOKEN "\r\n", f);
	fclose(f);
	assert_int_equal(conf_load(&c, env, &e), 0);
	assert_string_equal(c.internal_token, TOKEN);
	assert_int_equal(conf_need_token(&c, &e), 0);
}

TEST(conf_need_token_wants_32_characters)
{
	const char *none[] = { NULL }, *small[] = { "PROCESSING_INTERNAL_TOKEN=secret", NULL };
	struct conf c;
	struct err e;

	assert_int_equal(conf_load(&c, none, &e), 0);
	assert_int_equal(conf_need_token(&c, &e), -1);
	assert_non_null(strstr(e.msg, "must be set"));
	conf_done(&c);
	assert_int_equal(conf_load(&c, small, &e), 0);
	assert_int_equal(conf_need_token(&c, &e), -1);
	assert_non_null(strstr(e.msg, "32"));
	assert_null(strstr(e.msg, "secret '"));
	conf_done(&c);
}

TEST(conf_help_names_every_setting)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	conf_help(f);
	fclose(f);
#define CONF(field, env, type, def, flags, help) assert_non_null(strstr(text, env));
#include "conf.def"
#undef CONF
	free(text);
}
