/* Commands that need no dispatcher, from the words to the exit status. */
#include "test.h"
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static char *out, *msg;

static int run(const char *const *argv, int argc)
{
	size_t out_len, msg_len;
	FILE *to, *complaints;
	int code;

	free(out);
	free(msg);
	to = open_memstream(&out, &out_len);
	complaints = open_memstream(&msg, &msg_len);
	code = cli_main(argc, argv, to, complaints);
	fclose(to);
	fclose(complaints);
	return code;
}

#define RUN(...) run((const char *const[]){ "pixelfleet", __VA_ARGS__ }, \
	(int)countof(((const char *const[]){ "pixelfleet", __VA_ARGS__ })))

static void assert_says(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("'%s' does not say '%s'", text, what);
}

static void forget(void)
{
	free(out);
	free(msg);
	out = msg = NULL;
}

TEST(cli_every_command_and_option_has_its_help)
{
	for (size_t i = 0; i < cli_ncommands; i++) {
		const char *name = cli_commands[i].name, *second = strchr(name, ' ');
		scoped(free_p) char *first = xstrndup(name, strcspn(name, " "));

		assert_int_equal(second ? RUN("help", first, second + 1) : RUN("help", first), CLI_OK);
		assert_says(out, cli_commands[i].summary);
		for (size_t k = 0; k < cli_noptions; k++)
			if (cli_option_is_for(&cli_options[k], &cli_commands[i]))
				assert_says(out, cli_options[k].help);
	}
	forget();
}

TEST(cli_help_of_exit_codes_lists_them)
{
	assert_int_equal(RUN("help", "exit-codes"), CLI_OK);
	assert_says(out, "   3  watch: the job ended partial");
	assert_int_equal(RUN("--json", "help", "exit-codes"), CLI_OK);
	assert_says(out, "\"watch: the job ended partial\":3");
	forget();
}

TEST(cli_no_command_is_a_usage_error_with_the_overview)
{
	assert_int_equal(run((const char *const[]){ "pixelfleet" }, 1), CLI_USAGE);
	assert_says(msg, "usage: pixelfleet COMMAND");
	assert_int_equal(strlen(out), 0);
	forget();
}

TEST(cli_mistakes_are_usage_errors_that_name_the_help)
{
	assert_int_equal(RUN("jobs", "--stat", "x"), CLI_USAGE);
	assert_says(msg, "did you mean '--state'?");
	assert_says(msg, "'pixelfleet jobs --help' explains.");
	assert_int_equal(RUN("jobs", "--state", "sleeping"), CLI_USAGE);
	assert_says(msg, "'sleeping' is none of running");
	assert_int_equal(RUN("jobs", "-n", "many"), CLI_USAGE);
	assert_int_equal(RUN("jobs", "-l", "nothing"), CLI_USAGE);
	assert_int_equal(RUN("submit"), CLI_USAGE);
	assert_int_equal(RUN("submit", "--pipeline", "p", "--priority", "urgent", "http://h/a.jpg"), CLI_USAGE);
	assert_says(msg, "neither high nor normal");
	assert_int_equal(RUN("submit", "--pipeline", "p", "--deadline", "soon", "http://h/a.jpg"), CLI_USAGE);
	assert_int_equal(RUN("submit", "--pipeline", "p", "--params", "{", "http://h/a.jpg"), CLI_USAGE);
	assert_int_equal(RUN("dlq", "retry", "image"), CLI_USAGE);
	assert_says(msg, "Give --job, --step, --tool or --all");
	assert_int_equal(RUN("dlq", "show", "image", "0"), CLI_USAGE);
	forget();
}

TEST(cli_errors_are_json_when_json_was_asked_for)
{
	assert_int_equal(RUN("--json", "dlq", "retry", "image"), CLI_USAGE);
	assert_says(out, "{\"error\":{\"message\":\"dlq retry: which ones?");
	assert_int_equal(strlen(msg), 0);
	forget();
}

TEST(cli_a_dispatcher_that_is_not_there_is_trouble)
{
	assert_int_equal(RUN("queues", "--url", "http://127.0.0.1:1,http://127.0.0.1:2"), CLI_TROUBLE);
	assert_says(msg, "http://127.0.0.1:2/api/v1/queues");
	assert_int_equal(RUN("queues", "--url", ""), CLI_TROUBLE);
	assert_says(msg, "PIXELFLEET_DISPATCHER_URL or --url is empty");
	forget();
}

TEST(cli_completion_offers_what_may_follow)
{
	assert_int_equal(RUN("completion", ""), CLI_OK);
	assert_says(out, "submit\n");
	assert_says(out, "dlq\nqueues\n");
	assert_int_equal(RUN("completion", "dlq", ""), CLI_OK);
	assert_string_equal(out, "list\nshow\nretry\ndiscard\n");
	assert_int_equal(RUN("completion", "dlq", "show", ""), CLI_OK);
	assert_string_equal(out, "@queue\n");
	assert_int_equal(RUN("completion", "jobs", "--state", ""), CLI_OK);
	assert_string_equal(out, "running\nsucceeded\npartial\nfailed\ncancelled\n");
	assert_int_equal(RUN("completion", "jobs", "--state", "failed", "-"), CLI_OK);
	assert_string_equal(out, "--json\n--url\n--help\n--version\n--state\n--limit\n--label\n");
	assert_int_equal(RUN("completion", "submit", "-p", ""), CLI_OK);
	assert_string_equal(out, "@pipeline\n");
	forget();
}
