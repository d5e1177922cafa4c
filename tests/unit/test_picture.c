/* test_picture.c - every picture comes out upright, sRGB, its first page; what is broken is refused with a reason. */
#include "picture.h"
#include "studio.h"
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Opens and loads, and closes fd. */
static VipsImage *load(int fd)
{
	struct picture p = { 0 };
	VipsImage *image = NULL;
	struct err err;

	if (picture_open_fd(fd, 100000000, &p, &err) < 0 || picture_load(&p, true, &image, &err) < 0)
		fail_msg("%s", err.msg);
	picture_close(&p);
	close(fd);
	return image;
}

static struct err open_error(int fd, size_t max_pixels)
{
	struct picture p = { 0 };
	struct err err = { 0 };

	assert_int_equal(picture_open_fd(fd, max_pixels, &p, &err), -1);
	close(fd);
	return err;
}

TEST(picture_header_tells_size_and_format)
{
	struct picture p = { 0 };
	struct err err;
	int fd = studio_file(studio_photo(120, 80), "a.webp");

	assert_int_equal(picture_open_fd(fd, 1000000, &p, &err), 0);
	assert_int_equal(p.width, 120);
	assert_int_equal(p.height, 80);
	assert_int_equal(p.pages, 1);
	assert_string_equal(p.format, "webp");
	assert_string_equal(p.origin, "webp");
	picture_close(&p);
	close(fd);
}

TEST(picture_over_the_pixel_budget_is_refused_with_the_numbers)
{
	struct err err = open_error(studio_file(studio_photo(120, 80), "a.png"), 9599);

	assert_int_equal(err.kind, ERR_REJECT);
	assert_non_null(strstr(err.msg, "120 x 80 x 1 page = 9600 pixels, at most 9599"));
}

TEST(picture_budget_counts_every_page)
{
	VipsImage *film = studio_photo(20, 50);
	struct err err;

	vips_image_set_int(film, VIPS_META_PAGE_HEIGHT, 10);
	err = open_error(studio_file(film, "a.webp[lossless]"), 999);
	assert_non_null(strstr(err.msg, "20 x 10 x 5 pages = 1000 pixels"));
}

/* The first time its header's decoder goes on; then there has to be another. */
TEST(picture_can_be_read_more_than_once)
{
	static const char *const names[] = { "a.jpg", "a.png", "a.webp", "a.tif", "a.gif" };

	for (size_t i = 0; i < countof(names); i++) {
		int fd = studio_file(studio_turned(studio_photo(60, 40), 6), names[i]);
		VipsImage *images[3];
		struct picture p = { 0 };
		struct err err;

		assert_int_equal(picture_open_fd(fd, 1000000, &p, &err), 0);
		for (size_t k = 0; k < countof(images); k++)
			assert_int_equal(picture_load(&p, true, &images[k], &err), 0);
		assert_int_equal(p.header->Xsize, 60);
		assert_int_equal(vips_image_get_orientation(p.header), p.orientation);
		picture_close(&p);
		close(fd);
		for (size_t k = countof(images); k-- > 0;) {
			assert_true(studio_difference(images[0], images[k]) == 0);
			image_unref(images[k]);
		}
	}
}

TEST(picture_can_be_read_as_a_whole_after_it_was_shrunk)
{
	int fd = studio_file(studio_photo(600, 400), "a.jpg");
	struct picture_box box = { 100, 100, VIPS_SIZE_DOWN, VIPS_INTERESTING_NONE, false };
	VipsImage *small, *whole, *again;
	struct picture p = { 0 };
	struct err err;

	assert_int_equal(picture_open_fd(fd, 1000000, &p, &err), 0);
	assert_int_equal(picture_shrink(&p, &box, 1, &small, &err), 0);
	image_unref(small);
	assert_int_equal(picture_load(&p, true, &whole, &err), 0);
	assert_int_equal(picture_load(&p, true, &again, &err), 0);
	assert_true(studio_difference(whole, again) == 0);
	image_unref(whole);
	image_unref(again);
	picture_close(&p);
	close(fd);
}

TEST(picture_that_is_none_is_refused)
{
	static const char *const texts[] = {
		"hello", "", "2 2\n1 2\n3 4\n", "%PDF-1.4\n", "P6 1 1 255\nabc",
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><rect width=\"9\" height=\"9\"/></svg>",
	};

	for (size_t i = 0; i < countof(texts); i++) {
		struct err err = open_error(studio_bytes(texts[i], strlen(texts[i])), 1000000);

		assert_int_equal(err.kind, ERR_REJECT);
		assert_non_null(strstr(err.msg, "not a picture of a known format"));
	}
}

/* The first `part` of its bytes. */
static int cut(int fd, double part)
{
	off_t n = lseek(fd, 0, SEEK_END);
	size_t keep = (size_t)((double)n * part);
	char *bytes = xcalloc(keep, 1);
	int shorter;

	assert_int_equal(pread(fd, bytes, keep, 0), keep);
	close(fd);
	shorter = studio_bytes(bytes, keep);
	free(bytes);
	return shorter;
}

TEST(picture_cut_short_is_refused_in_one_line)
{
	static const char *const names[] = { "a.jpg", "a.png", "a.webp", "a.tif" };

	for (size_t i = 0; i < countof(names); i++) {
		int fd = cut(studio_file(studio_photo(300, 200), names[i]), 0.6);
		struct picture p = { 0 };
		VipsImage *image = NULL;
		struct err err;
		int r = picture_open_fd(fd, 1000000, &p, &err);

		if (r == 0)
			r = picture_load(&p, true, &image, &err);
		if (r == 0)
			fail_msg("%s was decoded", names[i]);
		assert_int_equal(err.kind, ERR_REJECT);
		assert_int_equal(strncmp(err.msg, "cannot", 6), 0);
		assert_null(strchr(err.msg, '\n'));
		picture_close(&p);
		close(fd);
	}
}

