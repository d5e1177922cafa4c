#include "studio.h"
#include "test.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- a backend inside this test: the words are those of vocab.txt, one after the other ---- */

enum { SEEN = 4, DEEP = 3, WORDS = 12, START = 10, END = 11, A = 5, RED = 6, CAT = 7, ING = 8 };

static const char *const vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nred\ncat\n##s\n.\n[DEC]\n[ENC]\n";
static const char *encoder, *decoder;   /* what is said of the parts */
static const char *states_shape;
static float states[SEEN * DEEP];
static struct {
	size_t questions, sequences, columns, masks;
	json_int_t bytes;
	int64_t last[64];               /* ids of the last question */
} asked;

static json_t *tensor_at(const json_t *list, size_t i, size_t *offset)
{
	*offset = 0;
	for (size_t k = 0; k < i; k++)
		*offset += (size_t)json_integer_value(json_object_get(json_array_get(list, k), "bytes"));
	return json_array_get(list, i);
}

static size_t dimension(const json_t *t, size_t i)
{
	return (size_t)json_integer_value(json_array_get(json_object_get(t, "shape"), i));
}

static json_t *answered(const json_t *question, const char *shape, const void *bytes, size_t size, int *ret_fd)
{
	*ret_fd = memfd_create("answer", MFD_CLOEXEC);
	assert_int_equal(write(*ret_fd, bytes, size), size);
	return json_pack("{s:[{s:O,s:s,s:o,s:i,s:I}]}", "outputs", "name", json_array_get(json_object_get(question, "outputs"), 0),
		"datatype", "FP32", "shape", json_loads(shape, 0, NULL), "offset", 0, "bytes", (json_int_t)size);
}

static int64_t after(int64_t id)
{
	return id == START ? A : id == A ? RED : id == RED ? CAT : id == CAT ? ING : END;
}

/* The states have to come along, repeated for each sequence; masks are all 1 where there are tokens. */
static void check_inputs(const json_t *inputs, int fd)
{
	asked.masks = json_array_size(inputs) - 2;
	asked.bytes = 0;
	for (size_t i = 0; i < json_array_size(inputs); i++) {
		size_t offset, size;
		const json_t *t = tensor_at(inputs, i, &offset);
		float given[64];
		int64_t mask[64];

		size = (size_t)json_integer_value(json_object_get(t, "bytes"));
		asked.bytes += (json_int_t)size;
		if (i == 1)
			for (size_t k = 0; k < asked.sequences; k++) {
				assert_int_equal(pread(fd, given, sizeof states, (off_t)(offset + k * sizeof states)), sizeof states);
				assert_memory_equal(given, states, sizeof states);
			}
		if (i > 1 && strcmp(json_string_value(json_object_get(t, "datatype")), "INT64") == 0) {
			assert_int_equal(pread(fd, mask, size, (off_t)offset), size);
			assert_int_equal(mask[0], 1);
		}
	}
}

static void read_ids(const json_t *ids, int fd, size_t n)
{
	int32_t narrow[countof(asked.last)];

	if (strcmp(json_string_value(json_object_get(ids, "datatype")), "INT64") == 0) {
		assert_int_equal(pread(fd, asked.last, n * sizeof(int64_t), 0), n * sizeof(int64_t));
		return;
	}
	assert_int_equal(pread(fd, narrow, n * sizeof *narrow, 0), n * sizeof *narrow);
	for (size_t i = 0; i < n; i++)
		asked.last[i] = narrow[i];
}

static int decode(const json_t *question, int fd, json_t **ret, int *ret_fd)
{
	static float logits[8 * 64 * WORDS];
	const json_t *inputs = json_object_get(question, "inputs"), *ids = json_array_get(inputs, 0);
	scoped(free_p) char *shape = NULL;
	size_t n;

	asked.questions++;
	asked.sequences = dimension(ids, 0);
	asked.columns = dimension(ids, 1);
	n = asked.sequences * asked.columns;
	assert_true(n <= countof(asked.last));
	read_ids(ids, fd, n);
	check_inputs(inputs, fd);
	for (size_t i = 0; i < n; i++)
		for (int64_t w = 0; w < WORDS; w++)
			logits[i * WORDS + (size_t)w] = w == after(asked.last[i]) ? 9 : 0;
	shape = xasprintf("[%zu,%zu,%d]", asked.sequences, asked.columns, WORDS);
	*ret = answered(question, shape, logits, n * WORDS * sizeof *logits, ret_fd);
	return 0;
}

