#include "picture.h"
#include "studio.h"
#include "test.h"

#include <string.h>

TEST(thumbnail_makes_many_sizes_in_order)
{
	struct shot s = { 0 };

	studio_run(&s, "thumbnail", "{\"sizes\":[{\"width\":100},{\"name\":\"icon\",\"width\":32,\"fit\":\"cover\",\"format\":\"png\"},"
		"{\"width\":64,\"height\":10}]}", studio_file(studio_photo(900, 600), "a.jpg"), NULL);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.outs[0].name, "100x100");
	assert_int_equal(s.outs[0].width, 100);
	assert_int_equal(s.outs[0].height, 67);
	assert_string_equal(s.outs[0].media_type, "image/jpeg");
	assert_string_equal(s.outs[1].name, "icon");
	assert_int_equal(s.outs[1].width, 32);
	assert_int_equal(s.outs[1].height, 32);
	assert_string_equal(s.outs[1].media_type, "image/png");
	assert_string_equal(s.outs[2].name, "64x10");
	assert_int_equal(s.outs[2].width, 15);
	studio_done(&s);
}

TEST(thumbnail_without_sizes_makes_one_of_250)
{
	struct shot s = { 0 };

	studio_run(&s, "thumbnail", "{}", studio_file(studio_photo(900, 600), "a.jpg"), NULL);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.outs[0].name, "250x250");
	assert_int_equal(s.outs[0].width, 250);
	studio_done(&s);
}

TEST(thumbnail_gives_the_pixels_of_vips_thumbnail)
{
	static const char *const names[] = { "a.jpg", "a.png", "a.webp" };

	for (size_t i = 0; i < countof(names); i++) {
		struct shot s = { 0 };
		const char *path = test_path(names[i]);
		int fd = studio_file(studio_photo(1700, 1100), names[i]);
		VipsImage *want, *got;

		assert_int_equal(vips_thumbnail(path, &want, 120, "height", 90, "crop", VIPS_INTERESTING_CENTRE, NULL), 0);
		studio_run(&s, "thumbnail", "{\"width\":120,\"height\":90,\"fit\":\"cover\",\"format\":\"png\"}", fd, NULL);
		got = studio_output(&s, 0);
		assert_true(studio_difference(want, got) == 0);
		image_unref(want);
		image_unref(got);
		studio_done(&s);
	}
}

/* By the simplest means. */
static VipsImage *halved(VipsImage *from)
{
	int width = from->Xsize / 2, height = from->Ysize / 2, bands = from->Bands;
	uint8_t *to = g_malloc((size_t)(width * height * bands));
	VipsImage *image, *copy;

	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++)
			for (int k = 0; k < bands; k++) {
				int sum = 0;

				for (int i = 0; i < 4; i++)
					sum += VIPS_IMAGE_ADDR(from, 2 * x + i % 2, 2 * y + i / 2)[k];
				to[(y * width + x) * bands + k] = (uint8_t)((sum + 2) / 4);
			}
	image = vips_image_new_from_memory_copy(to, (size_t)(width * height * bands), width, height, bands, VIPS_FORMAT_UCHAR);
	g_free(to);
	assert_int_equal(vips_copy(image, &copy, "interpretation", from->Type, NULL), 0);
	g_object_unref(image);
	return copy;
}

/* The decoder shrinks as far as the largest size allows; the smaller ones come from the same pixels, halved as far as the
 * decoder would have shrunk for them, and look the same (a photograph's over 50 dB, this is half noise). */
TEST(thumbnail_makes_all_sizes_from_one_decode)
{
	static const int sides[] = { 200, 60, 20 };
	struct shot s = { 0 };
	const char *path = test_path("a.jpg");
	int fd = studio_file(studio_photo(1700, 1100), "a.jpg");
	VipsImage *lazy, *base, *half, *want, *alone, *got;

	assert_int_equal(vips_jpegload(path, &lazy, "shrink", 4, NULL), 0);
	base = vips_image_copy_memory(lazy);
	image_unref(lazy);
	half = halved(base);
	studio_run(&s, "thumbnail", "{\"sizes\":[{\"width\":200},{\"width\":60},{\"width\":20}],\"format\":\"png\"}", fd, NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vips_thumbnail_image(i ? half : base, &want, sides[i], NULL), 0);
		assert_int_equal(vips_thumbnail(path, &lazy, sides[i], NULL), 0);
		alone = vips_image_copy_memory(lazy);
		image_unref(lazy);
		got = studio_output(&s, i);
		assert_true(studio_difference(want, got) == 0);
		assert_true(studio_psnr(alone, got) > 30);
		image_unref(alone);
		image_unref(want);
		image_unref(got);
	}
	image_unref(half);
	image_unref(base);
	studio_done(&s);
}

TEST(thumbnail_of_a_lossless_picture_is_exact_in_every_size)
{
	static const int sides[] = { 200, 60, 20 };
	struct shot s = { 0 };
	const char *path = test_path("a.png");
	int fd = studio_file(studio_turned(studio_with_alpha(700, 500), 6), "a.png");
	VipsImage *want, *got;

	studio_run(&s, "thumbnail", "{\"sizes\":[{\"width\":200},{\"width\":60},{\"width\":20}]}", fd, NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vips_thumbnail(path, &want, sides[i], NULL), 0);
		got = studio_output(&s, i);
		assert_true(studio_difference(want, got) == 0);
		image_unref(want);
		image_unref(got);
	}
	studio_done(&s);
}

TEST(thumbnail_enlarges_unless_told_not_to)
{
	struct shot s = { 0 }, t = { 0 };

	studio_run(&s, "thumbnail", "{\"width\":100}", studio_file(studio_photo(50, 40), "a.png"), NULL);
	assert_int_equal(s.outs[0].width, 100);
	studio_run(&t, "thumbnail", "{\"width\":100,\"enlarge\":false}", studio_file(studio_photo(50, 40), "a.png"), NULL);
	assert_int_equal(t.outs[0].width, 50);
	studio_done(&s);
	studio_done(&t);
}

TEST(thumbnail_refuses_two_sizes_of_one_name)
{
	struct shot s = { 0 };

	studio_run(&s, "thumbnail", "{\"sizes\":[{\"width\":10},{\"width\":10}]}", studio_file(studio_photo(50, 40), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "'10x10'"));
	studio_done(&s);
}

TEST(thumbnail_that_fails_says_which)
{
	struct shot s = { .full_disk = true };

	studio_run(&s, "thumbnail", "{\"sizes\":[{\"width\":10,\"name\":\"icon\"},{\"width\":20}]}", studio_file(studio_photo(50, 40), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_int_equal(strncmp(s.err.msg, "thumbnail 'icon': ", 18), 0);
	studio_done(&s);
}
