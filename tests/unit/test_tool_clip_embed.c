#include "studio.h"
#include "test.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- a backend inside this test ---- */

static const char *description;         /* what it says of the model */
static float answer[6];                 /* the embedding */
static const char *answer_shape;
static float seen[3 * 32 * 32];         /* what the model was given */
static char part[32];

static int backend(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	(void)ctx, (void)err;
	*ret_fd = -1;
	snprintf(part, sizeof part, "%s", json_string_value(json_object_get(question, "part")));
	if (strcmp(json_string_value(json_object_get(question, "ask")), "model") == 0) {
		*ret = json_loads(description, 0, NULL);
		assert_non_null(*ret);
		return 0;
	}
	assert_int_equal(pread(fd, seen, sizeof seen, 0), sizeof seen);
	*ret_fd = memfd_create("answer", MFD_CLOEXEC);
	assert_int_equal(write(*ret_fd, answer, sizeof answer), sizeof answer);
	*ret = json_pack("{s:[{s:O,s:s,s:o,s:i,s:i}]}", "outputs", "name", json_array_get(json_object_get(question, "outputs"), 0),
		"datatype", "FP32", "shape", json_loads(answer_shape, 0, NULL), "offset", 0, "bytes", (int)sizeof answer);
	return 0;
}

#define TENSOR(name, type, shape) "{\"name\":\"" name "\",\"datatype\":\"" type "\",\"shape\":" shape "}"
#define MODEL(in, out, card) "{\"model\":{\"inputs\":[" in "],\"outputs\":[" out "]},\"device\":\"cpu\",\"card\":" card "}"
#define PIXELS TENSOR("pixel_values", "FP32", "[-1,3,32,32]")
#define EMBEDS TENSOR("image_embeds", "FP32", "[-1,6]")

static void embed(struct shot *s, const char *says)
{
	description = says;
	s->ask = backend;
	studio_run(s, "clip_embed", "{\"model\":\"m\"}", studio_file(studio_plain(90, 60, 255, 0, 51), "a.png"), NULL);
}

static void give(const char *shape, const float values[6])
{
	answer_shape = shape;
	memcpy(answer, values, sizeof answer);
}

static const float three_four[6] = { 3, 0, 0, -4, 0, 0 };

TEST(clip_embed_gives_the_image_part_of_the_model_at_length_one)
{
	struct shot s = { 0 };
	json_t *want = json_loads("{\"embedding\":[0.6,0.0,0.0,-0.8,0.0,0.0],\"dim\":6,\"model\":\"m\",\"backend\":\"onnx\",\"device\":\"cpu\"}",
		0, NULL);

	give("[1,6]", three_four);
	embed(&s, MODEL(PIXELS, EMBEDS, "{\"kind\":\"clip\",\"dim\":6}"));
	if (s.result < 0)
		fail_msg("%s", s.err.msg);
	assert_true(json_equal(s.data, want));
	assert_string_equal(part, "image");
	/* (1 - mean) / std of the red, (0 - mean) / std of the green */
	assert_float_equal((double)seen[0], (1 - 0.48145466) / 0.26862954, 1e-5);
	assert_float_equal((double)seen[1024], -0.4578275 / 0.26130258, 1e-5);
	json_decref(want);
	studio_done(&s);
}

TEST(clip_embed_finds_the_embedding_among_other_outputs)
{
	static const char *const models[] = {
		MODEL(PIXELS, TENSOR("last_hidden_state", "FP32", "[-1,5,8]") "," EMBEDS, "{}"),
		MODEL(PIXELS, TENSOR("pooled", "FP32", "[-1,6]") "," TENSOR("tokens", "FP32", "[-1,5,8]"), "{}"),
		MODEL(PIXELS, TENSOR("only", "FP32", "[-1,-1]"), "{}"),
	};

	give("[1,6]", three_four);
	for (size_t i = 0; i < countof(models); i++) {
		struct shot s = { 0 };

		embed(&s, models[i]);
		if (s.result < 0)
			fail_msg("%s", s.err.msg);
		studio_done(&s);
	}
}

static void is_rejected(struct shot *s, const char *says)
{
	assert_int_equal(s->result, -1);
	assert_int_equal(s->err.kind, ERR_REJECT);
	if (!strstr(s->err.msg, says))
		fail_msg("'%s' does not say '%s'", s->err.msg, says);
	studio_done(s);
}

TEST(clip_embed_refuses_what_is_no_embedding_and_says_why)
{
	static const float nothing[6] = { 0 }, odd[6] = { 1, NAN }, endless[6] = { 1, INFINITY };
	static const struct { const char *shape; const float *values; const char *says; } bad[] = {
		{ "[1,6]", nothing, "0 in all of its 6 values" },
		{ "[1,6]", odd, "no number (nan, at 1 of 6)" },
		{ "[1,6]", endless, "no number (inf, at 1 of 6)" },
		{ "[2,3]", three_four, "it gives 'image_embeds' FP32 [2,3], clip_embed wants numbers [1,dim]" },
		{ "[6]", three_four, "[6], clip_embed wants" },
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct shot s = { 0 };

		give(bad[i].shape, bad[i].values);
		embed(&s, MODEL(PIXELS, EMBEDS, "{}"));
		is_rejected(&s, bad[i].says);
	}
}

TEST(clip_embed_refuses_models_that_do_not_fit_and_says_what_would)
{
	static const struct { const char *model, *says; } bad[] = {
		{ MODEL(TENSOR("input_ids", "INT64", "[-1,77]") "," PIXELS, EMBEDS, "{}"),
			"picture and text in one file: it wants 'input_ids' too. Take the export of two files" },
		{ MODEL(PIXELS "," TENSOR("x", "FP32", "[1]"), EMBEDS, "{}"), "model 'm': it takes 2 inputs, clip_embed gives one" },
		{ MODEL(TENSOR("pixel_values", "FP32", "[-1,32,32,3]"), EMBEDS, "{}"), "clip_embed gives FP32 [1,3,height,width]" },
		{ MODEL(PIXELS, TENSOR("a", "FP32", "[1,6]") "," TENSOR("b", "FP32", "[1,7]"), "{}"),
			"it gives 'a' FP32 [1,6], 'b' FP32 [1,7]; clip_embed wants 'image_embeds', or one of 2 dimensions" },
		{ MODEL(PIXELS, "", "{}"), "it gives nothing" },
		{ MODEL(PIXELS, EMBEDS, "{\"dim\":512}"), "[1,6], its model.json says \"dim\": 512" },
		{ "{\"error\":{\"kind\":\"reject\",\"message\":\"no such file\"}}", "no such file" },
	};

	give("[1,6]", three_four);
	for (size_t i = 0; i < countof(bad); i++) {
		struct shot s = { 0 };

		embed(&s, bad[i].model);
		is_rejected(&s, bad[i].says);
	}
}

TEST(clip_embed_never_invents_an_embedding)
{
	struct shot s = { 0 }, none = { 0 };

	studio_run(&s, "clip_embed", "{\"model\":\"m\"}", studio_file(studio_photo(60, 40), "a.png"), NULL);
	assert_null(s.data);
	is_rejected(&s, "worker");
	studio_run(&none, "clip_embed", "{}", studio_file(studio_photo(60, 40), "a.png"), NULL);
	is_rejected(&none, "\"model\"");
}