static int backend(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	bool is_encoder = strcmp(json_string_value(json_object_get(question, "part")), "encoder") == 0;

	(void)ctx, (void)err;
	*ret_fd = -1;
	if (strcmp(json_string_value(json_object_get(question, "ask")), "model") == 0) {
		*ret = json_loads(is_encoder ? encoder : decoder, 0, NULL);
		assert_non_null(*ret);
		json_object_set_new(*ret, "dir", json_string(test_dir()));
		return 0;
	}
	if (!is_encoder)
		return decode(question, fd, ret, ret_fd);
	*ret = answered(question, states_shape, states, sizeof states, ret_fd);
	return 0;
}

#define TENSOR(name, type, shape) "{\"name\":\"" name "\",\"datatype\":\"" type "\",\"shape\":" shape "}"
#define MODEL(in, out, card) "{\"model\":{\"inputs\":[" in "],\"outputs\":[" out "]},\"device\":\"cpu\",\"card\":{\"kind\":\"caption\"," \
	"\"tokenizer\":{\"type\":\"wordpiece\",\"vocab\":\"vocab.txt\"},\"decoder\":{\"start\":10,\"end\":11,\"pad\":0" card "}}}"
#define ENCODER MODEL(TENSOR("pixel_values", "FP32", "[-1,3,32,32]"), TENSOR("last_hidden_state", "FP32", "[-1,4,3]"), "")
#define IDS TENSOR("input_ids", "INT64", "[-1,-1]")
#define MASK TENSOR("attention_mask", "INT64", "[-1,-1]")
#define STATES TENSOR("encoder_hidden_states", "FP32", "[-1,4,3]")
#define STATES_MASK TENSOR("encoder_attention_mask", "INT64", "[-1,4]")
#define LOGITS TENSOR("logits", "FP32", "[-1,-1,12]")
#define DECODER MODEL(IDS "," MASK "," STATES "," STATES_MASK, LOGITS, "")

static void caption(struct shot *s, const char *says_encoder, const char *says_decoder, const char *params)
{
	int fd = open(test_path("vocab.txt"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, vocabulary, strlen(vocabulary)), strlen(vocabulary));
	close(fd);
	encoder = says_encoder;
	decoder = says_decoder;
	states_shape = "[1,4,3]";
	for (size_t i = 0; i < countof(states); i++)
		states[i] = (float)i + 0.5f;
	memset(&asked, 0, sizeof asked);
	s->ask = backend;
	studio_run(s, "caption", params, studio_file(studio_plain(90, 60, 255, 0, 51), "a.png"), NULL);
}

static void is_caption(struct shot *s, const char *want)
{
	if (s->result < 0)
		fail_msg("%s", s->err.msg);
	assert_string_equal(json_string_value(json_object_get(s->data, "caption")), want);
	studio_done(s);
}

TEST(caption_asks_for_one_token_after_the_other_and_writes_them_as_words)
{
	struct shot s = { 0 };

	caption(&s, ENCODER, DECODER, "{\"model\":\"blip\"}");
	if (s.result < 0)
		fail_msg("%s", s.err.msg);
	assert_int_equal(json_integer_value(json_object_get(s.data, "tokens")), 4);
	assert_string_equal(json_string_value(json_object_get(s.data, "model")), "blip");
	assert_string_equal(json_string_value(json_object_get(s.data, "backend")), "onnx");
	assert_string_equal(json_string_value(json_object_get(s.data, "device")), "cpu");
	assert_int_equal(asked.questions, 5);
	assert_int_equal(asked.columns, 5);
	assert_memory_equal(asked.last, ((const int64_t[]){ START, A, RED, CAT, ING }), 5 * sizeof(int64_t));
	assert_int_equal(asked.masks, 2);
	is_caption(&s, "a red cats");
}

TEST(caption_with_beams_asks_for_all_at_once_and_says_the_same)
{
	struct shot s = { 0 };

	caption(&s, ENCODER, DECODER, "{\"model\":\"blip\",\"beams\":4,\"max_length\":8}");
	assert_int_equal(asked.sequences, 4);
	is_caption(&s, "a red cats");
}

TEST(caption_stops_at_the_longest)
{
	struct shot s = { 0 }, by_card = { 0 };

	caption(&s, ENCODER, DECODER, "{\"model\":\"blip\",\"max_length\":3}");
	is_caption(&s, "a red");
	caption(&by_card, ENCODER, MODEL(IDS "," MASK "," STATES "," STATES_MASK, LOGITS, ",\"max_length\":4"), "{\"model\":\"blip\"}");
	is_caption(&by_card, "a red cat");
}