TEST(picture_is_turned_upright)
{
	for (int orientation = 1; orientation <= 8; orientation++) {
		VipsImage *want, *turned = studio_turned(studio_photo(60, 40), orientation), *got;

		assert_int_equal(vips_autorot(turned, &want, NULL), 0);
		got = load(studio_file(turned, "a.tif"));
		assert_int_equal(got->Xsize, orientation < 5 ? 60 : 40);
		assert_true(studio_difference(got, want) == 0);
		assert_int_equal(vips_image_get_orientation(got), 1);
		image_unref(want);
		image_unref(got);
	}
}

TEST(picture_header_size_is_of_the_upright_picture)
{
	int fd = studio_file(studio_turned(studio_photo(60, 40), 6), "a.jpg");
	struct picture p = { 0 };
	struct err err;

	assert_int_equal(picture_open_fd(fd, 1000000, &p, &err), 0);
	assert_int_equal(p.width, 40);
	assert_int_equal(p.height, 60);
	assert_int_equal(p.orientation, 6);
	picture_close(&p);
	close(fd);
}

TEST(picture_in_cmyk_becomes_srgb)
{
	VipsImage *photo = studio_photo(80, 60), *got = load(studio_file(studio_cmyk(80, 60), "a.tif"));

	assert_int_equal(got->Type, VIPS_INTERPRETATION_sRGB);
	assert_int_equal(got->Bands, 3);
	assert_int_equal(got->BandFmt, VIPS_FORMAT_UCHAR);
	assert_true(studio_psnr(photo, got) > 20);      /* inks have fewer colours */
	image_unref(photo);
	image_unref(got);
}

TEST(picture_with_a_profile_becomes_srgb)
{
	VipsImage *photo = studio_photo(80, 60), *p3, *got;

	assert_int_equal(vips_icc_transform(photo, &p3, "p3", "input_profile", "srgb", NULL), 0);
	assert_true(studio_difference(photo, p3) > 5);
	got = load(studio_file(p3, "a.png"));
	assert_true(studio_psnr(photo, got) > 40);
	image_unref(photo);
	image_unref(got);
}

TEST(picture_with_a_broken_profile_is_taken_as_it_is)
{
	VipsImage *photo = studio_photo(80, 60), *copy, *got;

	assert_int_equal(vips_copy(photo, &copy, NULL), 0);
	vips_image_set_blob_copy(copy, VIPS_META_ICC_NAME, "no profile", 10);
	got = load(studio_file(copy, "a.tif"));
	assert_true(studio_difference(photo, got) == 0);
	assert_int_equal(vips_image_get_typeof(got, VIPS_META_ICC_NAME), 0);
	image_unref(photo);
	image_unref(got);
}

TEST(picture_of_16_bits_stays_one)
{
	VipsImage *wide = studio_wide(80, 60), *got;

	g_object_ref(wide);
	got = load(studio_file(wide, "a.png"));
	assert_int_equal(got->BandFmt, VIPS_FORMAT_USHORT);
	assert_true(studio_difference(wide, got) == 0);
	image_unref(wide);
	image_unref(got);
}

TEST(picture_in_grey_stays_grey)
{
	VipsImage *got = load(studio_file(studio_grey(80, 60), "a.png"));

	assert_int_equal(got->Bands, 1);
	assert_int_equal(got->Type, VIPS_INTERPRETATION_B_W);
	image_unref(got);
}

TEST(picture_of_an_animation_is_its_first)
{
	VipsImage *film = studio_photo(30, 60), *first, *got, *colours;

	assert_int_equal(vips_crop(film, &first, 0, 0, 30, 20, NULL), 0);
	vips_image_set_int(film, VIPS_META_PAGE_HEIGHT, 20);
	got = load(studio_file(film, "a.webp[lossless]"));
	assert_int_equal(got->Ysize, 20);
	assert_int_equal(vips_extract_band(got, &colours, 0, "n", 3, NULL), 0);
	assert_true(studio_difference(first, colours) == 0);
	image_unref(colours);
	image_unref(first);
	image_unref(got);
}

TEST(picture_input_is_the_first_artifact_that_is_one)
{
	struct picture p = { 0 };
	struct err err;
	struct job_input inputs[] = {
		{ .fd = -1, .media_type = "image/png" },
		{ .fd = studio_bytes("a,b", 3), .media_type = "text/csv" },
		{ .fd = studio_file(studio_photo(9, 8), "a.tif"), .media_type = "image/tiff", .origin = "jpeg" },
	};
	struct runner_job job = { .inputs = inputs, .ninputs = 3, .max_pixels = 1000 };

	assert_int_equal(picture_open(&job, &p, &err), 0);
	assert_string_equal(p.format, "tiff");
	assert_string_equal(p.origin, "jpeg");
	picture_close(&p);
	job.ninputs = 2;
	assert_int_equal(picture_open(&job, &p, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_non_null(strstr(err.msg, "no picture among the 2 inputs"));
	close(inputs[1].fd);
	close(inputs[2].fd);
}

TEST(picture_file_that_cannot_be_read_may_work_later)
{
	struct picture p = { 0 };
	struct err err;
	int pipes[2];

	studio_start();
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(picture_open_fd(pipes[0], 1000, &p, &err), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	close(pipes[0]);
	close(pipes[1]);
}
