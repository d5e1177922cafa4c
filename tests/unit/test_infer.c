/* test_infer.c - the runner's half of asking for a model: what it sends, and what it does not believe. */
#include "infer.h"
#include "output.h"
#include "test.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct parent {
	struct runner_ctx ctx;
	const char *answer;             /* JSON */
	const void *bytes;              /* that come with it; NULL: no file */
	size_t n;
	json_t *question;
	char sent[64];
	ssize_t nsent;
};

static int hear(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	struct parent *p = (struct parent *)ctx;

	(void)err;
	json_decref(p->question);
	p->question = json_deep_copy(question);
	p->nsent = fd >= 0 ? pread(fd, p->sent, sizeof p->sent, 0) : -1;
	*ret = json_loads(p->answer, 0, NULL);
	assert_non_null(*ret);
	*ret_fd = -1;
	if (p->bytes) {
		*ret_fd = memfd_create("answer", MFD_CLOEXEC);
		assert_int_equal(write(*ret_fd, p->bytes, p->n), p->n);
	}
	return 0;
}

static struct infer_target at = { "triton", "m", "", "2", 0 };
static const char *const want[] = { "o" };

static int run(struct parent *p, const char *answer, const void *bytes, size_t n, struct tensor *out, struct err *err)
{
	float values[] = { 1, 2 };
	struct tensor in[] = {
		{ .is = { .name = "x", .datatype = "FP32", .rank = 2, .shape = { 1, 1 } }, .bytes = &values[0], .size = 4 },
		{ .is = { .name = "y", .datatype = "FP32", .rank = 1, .shape = { 1 } }, .bytes = &values[1], .size = 4 },
	};

	p->ctx.ask = hear;
	p->answer = answer;
	p->bytes = bytes;
	p->n = n;
	return infer_run(&p->ctx, &at, NULL, in, 2, want, out, 1, err);
}

TEST(infer_sends_the_tensors_one_after_the_other_and_cuts_out_the_answer)
{
	struct parent p = { 0 };
	struct tensor out = { 0 };
	struct err err;
	json_t *expected = json_loads("{\"ask\":\"infer\",\"backend\":\"triton\",\"model\":\"m\",\"part\":\"\",\"version\":\"2\",\"inputs\":["
		"{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,1],\"bytes\":4},{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1],\"bytes\":4}],"
		"\"outputs\":[\"o\"]}", 0, NULL);

	assert_int_equal(run(&p, "{\"outputs\":[{\"name\":\"z\",\"datatype\":\"UINT8\",\"shape\":[3],\"offset\":0,\"bytes\":3},"
		"{\"name\":\"o\",\"datatype\":\"UINT8\",\"shape\":[1,2],\"offset\":3,\"bytes\":2}]}", "abcde", 5, &out, &err), 0);
	assert_true(json_equal(p.question, expected));
	assert_int_equal(p.nsent, 8);
	assert_memory_equal(p.sent, ((float[]){ 1, 2 }), 8);
	assert_int_equal(out.size, 2);
	assert_memory_equal(out.bytes, "de", 2);
	assert_int_equal(out.is.shape[1], 2);
	tensor_done(&out);
	json_decref(expected);
	json_decref(p.question);
}

TEST(infer_says_how_much_of_the_picture_is_kept)
{
	struct parent p = { 0 };
	struct tensor out = { 0 };
	struct err err;

	at.keeps = 36000000;
	assert_int_equal(run(&p, "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"UINT8\",\"shape\":[1],\"offset\":0,\"bytes\":1}]}", "a", 1,
		&out, &err), 0);
	at.keeps = 0;
	assert_int_equal(json_integer_value(json_object_get(p.question, "keeps")), 36000000);
	tensor_done(&out);
	json_decref(p.question);
}

