#include "fake_model.h"
#include "studio.h"
#include "test.h"
#include "tiny_tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- a backend inside this test ---- */

enum { LENGTH = 6 };

static char description[4096];          /* what it says of the model */
static int64_t seen[3][LENGTH];         /* what the model was given */
static float answer[3];
static const char *answer_shape;

static int backend(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	const json_t *outputs = json_object_get(question, "outputs");

	(void)ctx, (void)err;
	assert_string_equal(fake_part(question), "text");
	if (fake_describes(question, description, ret, ret_fd))
		return 0;
	memset(seen, 0xff, sizeof seen);
	assert_true(pread(fd, seen, sizeof seen, 0) >= (ssize_t)sizeof seen[0]);
	fake_answer(&(struct fake_tensor){ json_string_value(json_array_get(outputs, 0)), answer_shape, answer, 3 }, 1, ret, ret_fd);
	return 0;
}

#define TENSOR(name, type, shape) "{\"name\":\"" name "\",\"datatype\":\"" type "\",\"shape\":" shape "}"
#define IDS TENSOR("input_ids", "INT64", "[-1,6]")
#define MASK TENSOR("attention_mask", "INT64", "[-1,6]")
#define TYPES TENSOR("token_type_ids", "INT64", "[-1,6]")
#define EMBEDS TENSOR("text_embeds", "FP32", "[-1,3]")

static void embed(struct shot *s, const char *in, const char *out, const char *card, const char *params)
{
	snprintf(description, sizeof description,
		"{\"model\":{\"inputs\":[%s],\"outputs\":[%s]},\"device\":\"cpu\",\"card\":%s,\"dir\":\"%s\"}",
		in, out, card, test_dir());
	answer_shape = "[1,3]";
	s->ask = backend;
	studio_run(s, "text_embed", params, -1, NULL);
}

static void expect(const struct shot *s, const char *data)
{
	scoped(json_decref_p) json_t *want = json_loads(data, 0, NULL);
	scoped(free_p) char *is = NULL;

	if (s->result < 0)
		fail_msg("%s", s->err.msg);
	is = json_dumps(s->data, JSON_COMPACT);
	assert_non_null(want);
	if (!json_equal(s->data, want))
		fail_msg("%s is not %s", is, data);
}

static void expect_refusal(struct shot *s, const char *words)
{
	assert_int_equal(s->result, -1);
	assert_int_equal(s->err.kind, ERR_REJECT);
	if (!strstr(s->err.msg, words))
		fail_msg("'%s' does not say '%s'", s->err.msg, words);
	studio_done(s);
}

static void expect_numbers(const int64_t is[LENGTH], const int64_t want[LENGTH])
{
	for (int i = 0; i < LENGTH; i++)
		assert_int_equal(is[i], want[i]);
}

#define RED_PHOTO "{\"model\":\"m\",\"text\":\"Red photo\"}"

TEST(text_embed_gives_the_text_part_of_the_model_at_length_one)
{
	struct shot s = { 0 };

	tiny_clip();
	memcpy(answer, (const float[]){ 3, 0, -4 }, sizeof answer);
	embed(&s, IDS, EMBEDS, "{\"kind\":\"clip\",\"dim\":3}", RED_PHOTO);
	expect(&s, "{\"embedding\":[0.6,0.0,-0.8],\"dim\":3,\"tokens\":4,\"model\":\"m\",\"backend\":\"onnx\",\"device\":\"cpu\"}");
	expect_numbers(seen[0], (const int64_t[]){ TINY_START, TINY_RED, TINY_PHOTO, TINY_END, TINY_END, TINY_END });
	studio_done(&s);
}

TEST(text_embed_gives_a_mask_and_types_to_a_model_that_asks_for_them)
{
	static const char *const words[] = { "red", "photo", NULL };
	struct shot s = { 0 };

	tiny_wordpiece(words);
	memcpy(answer, (const float[]){ 0, 2, 0 }, sizeof answer);
	embed(&s, TYPES "," IDS "," MASK, TENSOR("last_hidden_state", "FP32", "[-1,6,3]") "," EMBEDS, "{}", RED_PHOTO);
	expect(&s, "{\"embedding\":[0.0,1.0,0.0],\"dim\":3,\"tokens\":4,\"model\":\"m\",\"backend\":\"onnx\",\"device\":\"cpu\"}");
	expect_numbers(seen[0], (const int64_t[]){ 0, 0, 0, 0, 0, 0 });
	expect_numbers(seen[1], (const int64_t[]){ 2, 5, 6, 3, 0, 0 });
	expect_numbers(seen[2], (const int64_t[]){ 1, 1, 1, 1, 0, 0 });
	studio_done(&s);
}

TEST(text_embed_takes_the_length_of_the_card_where_the_model_leaves_it_free)
{
	struct shot s = { 0 };

	tiny_clip();
	memcpy(answer, (const float[]){ 1, 0, 0 }, sizeof answer);
	embed(&s, TENSOR("ids", "INT64", "[1,-1]"), TENSOR("out", "FP32", "[-1,-1]"),
		"{\"tokenizer\":{\"length\":6,\"pad\":0}}", RED_PHOTO);
	expect(&s, "{\"embedding\":[1.0,0.0,0.0],\"dim\":3,\"tokens\":4,\"model\":\"m\",\"backend\":\"onnx\",\"device\":\"cpu\"}");
	expect_numbers(seen[0], (const int64_t[]){ TINY_START, TINY_RED, TINY_PHOTO, TINY_END, 0, 0 });
	studio_done(&s);
}

