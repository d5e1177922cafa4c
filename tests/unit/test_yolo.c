/* test_yolo.c - tensors are written value by value as the exports lay them out, and read back. */
#include "test.h"
#include "yolo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct yolo_want all = { .score = 0.25, .iou = 0.45, .most = 100 };

static struct tensor make(int64_t a, int64_t b)
{
	struct tensor t = { .is = { .name = "output0", .datatype = "FP32", .rank = 3, .shape = { 1, a, b } } };

	t.size = (size_t)a * (size_t)b * sizeof(float);
	t.bytes = xcalloc(1, t.size);
	return t;
}

static float *at(struct tensor *t, int64_t row, int64_t column)
{
	return (float *)t->bytes + row * t->is.shape[2] + column;
}


static void put_v5(struct tensor *t, int row, const float box[4], float objectness, int class, float p)
{
	for (int i = 0; i < 4; i++)
		*at(t, row, i) = box[i];
	*at(t, row, 4) = objectness;
	*at(t, row, 5 + class) = p;
}

static void put_v8(struct tensor *t, int column, const float box[4], int class, float p)
{
	for (int i = 0; i < 4; i++)
		*at(t, i, column) = box[i];
	*at(t, 4 + class, column) = p;
}

static void fails(const struct tensor *t, const char *says)
{
	struct box *boxes = NULL;
	struct err err;
	size_t n;

	assert_int_equal(yolo_boxes(t, &all, &boxes, &n, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	if (!strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
}

TEST(yolo_v5_scores_are_objectness_times_class_and_boxes_are_centred)
{
	struct tensor t = make(20, 8);
	struct box *b = NULL;
	struct err err;
	size_t n;

	put_v5(&t, 3, (float[]){ 100, 50, 40, 20 }, 0.8f, 2, 0.5f);
	put_v5(&t, 4, (float[]){ 300, 60, 10, 30 }, 0.5f, 0, 0.4f);     /* 0.2: too little */
	put_v5(&t, 5, (float[]){ 200, 60, 10, 30 }, 0.9f, 1, 1.0f);
	*at(&t, 5, 5) = 0.3f;                                          /* a second class that counts less */
	assert_int_equal(yolo_boxes(&t, &all, &b, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_float_equal((double)b[0].score, 0.9, 1e-6);
	assert_int_equal(b[0].class, 1);
	assert_float_equal((double)b[0].left, 195, 1e-6);
	assert_float_equal((double)b[0].bottom, 75, 1e-6);
	assert_float_equal((double)b[1].score, 0.4, 1e-6);
	assert_int_equal(b[1].class, 2);
	assert_float_equal((double)b[1].left, 80, 1e-6);
	assert_float_equal((double)b[1].top, 40, 1e-6);
	assert_float_equal((double)b[1].right, 120, 1e-6);
	assert_float_equal((double)b[1].bottom, 60, 1e-6);
	free(b);
	tensor_done(&t);
}

TEST(yolo_v8_is_turned_and_has_no_objectness)
{
	struct tensor t = make(7, 20);
	struct box *b = NULL;
	struct err err;
	size_t n;

	put_v8(&t, 11, (float[]){ 100, 50, 40, 20 }, 2, 0.75f);
	put_v8(&t, 12, (float[]){ 101, 50, 40, 20 }, 2, 0.7f);          /* the same thing again: 39 of 41 shared */
	put_v8(&t, 13, (float[]){ 101, 50, 40, 20 }, 1, 0.6f);
	put_v8(&t, 19, (float[]){ 400, 50, 4, 2 }, 0, 0.24f);
	assert_int_equal(yolo_boxes(&t, &all, &b, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_float_equal((double)b[0].score, 0.75, 1e-6);
	assert_int_equal(b[0].class, 2);
	assert_float_equal((double)b[0].left, 80, 1e-6);
	assert_float_equal((double)b[0].bottom, 60, 1e-6);
	assert_int_equal(b[1].class, 1);
	free(b);
	tensor_done(&t);
}

TEST(yolo_with_its_own_suppression_gives_corners)
{
	struct tensor t = make(300, 6);
	struct box *b = NULL;
	struct err err;
	size_t n, classes = 9;

	memcpy(at(&t, 0, 0), (float[]){ 10, 20, 30, 40, 0.9f, 7 }, 6 * sizeof(float));
	memcpy(at(&t, 1, 0), (float[]){ 10, 20, 30, 40, 0.8f, 7 }, 6 * sizeof(float));
	assert_int_equal(yolo_boxes(&t, &all, &b, &n, &err), 0);
	assert_int_equal(n, 2);         /* the model has decided that both stay */
	assert_int_equal(b[0].class, 7);
	assert_float_equal((double)b[0].right, 30, 1e-6);
	assert_int_equal(yolo_classes(&t.is, &classes, &err), 0);
	assert_int_equal(classes, 0);
	*at(&t, 1, 5) = -3;
	fails(&t, "class");
	free(b);
	tensor_done(&t);
}

TEST(yolo_counts_the_classes_by_the_shape)
{
	struct tensor_type t = { .name = "o", .datatype = "FP32", .rank = 3, .shape = { 1, 25200, 85 } };
	struct err err;
	size_t n;

	assert_int_equal(yolo_classes(&t, &n, &err), 0);
	assert_int_equal(n, 80);
	t.shape[1] = 84, t.shape[2] = 8400;
	assert_int_equal(yolo_classes(&t, &n, &err), 0);
	assert_int_equal(n, 80);
	t.shape[1] = 25200, t.shape[2] = 6;     /* one class, and too many boxes for a finished list */
	assert_int_equal(yolo_classes(&t, &n, &err), 0);
	assert_int_equal(n, 1);
}

TEST(yolo_takes_only_the_wanted_classes_before_it_counts)
{
	struct tensor t = make(7, 20);
	const bool only_2[] = { false, false, true };
	const struct yolo_want want = { .score = 0.25, .iou = 0.45, .most = 1, .classes = only_2, .nclasses = 3 };
	struct box *b = NULL;
	struct err err;
	size_t n;

	put_v8(&t, 1, (float[]){ 100, 50, 40, 20 }, 0, 0.9f);
	put_v8(&t, 2, (float[]){ 200, 50, 40, 20 }, 2, 0.5f);
	assert_int_equal(yolo_boxes(&t, &want, &b, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(b[0].class, 2);
	free(b);
	tensor_done(&t);
}

TEST(yolo_other_shapes_are_named_beside_what_is_allowed)
{
	struct tensor t = make(20, 20);

	fails(&t, "'output0' FP32 [1,20,20]; a YOLO model gives FP32 [1,boxes,5+classes]");
	t.is.shape[1] = 4, t.is.shape[2] = 100;
	fails(&t, "[1,4,100]");
	t.is.shape[1] = 100, t.is.shape[2] = 5;
	fails(&t, "[1,100,5]");
	t.is.shape[1] = 20, t.is.shape[2] = 0;
	fails(&t, "[1,20,0]");
	t.is.shape[1] = 100, t.is.shape[2] = 4, t.is.shape[0] = 2;
	fails(&t, "[2,100,4]");
	t.is.rank = 2;
	fails(&t, "[2,100]");
	tensor_done(&t);
	t = make(84, 8400);
	memcpy(t.is.datatype, "FP16", 5);
	fails(&t, "FP16");
	tensor_done(&t);
}

TEST(yolo_nonsense_values_are_errors)
{
	struct tensor t = make(20, 8);

	*at(&t, 19, 7) = NAN;
	fails(&t, "no number");
	*at(&t, 19, 7) = INFINITY;
	fails(&t, "no number");
	*at(&t, 19, 7) = 0;
	put_v5(&t, 3, (float[]){ 100, 50, 40, 20 }, 3, 2, 5);
	fails(&t, "15, which is no probability");
	put_v5(&t, 3, (float[]){ 100, 50, 40, 20 }, 0.5f, 2, 0.9f);
	t.size -= 4;
	fails(&t, "636 bytes, its shape needs 640");
	tensor_done(&t);
}

TEST(yolo_a_model_that_finds_everything_everywhere_is_refused)
{
	struct tensor t = make(6, 40000);

	for (int i = 0; i < 40000; i++)
		put_v8(&t, i, (float[]){ (float)i, 5, 1, 1 }, 0, 0.5f);
	fails(&t, "more than 30000 boxes");
	tensor_done(&t);
}
