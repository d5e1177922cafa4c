#include "test.h"
#include "cli/args.h"

#include <string.h>

static struct cli_args args;
static struct err err;

static int parse(const char *const *argv, int argc)
{
	cli_args_done(&args);
	err = (struct err){ 0 };
	return cli_args_parse(&args, argc, argv, &err);
}

#define PARSE(...) parse((const char *const[]){ "pixelfleet", __VA_ARGS__ }, \
	(int)countof(((const char *const[]){ "pixelfleet", __VA_ARGS__ })))

TEST(cli_args_a_command_takes_options_before_between_and_after)
{
	assert_int_equal(PARSE("--json", "jobs", "--state", "failed", "--limit=7", "-l", "a=b"), 0);
	assert_string_equal(args.command->id, "jobs");
	assert_true(cli_has(&args, "json"));
	assert_string_equal(cli_value(&args, "state"), "failed");
	assert_string_equal(cli_value(&args, "limit"), "7");
	assert_string_equal(cli_value(&args, "label"), "a=b");
	assert_int_equal(args.nwords, 0);
	cli_args_done(&args);
}

TEST(cli_args_a_group_and_its_word_are_one_command)
{
	assert_int_equal(PARSE("dlq", "--json", "show", "image", "3"), 0);
	assert_string_equal(args.command->name, "dlq show");
	assert_int_equal(args.nwords, 2);
	assert_string_equal(args.words[1], "3");
	cli_args_done(&args);
}

TEST(cli_args_a_group_alone_lists)
{
	assert_int_equal(PARSE("pipelines"), 0);
	assert_string_equal(args.command->id, "pipelines_list");
	cli_args_done(&args);
}

TEST(cli_args_repeated_options_keep_their_order_and_the_last_one_counts_alone)
{
	size_t at = 0;

	assert_int_equal(PARSE("submit", "-i", "a.jpg", "--image", "b.jpg", "-ic.jpg", "--pipeline", "p"), 0);
	assert_string_equal(cli_next_value(&args, "image", &at), "a.jpg");
	assert_string_equal(cli_next_value(&args, "image", &at), "b.jpg");
	assert_string_equal(cli_next_value(&args, "image", &at), "c.jpg");
	assert_null(cli_next_value(&args, "image", &at));
	assert_string_equal(cli_value(&args, "image"), "c.jpg");
	cli_args_done(&args);
}

TEST(cli_args_short_flags_can_be_joined)
{
	assert_int_equal(PARSE("submit", "-jwpq", "x.jpg"), 0);
	assert_true(cli_has(&args, "json"));
	assert_true(cli_has(&args, "watch"));
	assert_string_equal(cli_value(&args, "pipeline"), "q");
	cli_args_done(&args);
}

TEST(cli_args_two_dashes_end_the_options_and_one_is_a_word)
{
	assert_int_equal(PARSE("submit", "-", "--", "--json"), 0);
	assert_int_equal(args.nwords, 2);
	assert_string_equal(args.words[0], "-");
	assert_string_equal(args.words[1], "--json");
	assert_false(cli_has(&args, "json"));
	cli_args_done(&args);
}

TEST(cli_args_nothing_at_all_is_no_command)
{
	assert_int_equal(parse((const char *const[]){ "pixelfleet" }, 1), 0);
	assert_null(args.command);
}

TEST(cli_args_what_is_wrong_is_named)
{
	static const struct { const char *argv[5]; const char *says; } cases[] = {
		{ { "x", "frobnicate" }, "unknown command 'frobnicate'" },
		{ { "x", "submti" }, "did you mean 'submit'?" },
		{ { "x", "dlq", "shwo" }, "did you mean 'dlq show'?" },
		{ { "x", "jobs", "--statt", "x" }, "did you mean '--state'?" },
		{ { "x", "jobs", "--pipeline", "x" }, "unknown option '--pipeline'" },
		{ { "x", "jobs", "-Z" }, "unknown option '-Z'" },
		{ { "x", "jobs", "--state" }, "option '--state' needs a value" },
		{ { "x", "jobs", "--json=1" }, "option '--json' takes no value" },
		{ { "x", "jobs", "extra" }, "unexpected argument 'extra'" },
		{ { "x", "status" }, "an argument is missing: ID" },
		{ { "x", "status", "a", "b" }, "unexpected argument 'b'; it takes ID" },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		int argc = 0;

		while (argc < 5 && cases[i].argv[argc])
			argc++;
		assert_int_equal(parse(cases[i].argv, argc), -1);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, cases[i].says);
	}
	cli_args_done(&args);
}

TEST(cli_args_help_needs_no_arguments)
{
	assert_int_equal(PARSE("status", "--help"), 0);
	assert_string_equal(args.command->id, "status");
	cli_args_done(&args);
}

TEST(cli_args_what_a_shell_asks_about_is_not_parsed)
{
	assert_int_equal(PARSE("completion", "submit", "--nonsense", ""), 0);
	assert_int_equal(args.nwords, 3);
	assert_string_equal(args.words[1], "--nonsense");
	cli_args_done(&args);
}

TEST(cli_args_numbers_keep_to_their_range)
{
	long n = -1;

	assert_int_equal(PARSE("jobs"), 0);
	assert_int_equal(cli_number(&args, "limit", 20, 1, 100, &n, &err), 0);
	assert_int_equal(n, 20);
	assert_int_equal(PARSE("jobs", "-n", "100"), 0);
	assert_int_equal(cli_number(&args, "limit", 20, 1, 100, &n, &err), 0);
	assert_int_equal(n, 100);
	for (size_t i = 0; i < 5; i++) {
		static const char *const bad[] = { "0", "101", "x", "", "7x" };

		assert_int_equal(PARSE("jobs", "-n", bad[i]), 0);
		assert_int_equal(cli_number(&args, "limit", 20, 1, 100, &n, &err), -1);
		assert_non_null(strstr(err.msg, "whole number from 1 to 100"));
	}
	assert_int_equal(n, 100);
	cli_args_done(&args);
}

TEST(cli_args_distance_counts_letters)
{
	assert_int_equal(cli_distance("retry", "retry"), 0);
	assert_int_equal(cli_distance("retry", "rety"), 1);
	assert_int_equal(cli_distance("", "abc"), 3);
	assert_int_equal(cli_distance("submit", "status"), 5);
	assert_int_equal(cli_distance("kitten", "a string that is much too long to matter"), 9);
}

TEST(cli_args_no_two_options_of_a_command_share_a_name_or_letter)
{
	for (size_t c = 0; c < cli_ncommands; c++)
		for (size_t i = 0; i < cli_noptions; i++)
			for (size_t k = 0; k < i; k++) {
				const struct cli_option *a = &cli_options[i], *b = &cli_options[k];

				if (!cli_option_is_for(a, &cli_commands[c]) || !cli_option_is_for(b, &cli_commands[c]))
					continue;
				assert_string_not_equal(a->name, b->name);
				assert_true(!a->letter || a->letter != b->letter);
			}
}