TEST(text_embed_tells_when_a_text_was_cut)
{
	struct shot s = { 0 };

	tiny_clip();
	memcpy(answer, (const float[]){ 1, 0, 0 }, sizeof answer);
	embed(&s, IDS, EMBEDS, "{}", "{\"model\":\"m\",\"text\":\"red red red red red\"}");
	expect(&s, "{\"embedding\":[1.0,0.0,0.0],\"dim\":3,\"tokens\":6,\"cut\":true,"
		"\"model\":\"m\",\"backend\":\"onnx\",\"device\":\"cpu\"}");
	expect_numbers(seen[0], (const int64_t[]){ TINY_START, TINY_RED, TINY_RED, TINY_RED, TINY_RED, TINY_END });
	studio_done(&s);
}

TEST(text_embed_takes_what_a_need_gave_when_no_text_is_given)
{
	static const char *const given[] = { "{\"caption\":\"red photo\"}", "{\"text\":\"red photo\",\"items\":[]}" };

	tiny_clip();
	memcpy(answer, (const float[]){ 1, 0, 0 }, sizeof answer);
	for (size_t i = 0; i < countof(given); i++) {
		scoped(json_decref_p) json_t *data = json_loads(given[i], 0, NULL);
		struct shot s = { .items = data };

		embed(&s, IDS, EMBEDS, "{}", "{\"model\":\"m\"}");
		assert_int_equal(s.result, 0);
		assert_int_equal(seen[0][1], TINY_RED);
		studio_done(&s);
		s = (struct shot){ .items = data };
		embed(&s, IDS, EMBEDS, "{}", "{\"model\":\"m\",\"text\":\"photo\"}");
		assert_int_equal(seen[0][1], TINY_PHOTO);
		studio_done(&s);
	}
}

TEST(text_embed_without_a_text_says_so)
{
	struct shot s = { 0 };

	tiny_clip();
	embed(&s, IDS, EMBEDS, "{}", "{\"model\":\"m\"}");
	expect_refusal(&s, "neither the parameter \"text\", nor a need");
	s = (struct shot){ 0 };
	embed(&s, IDS, EMBEDS, "{}", "{\"model\":\"m\",\"text\":\" \\n\"}");
	expect_refusal(&s, "the text is empty");
	s = (struct shot){ 0 };
	embed(&s, IDS, EMBEDS, "{}", "{\"text\":\"x\"}");
	expect_refusal(&s, "\"model\"");
}

TEST(text_embed_has_nothing_to_tell_of_an_empty_caption)
{
	scoped(json_decref_p) json_t *data = json_loads("{\"caption\":\" \"}", 0, NULL);
	struct shot s = { .items = data };

	tiny_clip();
	embed(&s, IDS, EMBEDS, "{}", "{\"model\":\"m\"}");
	expect(&s, "{\"text\":\"\"}");
	studio_done(&s);
}

TEST(text_embed_refuses_a_model_with_another_signature)
{
	static const struct { const char *in, *out, *card, *words; } wrong[] = {
		{ IDS "," TENSOR("pixel_values", "FP32", "[-1,3,224,224]"), EMBEDS, "{}", "picture and text in one file" },
		{ IDS "," TENSOR("position_ids", "INT64", "[-1,6]"), EMBEDS, "{}", "'position_ids' INT64 [-1,6]" },
		{ TENSOR("input_ids", "BYTES", "[-1,6]"), EMBEDS, "{}", "'input_ids' BYTES [-1,6]" },
		{ TENSOR("input_ids", "INT64", "[2,6]"), EMBEDS, "{}", "[2,6]" },
		{ TENSOR("input_ids", "INT64", "[-1,100000]"), EMBEDS, "{}", "3 to 8192 pieces" },
		{ IDS "," TENSOR("attention_mask", "INT64", "[-1,7]"), EMBEDS, "{}", "different lengths" },
		{ MASK "," TYPES, EMBEDS, "{}", "gives one 'input_ids'" },
		{ IDS, TENSOR("a", "FP32", "[-1,3]") "," TENSOR("b", "FP32", "[-1,3]"), "{}", "wants 'text_embeds'" },
		{ IDS, EMBEDS, "{\"dim\":4}", "\"dim\": 4" },
	};

	tiny_clip();
	memcpy(answer, (const float[]){ 1, 0, 0 }, sizeof answer);
	for (size_t i = 0; i < countof(wrong); i++) {
		struct shot s = { 0 };

		embed(&s, wrong[i].in, wrong[i].out, wrong[i].card, RED_PHOTO);
		expect_refusal(&s, wrong[i].words);
	}
}

TEST(text_embed_refuses_an_embedding_that_is_none)
{
	static const struct { float values[3]; const char *words; } none[] = { { { 0, 0, 0 }, "is 0 in all" },
		{ { 1, NAN, 0 }, "no number" }, { { INFINITY, 0, 0 }, "no number" } };

	tiny_clip();
	for (size_t i = 0; i < countof(none); i++) {
		struct shot s = { 0 };

		memcpy(answer, none[i].values, sizeof answer);
		embed(&s, IDS, EMBEDS, "{}", RED_PHOTO);
		expect_refusal(&s, none[i].words);
	}
}
