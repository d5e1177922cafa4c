#include "scrfd.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64 };                     /* cells: 8 x 8, 4 x 4, 2 x 2, with two anchors each */

static const int64_t counts[] = { 128, 32, 8 }, widths[] = { 1, 4, 10 };
static float values[9][1280];
static struct tensor outs[9];           /* scores of three strides, boxes, landmarks */

static void set_up(void)
{
	memset(values, 0, sizeof values);
	for (size_t i = 0; i < 9; i++) {
		outs[i] = (struct tensor){ .is = { .datatype = "FP32", .rank = 2, .shape = { counts[i % 3], widths[i / 3] } },
			.bytes = values[i], .size = (size_t)(counts[i % 3] * widths[i / 3]) * sizeof(float) };
		snprintf(outs[i].is.name, sizeof outs[i].is.name, "o%zu", i);
	}
}

/* Anchor `at` of a stride sees a face of 2 to the left, 1 up, 3 to the right, 4 down, and landmarks k and -k away. */
static void put(size_t stride, size_t at, float score)
{
	const float box[] = { 2, 1, 3, 4 };

	values[stride][at] = score;
	memcpy(&values[3 + stride][at * 4], box, sizeof box);
	for (size_t k = 0; k < 5; k++) {
		values[6 + stride][at * 10 + 2 * k] = (float)k;
		values[6 + stride][at * 10 + 2 * k + 1] = -(float)k;
	}
}

static size_t faces(struct face **ret)
{
	struct err err;
	size_t n = 0;

	if (scrfd_faces(outs, SIDE, SIDE, 0.5, ret, &n, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

TEST(scrfd_counts_from_the_cells_corner_in_strides)
{
	scoped(free_p) struct face *f = NULL;

	set_up();
	put(1, (2 * 4 + 3) * 2 + 1, 0.75f);     /* the second anchor of row 2, column 3, of stride 16: at 48,32 */
	put(1, 0, 0.49f);
	assert_int_equal(faces(&f), 1);
	assert_float_equal(f->box.left, 48 - 32, 0);
	assert_float_equal(f->box.top, 32 - 16, 0);
	assert_float_equal(f->box.right, 48 + 48, 0);
	assert_float_equal(f->box.bottom, 32 + 64, 0);
	assert_float_equal(f->box.score, 0.75, 0);
	assert_float_equal(f->points[0][0], 48, 0);
	assert_float_equal(f->points[4][0], 48 + 64, 0);
	assert_float_equal(f->points[4][1], 32 - 64, 0);
}

TEST(scrfd_finds_its_outputs_by_their_shapes_in_any_order)
{
	scoped(free_p) struct face *f = NULL;

	set_up();
	put(0, 0, 0.9f);
	put(2, 7, 0.9f);
	for (size_t i = 0; i < 4; i++) {
		struct tensor t = outs[i];

		outs[i] = outs[8 - i];
		outs[8 - i] = t;
	}
	outs[2].is = (struct tensor_type){ .datatype = "FP32", .rank = 3, .shape = { 1, outs[2].is.shape[0], outs[2].is.shape[1] } };
	assert_int_equal(faces(&f), 2);
	assert_float_equal(f[0].box.left, -16, 0);
	assert_float_equal(f[1].box.left, 32 - 64, 0);
}

TEST(scrfd_refuses_what_is_none_and_names_it)
{
	struct err err;
	struct face *f = NULL;
	size_t n;

	set_up();
	outs[4].is.shape[1] = 5;
	assert_int_equal(scrfd_faces(outs, SIDE, SIDE, 0.5, &f, &n, &err), -1);
	assert_non_null(strstr(err.msg, "'o4' FP32 [32,5]"));
	assert_non_null(strstr(err.msg, "128, 32 and 8"));
	set_up();
	outs[1] = outs[0];                      /* twice the same */
	assert_int_equal(scrfd_faces(outs, SIDE, SIDE, 0.5, &f, &n, &err), -1);
	set_up();
	outs[8].size -= 4;
	assert_int_equal(scrfd_faces(outs, SIDE, SIDE, 0.5, &f, &n, &err), -1);
	assert_non_null(strstr(err.msg, "316 bytes, its shape needs 320"));
	set_up();
	values[5][1] = NAN;
	assert_int_equal(scrfd_faces(outs, SIDE, SIDE, 0.5, &f, &n, &err), -1);
	assert_non_null(strstr(err.msg, "no number"));
	set_up();
	values[7][3] = -1e30f;
	assert_int_equal(scrfd_faces(outs, SIDE, SIDE, 0.5, &f, &n, &err), -1);
	assert_non_null(strstr(err.msg, "no picture is so large"));
	set_up();
	values[0][3] = 4;
	assert_int_equal(scrfd_faces(outs, SIDE, SIDE, 0.5, &f, &n, &err), -1);
	assert_non_null(strstr(err.msg, "no probability"));
	assert_int_equal(err.kind, ERR_REJECT);
}

/* Two boxes of 10 x 10, 5 apart: 50 of 150 without, 66 of 176 with the pixel more (11 x 11, 6 x 11 both). */
TEST(faces_suppress_counts_sides_one_pixel_longer_and_keeps_the_best_first)
{
	struct face f[] = {
		{ .box = { 0, 0, 10, 10, 0.6f, 0 } },
		{ .box = { 5, 0, 15, 10, 0.9f, 0 } },
		{ .box = { 100, 0, 110, 10, 0.7f, 0 } },
	};
	struct face g[3];

	memcpy(g, f, sizeof g);
	assert_int_equal(faces_suppress(g, 3, 0.37, 100), 2);
	assert_float_equal(g[0].box.score, 0.9, 1e-6);
	assert_float_equal(g[1].box.score, 0.7, 1e-6);
	memcpy(g, f, sizeof g);
	assert_int_equal(faces_suppress(g, 3, 0.38, 100), 3);
	memcpy(g, f, sizeof g);
	assert_int_equal(faces_suppress(g, 3, 0.38, 2), 2);
	assert_float_equal(g[1].box.left, 100, 0);
	assert_int_equal(faces_suppress(g, 0, 0.4, 2), 0);
}
