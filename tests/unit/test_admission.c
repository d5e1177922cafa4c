/* test_admission.c - how much memory a step is said to take. What it takes is measured in tests/integration. */
#include "admission.h"
#include "studio.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MEGA 1000000.0

static double estimate(struct admission a)
{
	a.width = 4000;
	a.height = 3000;
	a.bands = a.bands ? a.bands : 3;
	a.band_bytes = a.band_bytes ? a.band_bytes : 1;
	a.shrink = a.shrink > 0 ? a.shrink : 1;
	return admission_bytes(&a) / MEGA;
}

#define ESTIMATE(...) estimate((struct admission){ __VA_ARGS__ })

TEST(admission_of_a_stream_does_not_grow_with_the_height)
{
	double low = ESTIMATE(.format = "png");
	struct admission tall = { .format = "png", .width = 4000, .height = 60000, .bands = 3, .band_bytes = 1, .shrink = 1 };

	assert_true(low < 25);
	assert_true(admission_bytes(&tall) / MEGA < 25);
}

TEST(admission_counts_a_copy_when_pixels_are_read_in_any_order)
{
	assert_true(ESTIMATE(.format = "png", .is_whole = true) - ESTIMATE(.format = "png") > 35.9);
	assert_true(ESTIMATE(.format = "png", .band_bytes = 2, .is_whole = true) > 72);
}

TEST(admission_is_divided_by_what_the_decoder_shrinks)
{
	double full = ESTIMATE(.format = "jpeg", .is_resized = true), eighth = ESTIMATE(.format = "jpeg", .is_resized = true, .shrink = 8);

	assert_true(full > 36);
	assert_true(eighth < 15);
	assert_true(ESTIMATE(.format = "webp", .is_resized = true, .shrink = 16) < 15);
	/* It is shrunk after it was decoded. */
	assert_true(ESTIMATE(.format = "webp", .is_lossless = true, .is_resized = true, .shrink = 16) > 48);
	assert_true(ESTIMATE(.format = "jpeg", .is_interlaced = true, .is_resized = true, .shrink = 8) > 72);
	assert_true(ESTIMATE(.format = "gif", .is_resized = true, .shrink = 8) > 96);
}

TEST(admission_counts_what_the_saver_holds)
{
	double plain = ESTIMATE(.format = "png");

	assert_true(ESTIMATE(.format = "png", .result_pixels = 12e6, .saver = 28) - plain > 335.9);
}

/* The worker's side of the question. */
struct scene {
	struct runner_ctx ctx;
	unsigned asked;
	size_t bytes;
	char what[160];
	bool refuses;
};

static int note(struct runner_ctx *ctx, size_t bytes, const char *what, struct err *err)
{
	struct scene *s = (struct scene *)ctx;

	s->asked++;
	s->bytes = bytes;
	snprintf(s->what, sizeof s->what, "%s", what);
	return s->refuses ? err_set(err, ERR_REJECT, "too large") : 0;
}

static struct scene load(int fd, bool refuses)
{
	struct scene s = { .ctx = { .memory = note }, .refuses = refuses };
	const struct job_input in = { .fd = fd, .media_type = "image/png" };
	struct runner_job job = { .tool = "rotate", .params = json_object(), .inputs = &in, .ninputs = 1, .max_pixels = 1000000000,
		.ctx = &s.ctx };
	struct picture p = { 0 };
	VipsImage *image = NULL;
	struct err err;

	assert_int_equal(picture_open(&job, &p, &err), 0);
	assert_int_equal(s.asked, 0);
	assert_int_equal(picture_load(&p, true, &image, &err), refuses ? -1 : 0);
	if (refuses)
		assert_string_equal(err.msg, "too large");
	else
		image_unref(image);
	picture_close(&p);
	json_decref((json_t *)(uintptr_t)job.params);
	close(fd);
	return s;
}

TEST(admission_is_asked_for_once_with_the_numbers_of_the_header)
{
	struct scene s = load(studio_file(studio_photo(300, 200), "a.png"), false);

	assert_int_equal(s.asked, 1);
	assert_string_equal(s.what, "300 x 200 x 1 page x 3 bands = 180000 bytes");
	assert_true(s.bytes >= 2 * 180000);
	s = load(studio_file(studio_wide(300, 200), "a.png"), false);
	assert_string_equal(s.what, "300 x 200 x 1 page x 3 bands x 2 bytes = 360000 bytes");
}

TEST(admission_that_is_refused_ends_the_step_before_anything_is_decoded)
{
	struct scene s = load(studio_file(studio_photo(300, 200), "a.jpg"), true);

	assert_int_equal(s.asked, 1);
}

TEST(admission_of_many_pages_counts_the_one_that_is_decoded)
{
	VipsImage *film = studio_photo(20, 50);
	struct scene s;

	vips_image_set_int(film, VIPS_META_PAGE_HEIGHT, 10);
	s = load(studio_file(film, "a.webp[lossless]"), false);
	assert_non_null(strstr(s.what, "20 x 10 x 1 page of 5 x "));
}
