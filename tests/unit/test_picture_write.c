/* test_picture_write.c - results are in the format that their reader needs, with all that fits into it. */
#include "picture.h"
#include "picture_write.h"
#include "studio.h"
#include "test.h"

#include <string.h>
#include <unistd.h>

static void expect_format(const char *params, int fd, const char *origin, bool final, const char *loader, const char *media)
{
	struct shot s = { .not_final = !final };

	studio_run(&s, "convert", params, fd, origin);
	assert_string_equal(studio_loader(&s, 0), loader);
	assert_string_equal(s.outs[0].media_type, media);
	assert_string_equal(s.outs[0].name, "picture");
	studio_done(&s);
}

TEST(write_auto_keeps_the_format_of_the_origin)
{
	expect_format("{}", studio_file(studio_photo(40, 30), "a.jpg"), NULL, true, "jpegload_source", "image/jpeg");
	expect_format("{}", studio_file(studio_photo(40, 30), "a.png"), NULL, true, "pngload_source", "image/png");
	expect_format("{}", studio_file(studio_photo(40, 30), "a.webp"), NULL, true, "webpload_source", "image/webp");
	expect_format("{}", studio_file(studio_photo(40, 30), "a.tif"), NULL, true, "tiffload_source", "image/tiff");
	expect_format("{}", studio_file(studio_photo(40, 30), "a.tif"), "jpeg", true, "jpegload_source", "image/jpeg");
	expect_format("{}", studio_file(studio_photo(40, 30), "a.tif"), "gif", true, "pngload_source", "image/png");
	expect_format("{}", studio_file(studio_photo(40, 30), "a.tif"), "heif", true, "jpegload_source", "image/jpeg");
	expect_format("{}", studio_file(studio_with_alpha(40, 30), "a.tif"), "heif", true, "pngload_source", "image/png");
}

TEST(write_auto_for_other_steps_is_plain_tiff)
{
	struct shot s = { .not_final = true };
	VipsImage *wide = studio_wide(40, 30), *got;

	g_object_ref(wide);
	studio_run(&s, "convert", "{}", studio_file(wide, "a.png"), "jpeg");
	got = studio_output(&s, 0);
	assert_true(studio_difference(wide, got) == 0);
	assert_string_equal(s.outs[0].media_type, "image/tiff");
	assert_string_equal(s.outs[0].origin, "jpeg");
	image_unref(wide);
	image_unref(got);
	studio_done(&s);
}

TEST(write_named_format_wins_for_other_steps_too)
{
	expect_format("{\"format\":\"webp\"}", studio_file(studio_photo(40, 30), "a.jpg"), NULL, false, "webpload_source", "image/webp");
	expect_format("{\"format\":\"jpeg\"}", studio_file(studio_photo(40, 30), "a.png"), NULL, true, "jpegload_source", "image/jpeg");
}

TEST(write_lays_alpha_over_the_background_where_it_has_no_room)
{
	struct shot s = { 0 };
	VipsImage *got;
	double *pixel;
	int n;

	studio_run(&s, "convert", "{\"format\":\"jpeg\",\"quality\":95,\"background\":\"#0000ff\"}",
		studio_file(studio_with_alpha(64, 48), "a.png"), NULL);
	got = studio_output(&s, 0);
	assert_int_equal(got->Bands, 3);
	assert_int_equal(vips_getpoint(got, &pixel, &n, 8, 24, NULL), 0);
	assert_true(pixel[0] < 12 && pixel[1] < 12 && pixel[2] > 243);
	g_free(pixel);
	image_unref(got);
	studio_done(&s);
}

TEST(write_keeps_alpha_where_it_fits)
{
	static const char *const formats[] = { "png", "webp", "tiff" };

	for (size_t i = 0; i < countof(formats); i++) {
		struct shot s = { 0 };
		scoped(free_p) char *params = xasprintf("{\"format\":\"%s\"}", formats[i]);
		VipsImage *got;

		studio_run(&s, "convert", params, studio_file(studio_with_alpha(64, 48), "a.png"), NULL);
		got = studio_output(&s, 0);
		assert_int_equal(got->Bands, 4);
		image_unref(got);
		studio_done(&s);
	}
}

TEST(write_keeps_16_bits_where_they_fit)
{
	static const struct { const char *params; VipsBandFormat depth; } cases[] = {
		{ "{\"format\":\"png\"}", VIPS_FORMAT_USHORT }, { "{\"format\":\"tiff\"}", VIPS_FORMAT_USHORT },
		{ "{\"format\":\"jpeg\",\"quality\":98}", VIPS_FORMAT_UCHAR },
		{ "{\"format\":\"webp\",\"lossless\":true}", VIPS_FORMAT_UCHAR },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct shot s = { 0 };
		VipsImage *photo = studio_photo(64, 48), *got;

		studio_run(&s, "convert", cases[i].params, studio_file(studio_wide(64, 48), "a.png"), NULL);
		got = studio_output(&s, 0);
		assert_int_equal(got->BandFmt, cases[i].depth);
		if (cases[i].depth == VIPS_FORMAT_UCHAR)
			assert_true(studio_psnr(photo, got) > 30);
		image_unref(photo);
		image_unref(got);
		studio_done(&s);
	}
}

