#include "test.h"
#include "cli/progress.h"

#include <string.h>

static const struct cli_look ascii = { .columns = 80, .live = true }, unicode = { .columns = 80, .live = true, .unicode = true };

static bool update(struct cli_progress *p, const char *state, int total, int succeeded, int failed, int64_t now_ms)
{
	json_t *job = json_pack("{s:s, s:i, s:i, s:i}", "state", state, "total", total, "succeeded", succeeded, "failed", failed);
	bool changed = cli_progress_update(p, job, now_ms);

	json_decref(job);
	return changed;
}

static void assert_bar(const struct cli_progress *p, const struct cli_look *look, int64_t now_ms, const char *text)
{
	scoped(buf_free) struct buf b = { 0 };

	cli_progress_bar(p, look, now_ms, &b);
	assert_string_equal(b.text, text);
}

TEST(cli_progress_bar_shows_how_much_how_fast_and_how_long)
{
	struct cli_progress p;

	cli_progress_init(&p, "id", "photo");
	assert_true(update(&p, "running", 100, 0, 0, 1000));
	assert_true(update(&p, "running", 100, 48, 2, 2000));
	assert_bar(&p, &ascii, 2000, "photo  [##############---------------]  50/100  50%  2 failed  50/s  1.0 s left");
	cli_progress_free(&p);
}

TEST(cli_progress_bar_of_an_ended_job_says_how_long_it_took)
{
	struct cli_progress p;

	cli_progress_init(&p, "id", "p");
	update(&p, "running", 4, 0, 0, 1000);
	assert_false(cli_progress_has_ended(&p));
	update(&p, "succeeded", 4, 4, 0, 3500);
	assert_true(cli_progress_has_ended(&p));
	assert_bar(&p, &unicode, 3500, "p  [███████████████████████████████████████████]  4/4  100%  succeeded in 2.5 s");
	cli_progress_free(&p);
}

TEST(cli_progress_bar_never_wraps)
{
	struct cli_progress p;

	cli_progress_init(&p, "id", "a pipeline with a name that is much longer than any bar would be");
	update(&p, "running", 200000, 100000, 99, 0);
	update(&p, "running", 200000, 150000, 99, 5000);
	for (unsigned columns = 20; columns < 200; columns++) {
		struct cli_look look = { .columns = columns, .unicode = true };
		scoped(buf_free) struct buf b = { 0 };

		cli_progress_bar(&p, &look, 5000, &b);
		assert_true(cli_width(b.text) <= columns);
	}
	cli_progress_free(&p);
}

TEST(cli_progress_of_a_job_without_steps_divides_by_nothing)
{
	struct cli_progress p;

	cli_progress_init(&p, "id", "p");
	update(&p, "running", 0, 0, 0, 0);
	assert_bar(&p, &(struct cli_look){ .columns = 30 }, 0, "p  [---------------]  0/0  0%");
	cli_progress_free(&p);
}

TEST(cli_progress_rate_forgets_what_is_older_than_ten_seconds)
{
	struct cli_progress p;

	cli_progress_init(&p, "id", "p");
	assert_true(cli_progress_rate(&p, 0) == 0);
	update(&p, "running", 10000, 0, 0, 0);
	assert_true(cli_progress_rate(&p, 1000) == 0);
	update(&p, "running", 10000, 5000, 0, 1000);
	assert_true(cli_progress_rate(&p, 1000) == 5000);
	update(&p, "running", 10000, 5000, 0, 20000);
	update(&p, "running", 10000, 5010, 0, 21000);
	assert_true(cli_progress_rate(&p, 21000) == 10);
	cli_progress_free(&p);
}

TEST(cli_progress_survives_more_updates_than_it_keeps)
{
	struct cli_progress p;

	cli_progress_init(&p, "id", "p");
	for (int i = 0; i <= 1000; i++)
		update(&p, "running", 1000, i, 0, i * 10);
	assert_true(cli_progress_rate(&p, 10000) > 99 && cli_progress_rate(&p, 10000) < 101);
	assert_int_equal(cli_progress_done(&p), 1000);
	cli_progress_free(&p);
}

TEST(cli_progress_line_is_the_same_for_the_same_counts)
{
	struct cli_progress p;
	scoped(buf_free) struct buf b = { 0 };

	cli_progress_init(&p, "0190", "p");
	assert_true(update(&p, "running", 20, 11, 1, 5));
	assert_false(update(&p, "running", 20, 11, 1, 6));
	cli_progress_line(&p, &b);
	assert_string_equal(b.text, "0190 running 12/20  1 failed");
	cli_progress_free(&p);
}

TEST(cli_progress_note_is_shown_until_the_next_change_and_cannot_move_the_cursor)
{
	struct cli_progress p;
	json_t *told = json_loads("{\"what\":\"loading model clip\\u001b[2J/image\",\"bytes\":3145728}", 0, NULL);
	scoped(buf_free) struct buf line = { 0 }, bar = { 0 };

	cli_progress_init(&p, "0190", "p");
	update(&p, "running", 4, 1, 0, 5);
	cli_progress_note(&p, told);
	json_decref(told);
	cli_progress_note_line(&p, &line);
	assert_non_null(strstr(line.text, "0190 loading model clip"));
	assert_non_null(strstr(line.text, "(3.0 MiB)"));
	assert_null(strchr(line.text, '\033'));
	cli_progress_bar(&p, &ascii, 6, &bar);
	assert_non_null(strstr(bar.text, "1/4  25%  loading model clip"));
	update(&p, "running", 4, 2, 0, 7);
	assert_null(p.note);
	cli_progress_free(&p);
}
