/* test_picture_fit.c - steps that share a picture give the same bytes whichever of them decoded it, and when. */
#include "decoded.h"
#include "picture.h"
#include "studio.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHARED "{\"steps\":9,\"fit\":[{\"width\":200,\"height\":200},{\"width\":90,\"height\":60,\"cover\":true}]}"
#define ALL    "{\"steps\":9}"

static const struct step {
	const char *tool, *params, *shared;
} steps[] = {
	{ "resize", "{\"width\":200,\"height\":200,\"format\":\"png\"}", SHARED },
	{ "thumbnail", "{\"width\":90,\"height\":60,\"fit\":\"cover\",\"format\":\"png\"}", SHARED },
	{ "thumbnail", "{\"sizes\":[{\"width\":100},{\"width\":30}],\"format\":\"png\"}", SHARED },
	{ "smartcrop", "{\"width\":40,\"height\":40,\"format\":\"png\"}", SHARED },
	{ "stats", "{\"size\":32}", SHARED },
	{ "phash", "{}", SHARED },
	{ "convert", "{\"format\":\"png\"}", ALL },
	{ "rotate", "{\"angle\":90,\"format\":\"png\"}", ALL },
	{ "crop", "{\"left\":30,\"top\":20,\"width\":300,\"height\":200,\"format\":\"png\"}", ALL },
	{ "resize", "{\"width\":120,\"kernel\":\"cubic\",\"format\":\"png\"}", ALL },
	{ "stats", "{}", ALL },
};

static VipsImage *with_profile(VipsImage *take_image)
{
	VipsImage *image;

	assert_int_equal(vips_icc_export(take_image, &image, "output_profile", "p3", NULL), 0);
	image_unref(take_image);
	return image;
}

static VipsImage *frames(VipsImage *take_image)
{
	VipsImage *image;

	assert_int_equal(vips_replicate(take_image, &image, 1, 3, NULL), 0);
	image_unref(take_image);
	return image;
}

enum { KINDS = 12 };

static const char *const digests[KINDS] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11" };

static int make(int i)
{
	switch (i) {
	case 0: return studio_file(studio_photo(851, 553), "a.jpg");
	case 1: return studio_file(studio_photo(850, 550), "a.jpg[interlace]");
	case 2: return studio_file(studio_turned(studio_photo(551, 853), 6), "a.jpg");
	case 3: return studio_file(studio_cmyk(850, 550), "a.jpg");
	case 4: return studio_file(studio_grey(850, 550), "a.jpg");
	case 5: return studio_file(with_profile(studio_photo(850, 550)), "a.jpg");
	case 6: return studio_file(studio_with_alpha(420, 300), "a.png");
	case 7: return studio_file(studio_wide(420, 300), "a.png");
	case 8: return studio_file(studio_with_alpha(420, 300), "a.webp");
	case 9: return studio_file(studio_photo(420, 300), "a.webp");
	case 10: return studio_file(frames(studio_photo(420, 300)), "a.gif[page_height=300]");
	default: return studio_file(studio_photo(420, 300), "a.tif");
	}
}

static int made[KINDS];

/* Each is made once. */
static int kind(int i)
{
	int fd;

	if (!made[i])
		made[i] = make(i);
	fd = dup(made[i]);
	assert_true(fd >= 0);
	return fd;
}

static void forget(void)
{
	for (int i = 0; i < KINDS; i++) {
		if (made[i])
			close(made[i]);
		made[i] = 0;
	}
	decoded_drop_all();
}

/* The texts, sizes and bytes of all it gave. */
static char *run(const struct step *step, int i, bool is_shared)
{
	struct shot s = { .digest = digests[i], .shared = is_shared ? step->shared : NULL };
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
	char block[4096], *text, *data;
	ssize_t n;

	studio_run(&s, step->tool, step->params, kind(i), NULL);
	if (s.result < 0)
		fail_msg("%s of kind %d: %s", step->tool, i, s.err.msg);
	for (int k = 0; k < s.n; k++) {
		lseek(s.outs[k].fd, 0, SEEK_SET);
		while ((n = read(s.outs[k].fd, block, sizeof block)) > 0)
			g_checksum_update(sum, (unsigned char *)block, n);
	}
	data = s.data ? json_dumps(s.data, JSON_SORT_KEYS) : NULL;
	text = xasprintf("%d %s %s", s.n, g_checksum_get_string(sum), data ? data : "");
	free(data);
	g_checksum_free(sum);
	studio_done(&s);
	return text;
}

/* Alone, nothing is there: that is the step retried on another machine. Then in a row, backwards, so that each finds what
 * the one before left. */
TEST(picture_that_is_shared_gives_the_same_bytes_in_whatever_order)
{
	for (int i = 0; i < KINDS; i++) {
		char *alone[countof(steps)];

		for (size_t k = 0; k < countof(steps); k++) {
			decoded_drop_all();
			alone[k] = run(&steps[k], i, true);
		}
		decoded_drop_all();
		for (size_t at = countof(steps); at-- > 0;) {
			scoped(free_p) char *again = run(&steps[at], i, true);

			if (strcmp(alone[at], again) != 0)
				fail_msg("kind %d, %s %s:\n%s\n%s", i, steps[at].tool, steps[at].params, alone[at], again);
		}
		for (size_t k = 0; k < countof(steps); k++)
			free(alone[k]);
	}
	forget();
}

