#include "picture.h"
#include "studio.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Black on white, or as the colours say, with as much around it as a page has. */
static VipsImage *written(const char *text, const char *font, double ink, double paper)
{
	VipsImage *mask, *wide, *out;

	studio_start();
	if (vips_text(&mask, text, "font", font, "dpi", 72, NULL))
		fail_msg("%s", vips_error_buffer());
	assert_int_equal(vips_embed(mask, &wide, 60, 40, mask->Xsize + 120, mask->Ysize + 80, NULL), 0);
	assert_int_equal(vips_linear1(wide, &out, (ink - paper) / 255, paper, "uchar", TRUE, NULL), 0);
	image_unref(mask);
	image_unref(wide);
	mask = vips_image_copy_memory(out);
	image_unref(out);
	mask->Type = VIPS_INTERPRETATION_B_W;
	return mask;
}

static json_t *ocr(const char *params, int fd)
{
	struct shot s = { 0 };
	json_t *data;

	studio_run(&s, "ocr", params, fd, NULL);
	if (s.result < 0)
		fail_msg("%s", s.err.msg);
	data = json_incref(s.data);
	studio_done(&s);
	return data;
}

static const char *text_of(const json_t *data)
{
	return json_string_value(json_object_get(data, "text"));
}

static double number(const json_t *list, size_t i)
{
	return json_number_value(json_array_get(list, i));
}

TEST(ocr_reads_lines_and_says_where_they_are)
{
	json_t *data = ocr("{}", studio_file(written("The harbour opens\nat seven o'clock", "DejaVu Sans 32", 10, 245), "a.png"));
	json_t *items = json_object_get(data, "items"), *second = json_array_get(items, 1), *box = json_object_get(second, "box");

	assert_string_equal(text_of(data), "The harbour opens\nat seven o'clock");
	assert_int_equal(json_array_size(items), 2);
	assert_string_equal(json_string_value(json_object_get(second, "label")), "at seven o'clock");
	assert_int_equal(json_integer_value(json_object_get(second, "line")), 1);
	assert_true(json_number_value(json_object_get(second, "score")) > 0.7);
	assert_true(fabs(number(box, 0) - 60) < 6 && number(box, 1) > 60 && number(box, 3) > 15 && number(box, 3) < 50);
	assert_int_equal(json_array_size(json_object_get(second, "points")), 4);
	assert_string_equal(json_string_value(json_array_get(json_object_get(data, "langs"), 0)), "eng");
	json_decref(data);
}

TEST(ocr_reads_words_when_they_are_asked_for)
{
	json_t *data = ocr("{\"level\":\"word\",\"psm\":\"block\",\"langs\":[\"en\"]}",
		studio_file(written("seven ships", "DejaVu Sans 40", 10, 245), "a.png")), *items = json_object_get(data, "items");

	assert_int_equal(json_array_size(items), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(items, 1), "label")), "ships");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(items, 1), "line")), 0);
	assert_string_equal(text_of(data), "seven ships");
	json_decref(data);
}

TEST(ocr_enlarges_small_letters)
{
	json_t *data = ocr("{}", studio_file(written("a small line of letters to be read", "DejaVu Sans 11", 10, 245), "a.png"));

	assert_string_equal(text_of(data), "a small line of letters to be read");
	assert_true(number(json_object_get(json_array_get(json_object_get(data, "items"), 0), "box"), 2) < 250);
	json_decref(data);
}

TEST(ocr_cuts_the_text_but_not_the_items)
{
	json_t *data = ocr("{\"max_chars\":5}", studio_file(written("seven ships", "DejaVu Sans 40", 10, 245), "a.png"));

	assert_string_equal(text_of(data), "seven");
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(data, "items"), 0), "label")), "seven ships");
	json_decref(data);
}

TEST(ocr_reads_pictures_that_lie_on_their_side)
{
	VipsImage *upright = written("seven ships", "DejaVu Sans 40", 10, 245), *turned;
	int width = upright->Xsize;
	json_t *data;

	assert_int_equal(vips_rot(upright, &turned, VIPS_ANGLE_D270, NULL), 0);
	data = ocr("{}", studio_file(studio_turned(turned, 6), "a.jpg"));
	assert_string_equal(text_of(data), "seven ships");
	assert_int_equal(json_integer_value(json_object_get(data, "width")), width);
	image_unref(upright);
	json_decref(data);
}

