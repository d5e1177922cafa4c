#include "ocr_words.h"
#include "test.h"

#include <math.h>
#include <string.h>

/* One line, of words of the height 20 that are `gap` apart. */
static char *joined(const char *const words[], double gap)
{
	scoped(ocr_words_done) struct ocr_words all = { 0 };
	struct buf text = { 0 };
	struct ocr_line line;
	double x = 0;

	for (; *words; words++) {
		struct ocr_word *w = ocr_words_add(&all, *words);

		w->left = x;
		w->right = x + 30;
		w->bottom = 20;
		w->score = 0.5;
		x += 30 + gap;
	}
	line = ocr_line_at(&all, 0);
	assert_int_equal(line.n, all.n);
	ocr_line_text(&all, &line, &text);
	return buf_take(&text);
}

#define assert_joined(gap, want, ...) do {                                      \
	scoped(free_p) char *text_ = joined((const char *[]){ __VA_ARGS__, NULL }, gap); \
	assert_string_equal(text_, want);                                       \
} while (0)

TEST(ocr_words_of_cjk_have_no_blanks_between_them)
{
	assert_joined(4, "the quick fox", "the", "quick", "fox");
	assert_joined(4, "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002", "\u4eca\u5929", "\u5929\u6c14", "\u5f88", "\u597d", "\u3002");
	assert_joined(4, "\u6771\u4eac\u30bf\u30ef\u30fc", "\u6771\u4eac", "\u30bf\u30ef\u30fc");
	assert_joined(4, "\ud55c\uad6d \uc0ac\ub78c", "\ud55c\uad6d", "\uc0ac\ub78c");
}

TEST(ocr_words_of_cjk_keep_a_gap_that_a_reader_sees)
{
	assert_joined(4, "\u7b2c3\u7ae0", "\u7b2c", "3", "\u7ae0");
	assert_joined(12, "\u4f7f\u7528 Linux \u7cfb\u7edf", "\u4f7f\u7528", "Linux", "\u7cfb\u7edf");
	assert_joined(12, "\u4f7f\u7528\u7cfb\u7edf", "\u4f7f\u7528", "\u7cfb\u7edf");
	assert_joined(25, "\u76ee \u6b21", "\u76ee", "\u6b21");
}

TEST(ocr_words_that_are_unsure_or_blank_are_left_out)
{
	scoped(ocr_words_done) struct ocr_words all = { 0 };
	static const struct {
		const char *text;
		float score;
		size_t line;
	} given[] = { { "one", 0.9f, 1 }, { "two", 0.2f, 1 }, { " ", 0.9f, 2 }, { "three", 0.3f, 3 } };
	struct ocr_line line;

	for (size_t i = 0; i < countof(given); i++) {
		struct ocr_word *w = ocr_words_add(&all, given[i].text);

		w->score = given[i].score;
		w->line = given[i].line;
		w->left = (double)i * 10, w->right = w->left + 9, w->top = 5, w->bottom = 15;
	}
	ocr_words_keep(&all, 0.3f);
	assert_int_equal(all.n, 2);
	assert_string_equal(all.list[1].text, "three");
	line = ocr_line_at(&all, 0);
	assert_int_equal(line.n, 1);
	line = ocr_line_at(&all, 1);
	assert_true(line.left == 30 && line.right == 39);
	ocr_words_scale(&all, 2);
	assert_true(all.list[1].left == 60 && all.list[1].bottom == 30);
}

TEST(ocr_cut_goes_between_characters)
{
	const char *text = "a\u65e5\u672c\U0001f600z";

	assert_int_equal(ocr_cut(text, 0), 0);
	assert_int_equal(ocr_cut(text, 2), 4);
	assert_int_equal(ocr_cut(text, 4), 11);
	assert_int_equal(ocr_cut(text, 100), strlen(text));
	assert_int_equal(ocr_cut("\xff\xfe", 1), 1);
}

TEST(ocr_letters_are_letters_and_digits)
{
	assert_int_equal(ocr_letters("a-1 ."), 2);
	assert_int_equal(ocr_letters("\u65e5\u672c\u3002"), 4);
	assert_int_equal(ocr_letters("\u00e9\u2014\u2022"), 1);
	assert_int_equal(ocr_letters(""), 0);
}

/* What a turned rectangle's bounding box tells of it. */
TEST(ocr_corners_are_those_of_the_sloping_rectangle)
{
	double a = 0.15, w = 300, h = 30, c = cos(a), s = sin(a);
	double box_w = w * c + h * s, box_h = w * s + h * c;
	struct ocr_point p[4];

	ocr_corners(100, 50, 100 + box_w, 50 + box_h, a, 0, p);
	assert_true(fabs(hypot(p[1].x - p[0].x, p[1].y - p[0].y) - w) < 0.01);
	assert_true(fabs(hypot(p[3].x - p[0].x, p[3].y - p[0].y) - h) < 0.01);
	assert_true(fabs(atan2(p[1].y - p[0].y, p[1].x - p[0].x) - a) < 1e-6);
	assert_true(p[0].y < p[1].y && fabs(p[0].x - (100 + h * s)) < 0.01);
}

TEST(ocr_corners_are_the_boxes_where_a_slope_makes_no_sense)
{
	static const double angles[] = { 0, 0.001, 0.78, 3, NAN };
	struct ocr_point p[4];

	for (size_t i = 0; i < countof(angles); i++) {
		ocr_corners(1, 2, 31, 12, angles[i], 0, p);
		assert_true(p[0].x == 1 && p[0].y == 2 && p[2].x == 31 && p[2].y == 12);
	}
	ocr_corners(1, 2, 11, 32, 0.5, 1, p);   /* too narrow for it; and its top is at the right */
	assert_true(p[0].x == 11 && p[0].y == 2 && p[1].x == 11 && p[1].y == 32);
}
