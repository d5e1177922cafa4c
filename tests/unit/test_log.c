#include "test.h"

#include "log.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Standard error goes to a file of the test while it logs. */
static int begin_capture(void)
{
	int was = dup(STDERR_FILENO), fd = open(test_path("log"), O_RDWR | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	close(fd);
	return was;
}

static void end_capture(int was, char *text, size_t size)
{
	ssize_t n;

	lseek(STDERR_FILENO, 0, SEEK_SET);
	n = read(STDERR_FILENO, text, size - 1);
	text[max_of(n, (ssize_t)0)] = '\0';
	dup2(was, STDERR_FILENO);
	close(was);
	log_setup(LOG_INFO_, false);
}

TEST(log_lines_have_level_event_scopes_and_fields)
{
	char text[4096];
	int was = begin_capture();
	{
		log_scope(job, "%s", "41");
		log_scope(step, "%s", "resize");
		log_info("step.done", "ms=%u", 87U);
	}
	log_warn("plain", "%s", "");
	end_capture(was, text, sizeof text);
	assert_string_equal(text, "level=info ev=step.done job=41 step=resize ms=87\nlevel=warn ev=plain\n");
}

TEST(log_leaves_out_what_is_below_the_least_level)
{
	char text[4096];
	int was = begin_capture();

	log_setup(LOG_ERROR_, false);
	log_warn("not.this", "%s", "");
	log_error("this", "%s", "");
	end_capture(was, text, sizeof text);
	assert_string_equal(text, "level=error ev=this\n");
}

TEST(log_as_json_has_the_same_fields)
{
	char text[4096];
	int was = begin_capture();
	json_t *line;

	log_setup(LOG_INFO_, true);
	log_info("a.b", "n=%d why=%s", 3, log_quote("it said \"no\"\nand left \\"));
	end_capture(was, text, sizeof text);
	line = json_loads(text, 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "ev")), "a.b");
	assert_string_equal(json_string_value(json_object_get(line, "n")), "3");
	assert_string_equal(json_string_value(json_object_get(line, "why")), "it said \"no\"\nand left \\");
	json_decref(line);
}

TEST(log_of_something_very_long_stays_one_line)
{
	char text[20000], *big = xcalloc(1, 9000);
	int was = begin_capture();

	memset(big, 'x', 8999);
	log_info("big", "a=%s", big);
	log_setup(LOG_INFO_, true);
	log_info("big", "a=%s", log_quote(big));
	end_capture(was, text, sizeof text);
	free(big);
	assert_ptr_equal(strchr(strchr(text, '\n') + 1, '\n'), text + strlen(text) - 1);
}

TEST(log_quote_keeps_whole_characters_only)
{
	assert_string_equal(log_quote("\xc3\xa9\xff\xe2\x82"), "\"\xc3\xa9???\"");
}

TEST(log_quote_has_nothing_that_commands_a_terminal)
{
	assert_string_equal(log_quote("a\x1b[2J\x7f\xc2\x9b" "31m\xc2\xa0"), "\"a [2J ?31m\xc2\xa0\"");
}

TEST(log_quote_cuts_and_says_so)
{
	char big[2000];

	memset(big, 'y', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	assert_non_null(strstr(log_quote(big), "...\""));
	assert_string_equal(log_quote("a\tb"), "\"a b\"");
}