TEST(ocr_gives_sloping_lines_their_corners)
{
	VipsImage *upright = written("seven ships in the harbour", "DejaVu Sans 32", 10, 245), *sloping;
	double angle = -4, dx, dy;
	json_t *data, *points;

	assert_int_equal(vips_rotate(upright, &sloping, angle, "background", vips_array_double_newv(1, 245.0), NULL), 0);
	image_unref(upright);
	data = ocr("{}", studio_file(sloping, "a.png"));
	assert_string_equal(text_of(data), "seven ships in the harbour");
	points = json_object_get(json_array_get(json_object_get(data, "items"), 0), "points");
	dx = number(json_array_get(points, 1), 0) - number(json_array_get(points, 0), 0);
	dy = number(json_array_get(points, 1), 1) - number(json_array_get(points, 0), 1);
	assert_true(fabs(atan2(dy, dx) * 180 / 3.14159265 - angle) < 0.7);
	dy = number(json_array_get(points, 3), 1) - number(json_array_get(points, 0), 1);
	assert_true(dy > 20 && dy < 50);
	json_decref(data);
}

TEST(ocr_reads_light_letters_on_a_picture)
{
	VipsImage *photo = studio_photo(700, 300), *mask, *out;
	json_t *data;

	assert_int_equal(vips_text(&mask, "Welcome home", "font", "DejaVu Sans Bold 60", "dpi", 72, NULL), 0);
	assert_int_equal(vips_draw_mask(photo, (double[]){ 255, 255, 255 }, 3, mask, 140, 100, NULL), 0);
	image_unref(mask);
	assert_int_equal(vips_copy(photo, &out, NULL), 0);
	image_unref(photo);
	data = ocr("{\"psm\":\"photo\"}", studio_file(out, "a.png"));
	assert_string_equal(text_of(data), "Welcome home");
	json_decref(data);
}

TEST(ocr_of_nothing_to_read_is_empty)
{
	static const char *const modes[] = { "auto", "page", "block", "sparse", "photo" };

	for (size_t i = 0; i < countof(modes); i++) {
		scoped(free_p) char *params = xasprintf("{\"psm\":\"%s\"}", modes[i]);
		json_t *data = ocr(params, studio_file(studio_plain(200, 100, 255, 255, 255), "a.png"));

		assert_string_equal(text_of(data), "");
		assert_int_equal(json_array_size(json_object_get(data, "items")), 0);
		json_decref(data);
		data = ocr(params, studio_file(studio_plain(1, 1, 0, 0, 0), "b.png"));
		assert_string_equal(text_of(data), "");
		json_decref(data);
	}
}

TEST(ocr_reads_16_bits_and_over_alpha)
{
	VipsImage *page = written("seven ships", "DejaVu Sans 40", 0, 255), *wide, *alpha, *joined;
	json_t *data;

	assert_int_equal(vips_linear1(page, &wide, 257, 0, NULL), 0);
	assert_int_equal(vips_cast(wide, &joined, VIPS_FORMAT_USHORT, NULL), 0);
	joined->Type = VIPS_INTERPRETATION_GREY16;
	image_unref(wide);
	data = ocr("{}", studio_file(joined, "wide.png"));
	assert_string_equal(text_of(data), "seven ships");
	json_decref(data);
	assert_int_equal(vips_linear1(page, &alpha, -1, 255, "uchar", TRUE, NULL), 0);  /* the paper is transparent */
	assert_int_equal(vips_bandjoin2(page, alpha, &joined, NULL), 0);
	image_unref(page);
	image_unref(alpha);
	data = ocr("{}", studio_file(joined, "alpha.png"));
	assert_string_equal(text_of(data), "seven ships");
	json_decref(data);
}

TEST(ocr_without_a_languages_data_says_what_to_install)
{
	struct shot s = { 0 };

	studio_run(&s, "ocr", "{\"langs\":[\"ja\",\"xx_none\"]}", studio_file(studio_plain(20, 20, 1, 1, 1), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "xx_none.traineddata is not there; Debian's package tesseract-ocr-xx-none"));
	studio_done(&s);
}

TEST(ocr_of_data_that_is_none_says_so_and_the_next_page_is_read)
{
	struct shot s = { 0 };
	json_t *data;
	int fd = studio_bytes("x", 1);

	(void)fd;
	close(fd);
	assert_int_equal(vips_image_write_to_file(written("x", "DejaVu Sans 20", 0, 255), test_path("eng.png"), NULL), 0);
	assert_int_equal(rename(test_path("eng.png"), test_path("eng.traineddata")), 0);
	setenv("TESSDATA_PREFIX", test_dir(), 1);
	studio_run(&s, "ocr", "{}", studio_file(studio_plain(20, 20, 1, 1, 1), "a.png"), NULL);
	unsetenv("TESSDATA_PREFIX");
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "Tesseract does not take the data for eng in "));
	studio_done(&s);
	data = ocr("{}", studio_file(written("seven ships", "DejaVu Sans 40", 10, 245), "a.png"));
	assert_string_equal(text_of(data), "seven ships");
	json_decref(data);
}