TEST(caption_takes_decoders_of_other_names_shapes_and_types)
{
	static const struct { const char *decoder; size_t masks, columns; } models[] = {
		{ MODEL(IDS "," STATES, LOGITS, ""), 0, 5 },
		{ MODEL(STATES "," TENSOR("decoder_input_ids", "INT32", "[-1,-1]") "," TENSOR("decoder_attention_mask", "BOOL", "[-1,-1]"),
			LOGITS, ""), 1, 5 },
		{ MODEL(TENSOR("memory", "FP32", "[1,4,3]") "," TENSOR("tokens", "INT64", "[1,7]"), TENSOR("out", "FP32", "[1,7,-1]"), ""), 0, 7 },
		{ MODEL(TENSOR("x", "INT64", "[-1,-1]") "," TENSOR("y", "INT64", "[-1,-1]") "," STATES, LOGITS,
			",\"names\":{\"ids\":\"y\",\"mask\":\"x\"}"), 1, 5 },
	};

	for (size_t i = 0; i < countof(models); i++) {
		struct shot s = { 0 };

		caption(&s, ENCODER, models[i].decoder, "{\"model\":\"blip\"}");
		is_caption(&s, "a red cats");
		assert_int_equal(asked.masks, models[i].masks);
		assert_int_equal(asked.columns, models[i].columns);
	}
}

/* One sequence at a time, then. */
TEST(caption_with_beams_runs_on_a_decoder_of_a_fixed_batch)
{
	struct shot s = { 0 };

	caption(&s, ENCODER, MODEL(TENSOR("input_ids", "INT64", "[1,-1]") "," TENSOR("encoder_hidden_states", "FP32", "[1,4,3]"), LOGITS, ""),
		"{\"model\":\"blip\",\"beams\":3,\"max_length\":6}");
	assert_int_equal(asked.sequences, 1);
	assert_true(asked.questions > 10);
	is_caption(&s, "a red cats");
}

TEST(caption_refuses_models_that_do_not_fit_and_says_what_would)
{
	static const struct { const char *encoder, *decoder, *says; } bad[] = {
		{ MODEL(TENSOR("pixel_values", "FP32", "[3,32,32]"), TENSOR("s", "FP32", "[1,4,3]"), ""), DECODER,
			"encoder: it takes 'pixel_values' FP32 [3,32,32], caption gives" },
		{ ENCODER, MODEL(IDS "," STATES "," TENSOR("past_key_values.0.key", "FP32", "[-1,8,-1,64]"), LOGITS, ""), "export it without a cache" },
		{ ENCODER, MODEL(IDS "," STATES "," TENSOR("use_cache_branch", "BOOL", "[1]"), LOGITS, ""), "export it without a cache" },
		{ ENCODER, MODEL(IDS "," STATES "," TENSOR("odd", "FP32", "[-1,9]"), LOGITS, ""), "/decoder/names" },
		{ ENCODER, MODEL(IDS, LOGITS, ""), "the decoder lacks an input; it takes 'input_ids' INT64 [-1,-1], caption gives" },
		{ ENCODER, MODEL(STATES, LOGITS, ""), "the decoder lacks an input" },
		{ ENCODER, MODEL(TENSOR("input_ids", "INT64", "[-1,1]") "," STATES, LOGITS, ""), "one token, without those before it" },
		{ ENCODER, MODEL(IDS "," TENSOR("encoder_hidden_states", "FP32", "[-1,4,8]"), LOGITS, ""),
			"the decoder takes 'encoder_hidden_states' FP32 [-1,4,8], the encoder gives 'last_hidden_state' FP32 [1,4,3]" },
		{ ENCODER, MODEL(IDS "," STATES, TENSOR("a", "FP32", "[1,2]") "," TENSOR("b", "FP32", "[1,2]"), ""), "caption wants 'logits'" },
		{ ENCODER, MODEL(IDS "," STATES, TENSOR("logits", "FP32", "[-1,-1,13]"), ""), "[1,1,12], caption wants numbers [1,1,vocabulary]" },
		{ ENCODER, MODEL(IDS "," STATES, LOGITS, ",\"names\":{\"ids\":\"z\"}"), "/decoder/names/ids: 'z' is none of its inputs, which are" },
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct shot s = { 0 };

		caption(&s, bad[i].encoder, bad[i].decoder, "{\"model\":\"blip\"}");
		assert_int_equal(s.result, -1);
		assert_int_equal(s.err.kind, ERR_REJECT);
		if (!strstr(s.err.msg, bad[i].says))
			fail_msg("'%s' does not say '%s'", s.err.msg, bad[i].says);
		studio_done(&s);
	}
}

TEST(caption_never_invents_a_text)
{
	struct shot s = { 0 };

	studio_run(&s, "caption", "{\"model\":\"m\"}", studio_file(studio_photo(60, 40), "a.png"), NULL);
	assert_int_equal(s.result, -1);
	assert_null(s.data);
	assert_non_null(strstr(s.err.msg, "worker"));
	studio_done(&s);
}