TEST(write_of_16_bits_with_alpha_lays_it_over_the_same_colour)
{
	struct shot s = { 0 };
	VipsImage *rgba = studio_with_alpha(64, 48), *wide, *got;
	double *pixel;
	int n;

	assert_int_equal(vips_colourspace(rgba, &wide, VIPS_INTERPRETATION_RGB16, NULL), 0);
	image_unref(rgba);
	studio_run(&s, "convert", "{\"format\":\"jpeg\",\"quality\":95,\"background\":\"#00ff00\"}", studio_file(wide, "a.png"), NULL);
	got = studio_output(&s, 0);
	assert_int_equal(vips_getpoint(got, &pixel, &n, 8, 24, NULL), 0);
	assert_true(pixel[0] < 12 && pixel[1] > 243 && pixel[2] < 12);
	g_free(pixel);
	image_unref(got);
	studio_done(&s);
}

static bool has_artist(const char *params)
{
	struct shot s = { 0 };
	VipsImage *photo = studio_photo(64, 48), *copy, *got;
	bool has;

	assert_int_equal(vips_copy(photo, &copy, NULL), 0);
	image_unref(photo);
	vips_image_set_string(copy, "exif-ifd0-Artist", "Somebody (Somebody, ASCII, 9 components, 9 bytes)");
	studio_run(&s, "convert", params, studio_file(copy, "a.jpg"), NULL);
	got = studio_output(&s, 0);
	has = vips_image_get_typeof(got, "exif-ifd0-Artist") != 0;
	image_unref(got);
	studio_done(&s);
	return has;
}

TEST(write_leaves_metadata_out_unless_asked)
{
	assert_false(has_artist("{}"));
	assert_true(has_artist("{\"keep_metadata\":true}"));
}

TEST(write_quality_changes_the_size)
{
	off_t sizes[2];

	for (int i = 0; i < 2; i++) {
		struct shot s = { 0 };

		studio_run(&s, "convert", i ? "{\"quality\":95}" : "{\"quality\":30}", studio_file(studio_photo(200, 150), "a.jpg"), NULL);
		assert_int_equal(s.result, 0);
		sizes[i] = lseek(s.outs[0].fd, 0, SEEK_END);
		studio_done(&s);
	}
	assert_true(sizes[1] > 2 * sizes[0]);
}

TEST(write_to_a_full_disk_may_work_later)
{
	static const char *const formats[] = { "jpeg", "png", "webp", "tiff" };

	for (size_t i = 0; i < countof(formats); i++) {
		struct shot s = { .full_disk = true };
		scoped(free_p) char *params = xasprintf("{\"format\":\"%s\"}", formats[i]);

		studio_run(&s, "convert", params, studio_file(studio_photo(200, 150), "a.png"), NULL);
		assert_int_equal(s.result, -1);
		assert_int_equal(s.err.kind, ERR_RETRY);
		assert_non_null(strstr(s.err.msg, "No space left on device"));
		studio_done(&s);
	}
}

TEST(write_fails_as_the_store_does)
{
	struct shot s = { .fail_open = true };

	studio_run(&s, "convert", "{}", studio_file(studio_photo(20, 15), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_RETRY);
	assert_string_equal(s.err.msg, "no room for results");
	studio_done(&s);
}

TEST(write_refuses_what_the_format_cannot_hold)
{
	struct shot s = { 0 };

	studio_run(&s, "convert", "{\"format\":\"webp\"}", studio_file(studio_plain(16384, 2, 1, 2, 3), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "16384 x 2 pixels, a webp picture can have 16383"));
	studio_done(&s);
}

TEST(write_of_a_broken_picture_is_never_tried_again)
{
	struct shot s = { 0 };
	char bytes[4000];
	int fd = studio_file(studio_photo(300, 200), "a.png");

	assert_int_equal(pread(fd, bytes, sizeof bytes, 0), sizeof bytes);
	close(fd);
	studio_run(&s, "convert", "{}", studio_bytes(bytes, sizeof bytes), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_int_equal(s.n, 0);
	studio_done(&s);
}

TEST(ink_has_a_value_for_each_band)
{
	VipsImage *photo = studio_photo(2, 2), *wide = studio_wide(2, 2), *grey = studio_grey(2, 2), *alpha = studio_with_alpha(2, 2);
	double ink[4];

	assert_int_equal(picture_ink(photo, "#ff8000", ink), 3);
	assert_true(ink[0] == 255 && ink[1] == 128 && ink[2] == 0);
	assert_int_equal(picture_ink(wide, "#ff8000", ink), 3);
	assert_true(ink[0] == 65535 && ink[2] == 0);
	assert_int_equal(picture_ink(grey, "#ffffff", ink), 1);
	assert_true(ink[0] == 255);
	assert_int_equal(picture_ink(alpha, "#ff800080", ink), 4);
	assert_true(ink[3] == 128);
	image_unref(photo);
	image_unref(wide);
	image_unref(grey);
	image_unref(alpha);
}
