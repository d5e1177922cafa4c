#include "test.h"
#include "cli/table.h"

#include <string.h>

static const struct cli_look plain = { .columns = 80 }, colored = { .columns = 80, .live = true, .color = true };

static void assert_table(const struct cli_table *t, const struct cli_look *look, const char *text)
{
	scoped(buf_free) struct buf b = { 0 };

	cli_table_text(t, look, &b);
	assert_string_equal(b.text, text);
}

TEST(cli_table_aligns_texts_left_and_numbers_right)
{
	scoped(cli_table_done) struct cli_table t = { 0 };

	cli_column(&t, "QUEUE", false);
	cli_column(&t, "N", true);
	cli_column(&t, "BY", false);
	cli_cell(&t, CLI_PLAIN, "image");
	cli_cell(&t, CLI_PLAIN, "%d", 12000);
	cli_cell(&t, CLI_PLAIN, "one");
	cli_cell(&t, CLI_PLAIN, "io");
	cli_cell(&t, CLI_PLAIN, "%d", 7);
	cli_cell(&t, CLI_PLAIN, "%s", "");
	assert_int_equal(cli_rows(&t), 2);
	assert_table(&t, &plain, "QUEUE      N  BY\nimage  12000  one\nio         7\n");
}

TEST(cli_table_counts_columns_not_bytes)
{
	scoped(cli_table_done) struct cli_table t = { 0 };

	cli_column(&t, "A", false);
	cli_column(&t, "B", false);
	cli_cell(&t, CLI_PLAIN, "größer");
	cli_cell(&t, CLI_PLAIN, "x");
	cli_cell(&t, CLI_PLAIN, "漢字");
	cli_cell(&t, CLI_PLAIN, "x");
	assert_table(&t, &plain, "A       B\ngrößer  x\n漢字    x\n");
}

TEST(cli_table_colors_only_where_they_are_wanted)
{
	scoped(cli_table_done) struct cli_table t = { 0 };

	cli_column(&t, "S", false);
	cli_cell(&t, CLI_RED, "failed");
	assert_table(&t, &plain, "S\nfailed\n");
	assert_table(&t, &colored, "\033[1mS\033[0m\n\033[31mfailed\033[0m\n");
}

TEST(cli_table_without_rows_is_its_head)
{
	scoped(cli_table_done) struct cli_table t = { 0 };

	cli_column(&t, "ID", false);
	assert_table(&t, &plain, "ID\n");
	assert_int_equal(cli_rows(&t), 0);
}

static void assert_clean(const char *raw, const char *clean)
{
	scoped(buf_free) struct buf b = { 0 };

	cli_clean(&b, raw);
	assert_string_equal(b.text, clean);
}

TEST(cli_clean_lets_no_text_move_the_cursor)
{
	assert_clean("\033]0;title\007", "<U+001B>]0;title<U+0007>");
	assert_clean("two\nlines\tand a tab", "two lines and a tab");
	assert_clean("broken \xff\xc3 bytes", "broken <FF><C3> bytes");
	assert_clean("\xc2\x9b" "31m", "<U+009B>31m");
	assert_clean("abc\xe2\x80\xae" "gpj", "abc<U+202E>gpj");
	assert_clean("Grüße 漢字", "Grüße 漢字");
}

TEST(cli_width_knows_wide_and_combining_characters)
{
	assert_int_equal(cli_width(""), 0);
	assert_int_equal(cli_width("abc"), 3);
	assert_int_equal(cli_width("é"), 1);
	assert_int_equal(cli_width("e\xcc\x81"), 1);
	assert_int_equal(cli_width("漢字"), 4);
	assert_int_equal(cli_width("\xff"), 1);
}

static void assert_cut(const char *text, size_t columns, const char *cut)
{
	scoped(buf_free) struct buf b = { 0 };

	cli_cut(&b, text, columns);
	assert_string_equal(b.text ? b.text : "", cut);
}

TEST(cli_cut_never_gets_wider_than_told)
{
	assert_cut("short", 10, "short");
	assert_cut("exactly10!", 10, "exactly10!");
	assert_cut("this is longer", 10, "this is ..");
	assert_cut("漢字漢字漢字", 7, "漢字..");
	assert_cut("abc", 1, "");
}

static void assert_duration(double seconds, const char *text)
{
	scoped(buf_free) struct buf b = { 0 };

	cli_duration(&b, seconds);
	assert_string_equal(b.text, text);
}

TEST(cli_duration_has_the_unit_that_a_person_would_choose)
{
	assert_duration(0, "0 ms");
	assert_duration(-5, "0 ms");
	assert_duration(0.85, "850 ms");
	assert_duration(12.34, "12.3 s");
	assert_duration(59.99, "0m59s");
	assert_duration(250, "4m10s");
	assert_duration(3 * 3600 + 5 * 60, "3h05m");
	assert_duration(2 * 86400 + 4 * 3600, "2d4h");
}

TEST(cli_bytes_are_binary_units)
{
	scoped(buf_free) struct buf b = { 0 };

	cli_bytes(&b, 100);
	buf_puts(&b, " ");
	cli_bytes(&b, 3.25 * 1024 * 1024);
	assert_string_equal(b.text, "100 B 3.2 MiB");
}

TEST(cli_time_parse_reads_what_the_dispatcher_writes)
{
	int64_t us = -1;

	assert_int_equal(cli_time_parse("1970-01-01T00:00:01Z", &us), 0);
	assert_int_equal(us, 1000000);
	assert_int_equal(cli_time_parse("2026-01-02T03:04:05.678901Z", &us), 0);
	assert_int_equal(us, 1767323045678901);
	assert_int_equal(cli_time_parse("1970-01-01T00:00:02+00:00", &us), 0);
	assert_int_equal(us, 2000000);
	assert_int_equal(cli_time_parse("", &us), -1);
	assert_int_equal(cli_time_parse("yesterday", &us), -1);
	assert_int_equal(cli_time_parse("2026-01-02T03:04:05+02:00", &us), -1);
	assert_int_equal(us, 2000000);
}

TEST(cli_pretty_json_is_safe_to_print_and_keeps_its_numbers)
{
	json_t *value = json_loads("{\"x\":0.1,\"s\":\"\\u009b\\u001b[2J\"}", 0, NULL);
	scoped(free_p) char *text = cli_pretty(value);

	assert_string_equal(text, "{\n  \"x\": 0.1,\n  \"s\": \"<U+009B>\\u001B[2J\"\n}");
	json_decref(value);
}
