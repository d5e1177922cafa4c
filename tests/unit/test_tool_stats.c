#include "studio.h"
#include "picture.h"
#include "test.h"

#include <math.h>
#include <unistd.h>

static double number(const json_t *data, const char *list, size_t i)
{
	return json_number_value(json_array_get(json_object_get(data, list), i));
}

TEST(stats_tells_each_band_of_a_plain_picture)
{
	struct shot s = { 0 };

	studio_run(&s, "stats", "{}", studio_file(studio_plain(30, 20, 10, 20, 30), "a.png"), NULL);
	assert_int_equal(s.result, 0);
	assert_int_equal(json_integer_value(json_object_get(s.data, "width")), 30);
	assert_int_equal(json_integer_value(json_object_get(s.data, "height")), 20);
	assert_int_equal(json_integer_value(json_object_get(s.data, "bands")), 3);
	for (size_t i = 0; i < 3; i++) {
		double want = 10.0 * (double)(i + 1);

		assert_true(number(s.data, "min", i) == want && number(s.data, "max", i) == want);
		assert_true(number(s.data, "mean", i) == want && number(s.data, "deviation", i) == 0);
	}
	assert_int_equal(s.n, 0);
	studio_done(&s);
}

TEST(stats_are_those_of_vips_and_of_the_stored_pixels)
{
	VipsImage *images[] = { studio_photo(90, 70), studio_wide(90, 70), studio_cmyk(90, 70) };

	for (size_t i = 0; i < countof(images); i++) {
		struct shot s = { 0 };
		double mean, deviation;
		VipsImage *band;

		assert_int_equal(vips_extract_band(images[i], &band, 1, NULL), 0);
		assert_int_equal(vips_avg(band, &mean, NULL), 0);
		assert_int_equal(vips_deviate(band, &deviation, NULL), 0);
		image_unref(band);
		studio_run(&s, "stats", "{}", studio_file(images[i], "a.tif"), NULL);
		assert_int_equal(s.result, 0);
		assert_true(fabs(number(s.data, "mean", 1) - mean) < 1e-6);
		assert_true(fabs(number(s.data, "deviation", 1) - deviation) < 1e-6);
		studio_done(&s);
	}
}

TEST(stats_of_a_shrunk_picture_have_its_size)
{
	struct shot s = { 0 };

	studio_run(&s, "stats", "{\"size\":40}", studio_file(studio_photo(400, 200), "a.jpg"), NULL);
	assert_int_equal(s.result, 0);
	assert_int_equal(json_integer_value(json_object_get(s.data, "width")), 40);
	assert_int_equal(json_integer_value(json_object_get(s.data, "height")), 20);
	studio_done(&s);
}

TEST(stats_of_a_broken_picture_are_refused)
{
	struct shot s = { 0 };
	char bytes[3000];
	int fd = studio_file(studio_photo(300, 200), "a.jpg");

	assert_int_equal(pread(fd, bytes, sizeof bytes, 0), sizeof bytes);
	close(fd);
	studio_run(&s, "stats", "{}", studio_bytes(bytes, sizeof bytes), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	studio_done(&s);
}