TEST(infer_does_not_believe_an_answer_that_makes_no_sense)
{
	static const struct { const char *answer, *says; } bad[] = {
		{ "{}", "no output 'o'" },
		{ "{\"outputs\":[{\"name\":\"p\"}]}", "no output 'o'" },
		{ "{\"outputs\":[{\"name\":\"o\",\"shape\":[1]}]}", "no name, no type" },
		{ "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"UINT8\",\"shape\":[-1],\"offset\":0,\"bytes\":1}]}", "dimension 0" },
		{ "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"UINT8\",\"shape\":[\"1\"],\"offset\":0,\"bytes\":1}]}", "dimension 0" },
		{ "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"UINT8\",\"shape\":[9],\"offset\":0,\"bytes\":9}]}", "did not come" },
		{ "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"UINT8\",\"shape\":[1],\"offset\":-1,\"bytes\":1}]}", "bytes" },
		{ "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"UINT8\",\"shape\":[1],\"offset\":0,\"bytes\":99999999999}]}", "at most" },
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct parent p = { 0 };
		struct tensor out = { 0 };
		struct err err;

		assert_int_equal(run(&p, bad[i].answer, "abcd", 4, &out, &err), -1);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("%zu: '%s' does not say '%s'", i, err.msg, bad[i].says);
		assert_null(out.bytes);
		json_decref(p.question);
	}
}

/* Two inputs of 16 bits and an output of them; the tool gives FP32. */
static const struct model halves = { .nin = 2, .in = { { .name = "x", .datatype = "FP16", .rank = 2, .shape = { -1, 1 } },
	{ .name = "y", .datatype = "INT32", .rank = 1, .shape = { 1 } } }, .nout = 1, .out = { { .name = "o", .datatype = "BF16" } } };

static int run_halves(struct parent *p, const char *answer, const char *bytes, size_t n, struct tensor *out, struct err *err)
{
	float pixel = 0.1f;
	int64_t token = 49406;
	const struct tensor in[] = {
		{ .is = { .name = "x", .datatype = "FP32", .rank = 2, .shape = { 1, 1 } }, .bytes = &pixel, .size = 4 },
		{ .is = { .name = "y", .datatype = "INT64", .rank = 1, .shape = { 1 } }, .bytes = &token, .size = 8 },
	};

	p->ctx.ask = hear;
	p->answer = answer;
	p->bytes = bytes;
	p->n = n;
	return infer_run(&p->ctx, &at, &halves, in, 2, want, out, 1, err);
}

TEST(infer_gives_a_model_the_types_it_takes_and_a_tool_floats)
{
	struct parent p = { 0 };
	struct tensor out = { 0 };
	struct err err;
	json_t *inputs = json_loads("[{\"name\":\"x\",\"datatype\":\"FP16\",\"shape\":[1,1],\"bytes\":2},"
		"{\"name\":\"y\",\"datatype\":\"INT32\",\"shape\":[1],\"bytes\":4}]", 0, NULL);

	assert_int_equal(run_halves(&p, "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"BF16\",\"shape\":[2],\"offset\":0,\"bytes\":4}]}",
		"\x80\x3f\x00\xc0", 4, &out, &err), 0);
	assert_true(json_equal(json_object_get(p.question, "inputs"), inputs));
	assert_int_equal(p.nsent, 6);
	assert_memory_equal(p.sent, "\x66\x2e\xfe\xc0\0\0", 6);
	assert_string_equal(out.is.datatype, "FP32");
	assert_int_equal(out.size, 8);
	assert_memory_equal(out.bytes, ((float[]){ 1, -2 }), 8);
	tensor_done(&out);
	json_decref(inputs);
	json_decref(p.question);
}

TEST(infer_does_not_believe_halves_of_another_size_than_their_shape)
{
	struct parent p = { 0 };
	struct tensor out = { 0 };
	struct err err;

	assert_int_equal(run_halves(&p, "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"BF16\",\"shape\":[3],\"offset\":0,\"bytes\":4}]}",
		"\x80\x3f\x00\xc0", 4, &out, &err), -1);
	assert_non_null(strstr(err.msg, "model 'm': tensor 'o' has 4 bytes, its shape needs 6"));
	assert_null(out.bytes);
	json_decref(p.question);
}

