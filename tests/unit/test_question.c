/* test_question.c - what a slot asks of a model, and whether the model fits. */
#include "question.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct question q;
static struct err err;

static int read_it(const char *format, size_t file)
{
	scoped(json_decref_p) json_t *said = json_loads(format, 0, NULL);
	int fd = memfd_create("tensors", MFD_CLOEXEC);

	assert_non_null(said);
	assert_int_equal(ftruncate(fd, (off_t)file), 0);
	q = (struct question){ .fd = -1 };
	return question_read(said, &fd, &q, &err);
}

static void fails(const char *text, size_t file, const char *words)
{
	assert_int_equal(read_it(text, file), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	if (!strstr(err.msg, words))
		fail_msg("'%s' has no '%s'", err.msg, words);
}

#define INFER(inputs) "{\"do\":\"infer\",\"name\":\"m\",\"path\":\"/m\",\"outputs\":[\"y\"],\"inputs\":[" inputs "]}"
#define INPUT(name, type, shape, bytes) "{\"name\":\"" name "\",\"datatype\":\"" type "\",\"shape\":" shape ",\"bytes\":" #bytes "}"

static struct port port(const char *name, const char *type, size_t rank, int64_t first, int64_t second)
{
	struct port p = { .type = dtype_named(type), .rank = rank, .shape = { first, second } };

	snprintf(p.name, sizeof p.name, "%s", name);
	return p;
}

static struct signature two(void)
{
	return (struct signature){ .nin = 2, .nout = 2, .in = { port("a", "FP32", 2, -1, 4), port("b", "INT64", 1, -1, 0) },
		.out = { port("y", "FP32", 2, -1, 4), port("words", "BYTES", 1, -1, 0) } };
}

TEST(question_reads_what_is_asked)
{
	assert_int_equal(read_it("{\"do\":\"infer\",\"name\":\"clip/image\",\"path\":\"/m/v.onnx\",\"alone\":true,\"max_batch\":4,"
		"\"outputs\":[\"y\"],\"inputs\":[" INPUT("b", "INT64", "[3]", 24) "," INPUT("a", "FP32", "[3,4]", 48) "]}", 72), 0);
	assert_true(q.is_infer && q.is_alone && q.max_batch == 4 && q.nin == 2 && q.nout == 1 && q.rows == 3);
	assert_int_equal(q.in[1].offset, 24);
	question_done(&q);
	assert_int_equal(read_it("{\"do\":\"describe\",\"name\":\"m\",\"path\":\"/m\"}", 0), 0);
	assert_false(q.is_infer);
	question_done(&q);
}

TEST(question_names_a_model_as_long_as_cards_may)
{
	char text[600], name[129];

	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	snprintf(text, sizeof text, "{\"do\":\"describe\",\"name\":\"%s/%s/%.32s\",\"path\":\"/m\"}", name, name, name);
	if (read_it(text, 0) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(strlen(q.name), 2 * 129 + 32);
	question_done(&q);
}

TEST(question_refuses_sizes_that_do_not_add_up)
{
	fails(INFER(INPUT("x", "FP32", "[2,2]", 15)), 100, "takes 16 bytes, it says 15");
	fails(INFER(INPUT("x", "FP32", "[2,2]", 16)), 15, "has 15 bytes, the shapes say 16");
	fails(INFER(INPUT("x", "FP32", "[2147483647,2147483647,2147483647,2147483647]", 0)), 0, "at most 67108864 bytes are allowed");
	fails(INFER(INPUT("x", "FP64", "[67108864]", 536870912)), 0, "at most 67108864 bytes are allowed");
	fails(INFER(INPUT("x", "UINT8", "[60000000]", 60000000) "," INPUT("z", "UINT8", "[60000000]", 60000000)), 0,
		"the inputs have 120000000 bytes");
	fails(INFER(INPUT("x", "BYTES", "[1]", 5)), 5, "of the type 'BYTES'");
	fails(INFER(INPUT("x", "FP32", "[-1]", 4)), 5, "dimension 0 is no size");
	fails("{\"do\":\"infer\",\"name\":\"m\",\"path\":\"m\"}", 0, "named no model");
	fails("{\"do\":\"run\"}", 0, "known are describe and infer");
}

TEST(question_is_sorted_as_the_model_wants_it)
{
	const struct signature s = two();

	assert_int_equal(read_it(INFER(INPUT("b", "INT64", "[3]", 24) "," INPUT("a", "FP32", "[3,4]", 48)), 72), 0);
	assert_int_equal(question_check(&q, &s, &err), 0);
	assert_string_equal(q.in[0].name, "a");
	assert_int_equal(q.in[0].offset, 24);
	question_done(&q);
}

TEST(question_that_does_not_fit_the_model_names_both_sides)
{
	const struct signature s = two();

	assert_int_equal(read_it(INFER(INPUT("a", "FP32", "[3,5]", 60)), 60), 0);
	assert_int_equal(question_check(&q, &s, &err), -1);
	assert_string_equal(err.msg, "model 'm': it was given the input 'a' FP32 [3,5], it takes 'a' FP32 [-1,4]");
	question_done(&q);
	assert_int_equal(read_it(INFER(INPUT("a", "FP32", "[3,4]", 48)), 60), 0);
	assert_int_equal(question_check(&q, &s, &err), -1);
	assert_string_equal(err.msg, "model 'm': it was not given its input 'b' INT64 [-1]");
	question_done(&q);
	assert_int_equal(read_it(INFER(INPUT("a", "FP32", "[3,4]", 48) "," INPUT("a", "FP32", "[3,4]", 48)), 96), 0);
	assert_int_equal(question_check(&q, &s, &err), -1);
	assert_non_null(strstr(err.msg, "'a' twice"));
	question_done(&q);
}

TEST(question_for_an_input_without_a_shape_says_so)
{
	struct signature s = two();

	s.in[port_find(s.in, s.nin, "a")].rank = 0;
	assert_int_equal(read_it(INFER(INPUT("a", "FP32", "[3,4]", 48)), 48), 0);
	assert_int_equal(question_check(&q, &s, &err), -1);
	assert_non_null(strstr(err.msg, "it takes 'a' FP32 []: a single value, or an input that the model's file gives no shape"));
	question_done(&q);
}

TEST(question_without_outputs_wants_all_and_text_is_none_to_be_had)
{
	const struct signature s = two();

	assert_int_equal(read_it("{\"do\":\"infer\",\"name\":\"m\",\"path\":\"/m\",\"inputs\":[" INPUT("b", "INT64", "[0]", 0) ","
		INPUT("a", "FP32", "[0,4]", 0) "]}", 0), 0);
	assert_int_equal(question_check(&q, &s, &err), -1);
	assert_non_null(strstr(err.msg, "gives the output 'words' as BYTES"));
	assert_int_equal(q.nout, 2);
	question_done(&q);
}

TEST(question_bytes_of_bool_are_0_and_1)
{
	static const unsigned char given[] = { 0, 1, 2, 255 };
	unsigned char got[4];

	assert_int_equal(read_it(INFER(INPUT("a", "BOOL", "[4]", 4)), 4), 0);
	assert_int_equal(pwrite(q.fd, given, sizeof given, 0), sizeof given);
	assert_int_equal(question_bytes(&q, 0, got, &err), 0);
	assert_memory_equal(got, ((unsigned char[]){ 0, 1, 1, 1 }), 4);
	assert_int_equal(ftruncate(q.fd, 2), 0);
	assert_int_equal(question_bytes(&q, 0, got, &err), -1);
	question_done(&q);
}

TEST(signature_takes_batches_when_the_first_axis_is_free_under_one_name)
{
	struct signature s = two();

	assert_false(signature_batches(&s));            /* text */
	s.nout = 1;
	assert_true(signature_batches(&s));
	snprintf(s.in[0].axis, sizeof s.in[0].axis, "images");
	assert_false(signature_batches(&s));
	for (size_t i = 0; i < 2; i++)
		snprintf(s.in[i].axis, sizeof s.in[i].axis, "N");
	assert_false(signature_batches(&s));
	snprintf(s.out[0].axis, sizeof s.out[0].axis, "N");
	assert_true(signature_batches(&s));
	s.out[0].shape[0] = 1;
	assert_false(signature_batches(&s));
}