/* Only decoders that make it smaller have a choice. */
TEST(picture_without_a_scale_gives_the_same_bytes_shared_or_not)
{
	static const int lossless[] = { 6, 7, 10, 11 };

	for (size_t n = 0; n < countof(lossless); n++)
		for (size_t k = 0; k < countof(steps); k++) {
			scoped(free_p) char *shared = run(&steps[k], lossless[n], true);
			scoped(free_p) char *not = run(&steps[k], lossless[n], false);

			assert_string_equal(shared, not);
		}
	for (int i = 0; i < KINDS; i++)
		for (size_t k = 6; k < countof(steps); k++) {
			scoped(free_p) char *shared = run(&steps[k], i, true);
			scoped(free_p) char *not = run(&steps[k], i, false);

			assert_string_equal(shared, not);
		}
	forget();
}

/* 850 to 200 is a half for the decoder, and for a small one it is halved in memory: nobody sees it. (Where smartcrop looks may
 * turn on less.) */
TEST(picture_that_is_shared_looks_as_if_it_were_not)
{
	for (int i = 0; i < 6; i++)
		for (size_t k = 0; k < 3; k++) {
			struct shot a = { .digest = digests[i], .shared = SHARED }, b = { 0 };
			VipsImage *one, *other;

			studio_run(&a, steps[k].tool, steps[k].params, kind(i), NULL);
			studio_run(&b, steps[k].tool, steps[k].params, kind(i), NULL);
			one = studio_output(&a, 0);
			other = studio_output(&b, 0);
			if (!(studio_psnr(one, other) > 30))
				fail_msg("%s of kind %d: %.1f dB", steps[k].tool, i, studio_psnr(one, other));
			image_unref(one);
			image_unref(other);
			studio_done(&a);
			studio_done(&b);
		}
	forget();
}

TEST(picture_is_kept_for_as_many_steps_as_share_it)
{
	struct shot s = { .digest = "d", .shared = "{\"steps\":2,\"fit\":[{\"width\":200,\"height\":200}]}" };

	decoded_drop_all();
	for (int i = 0; i < 2; i++) {
		s.n = 0;
		studio_run(&s, "phash", "{}", kind(0), NULL);
		assert_int_equal(decoded_is_any(), i == 0);
		studio_done(&s);
		s.data = NULL;
	}
	s = (struct shot){ .digest = "d" };             /* who shares with nobody leaves nothing */
	studio_run(&s, "phash", "{}", kind(0), NULL);
	assert_false(decoded_is_any());
	studio_done(&s);
	s = (struct shot){ .shared = SHARED };          /* nor what cannot be told from others */
	studio_run(&s, "phash", "{}", kind(0), NULL);
	assert_false(decoded_is_any());
	studio_done(&s);
	forget();
}

/* Whoever broke it, or made the envelope: the worst is a decode of one's own. */
TEST(picture_shared_by_nonsense_is_decoded_all_the_same)
{
	static const char *const odd[] = { "{}", "[]", "7", "{\"steps\":-1}", "{\"steps\":1e9}", "{\"steps\":2,\"fit\":7}",
		"{\"steps\":2,\"fit\":[7,{},{\"width\":0,\"height\":-1},{\"width\":1e99,\"height\":1},{\"width\":99999999999,\"height\":1}]}" };
	scoped(free_p) char *want = run(&(struct step){ "phash", "{}", NULL }, 0, false);

	for (size_t i = 0; i < countof(odd); i++) {
		struct shot s = { .digest = "d", .shared = odd[i] };

		studio_run(&s, "phash", "{}", kind(0), NULL);
		assert_int_equal(s.result, 0);
		assert_non_null(strstr(want, json_string_value(json_object_get(s.data, "phash"))));
		studio_done(&s);
		decoded_drop_all();
	}
}

/* What is broken fails in each step, and is not kept. */
TEST(picture_that_is_broken_is_broken_for_all_who_share_it)
{
	char bytes[20000];

	for (size_t k = 0; k < countof(steps); k++) {
		struct shot s = { .digest = "broken", .shared = steps[k].shared };
		int fd = kind(0);
		ssize_t n = pread(fd, bytes, sizeof bytes, 0);

		assert_int_equal(n, sizeof bytes);
		close(fd);
		studio_run(&s, steps[k].tool, steps[k].params, studio_bytes(bytes, sizeof bytes), NULL);
		assert_int_equal(s.result, -1);
		assert_int_equal(s.err.kind, ERR_REJECT);
		assert_false(decoded_is_any());
		studio_done(&s);
	}
	forget();
}

/* Else it would be a matter of luck whether a step that needs too much is refused. */
TEST(picture_that_is_kept_already_is_admitted_as_if_it_were_not)
{
	struct shot s = { .digest = "d", .shared = SHARED };
	size_t first = 0;

	decoded_drop_all();
	for (int i = 0; i < 2; i++) {
		s.n = 0;
		s.asked_memory = 0;
		studio_run(&s, "phash", "{}", studio_file(studio_photo(1600, 1200), "a.jpg[interlace]"), NULL);
		assert_int_equal(s.result, 0);
		assert_true(decoded_is_any());
		if (i == 0)
			first = s.asked_memory;
		studio_done(&s);
		s.data = NULL;
	}
	assert_true(first > 0);
	assert_int_equal(s.asked_memory, first);
	forget();
}