TEST(infer_cannot_give_numbers_to_a_model_that_takes_texts)
{
	struct model m = halves;
	struct parent p = { .ctx.ask = hear };
	const struct tensor in = { .is = { .name = "x", .datatype = "FP32", .rank = 1, .shape = { 1 } }, .bytes = &(float){ 1 }, .size = 4 };
	struct tensor out = { 0 };
	struct err err;

	memcpy(m.in[0].datatype, "BYTES", 6);
	assert_int_equal(infer_run(&p.ctx, &at, &m, &in, 1, want, &out, 1, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_non_null(strstr(err.msg, "model 'm': tensor 'x' is of type FP32, which is not converted to BYTES"));
	assert_null(p.question);
}

TEST(infer_classify_asks_for_the_best_classes_and_gives_their_texts)
{
	struct parent p = { .ctx.ask = hear, .bytes = "\6\0\0\0000.5:1:", .n = 10, .answer =
		"{\"outputs\":[{\"name\":\"o\",\"datatype\":\"BYTES\",\"shape\":[1,1],\"offset\":0,\"bytes\":10}]}" };
	const struct tensor in = { .is = { .name = "x", .datatype = "FP32", .rank = 1, .shape = { 1 } }, .bytes = &(float){ 1 }, .size = 4 };
	struct tensor out = { 0 };
	json_t *outputs = json_loads("[{\"name\":\"o\",\"classification\":7}]", 0, NULL);
	struct err err;

	assert_int_equal(infer_classify(&p.ctx, &at, &halves, &in, 1, "o", 7, &out, &err), 0);
	assert_true(json_equal(json_object_get(p.question, "outputs"), outputs));
	assert_int_equal(p.nsent, 2);
	assert_string_equal(out.is.datatype, "BYTES");
	assert_int_equal(out.size, 10);
	tensor_done(&out);
	json_decref(outputs);
	json_decref(p.question);
}

TEST(infer_without_a_file_of_results_is_an_error)
{
	struct parent p = { 0 };
	struct tensor out = { 0 };
	struct err err;

	assert_int_equal(run(&p, "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"UINT8\",\"shape\":[1],\"offset\":0,\"bytes\":1}]}", NULL, 0, &out,
		&err), -1);
	assert_non_null(strstr(err.msg, "did not come"));
	json_decref(p.question);
}

TEST(infer_passes_on_what_the_parent_could_not)
{
	struct parent p = { 0 };
	struct tensor out = { 0 };
	struct err err;

	assert_int_equal(run(&p, "{\"error\":{\"kind\":\"reject\",\"message\":\"no such model\"}}", NULL, 0, &out, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_string_equal(err.msg, "no such model");
	p.ctx.ask = NULL;
	json_decref(p.question);
}

TEST(infer_describes_a_model_and_its_card)
{
	struct parent p = { .ctx.ask = hear, .answer = "{\"model\":{"
		"\"inputs\":[{\"name\":\"images\",\"datatype\":\"FP32\",\"shape\":[-1,3,640,640]}],"
		"\"outputs\":[{\"name\":\"output0\",\"datatype\":\"FP32\",\"shape\":[-1,84,8400]}]},\"card\":{\"labels\":[\"a\"]}}" };
	struct model m = { 0 };
	struct err err;
	char text[400];

	assert_int_equal(infer_describe(&p.ctx, &at, &m, &err), 0);
	assert_int_equal(m.nin, 1);
	assert_string_equal(tensor_text(m.in, text, sizeof text), "'images' FP32 [-1,3,640,640]");
	assert_string_equal(m.out[0].name, "output0");
	assert_int_equal(json_array_size(json_object_get(m.card, "labels")), 1);
	model_done(&m);
	json_decref(p.question);
}

TEST(infer_target_says_what_is_missing)
{
	static const struct { const char *params, *says; } bad[] = {
		{ "{}", "\"model\"" },
		{ "{\"backend\":\"torch\",\"model\":\"m\"}", "no backend 'torch': allowed are \"onnx\" and \"triton\"" },
		{ "{\"backend\":\"triton\"}", "\"model\"" },
	};
	struct infer_target t;
	struct err err;

	for (size_t i = 0; i < countof(bad); i++) {
		json_t *params = json_loads(bad[i].params, 0, NULL);

		assert_int_equal(infer_target(params, &t, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		assert_non_null(strstr(err.msg, bad[i].says));
		json_decref(params);
	}
}
