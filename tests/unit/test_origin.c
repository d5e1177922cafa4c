#include "test.h"

#include "origin.h"
#include "origin_letter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Both queues, under settings of the test's. */
struct desk {
	struct conf conf;
	struct origins *origins;
	struct err err;
};

static int try_open(struct desk *k, const char *const *env)
{
	const char *all[16] = { "PIXELFLEET_MODELS_DIR=/nowhere" };
	size_t n = 1;

	*k = (struct desk){ 0 };
	for (; env && *env; env++)
		all[n++] = *env;
	if (conf_load(&k->conf, all, &k->err) < 0)
		return -1;
	k->origins = origins_new(&k->conf, &k->err);
	return k->origins ? 0 : -1;
}

static void desk_open(struct desk *k, const char *const *env)
{
	if (try_open(k, env) < 0)
		fail_msg("%s", k->err.msg);
}

static void desk_close(struct desk *k)
{
	origins_free(k->origins);
	conf_done(&k->conf);
}

static int read_it(const struct desk *k, const char *list, const char *text, struct submission **ret, json_t *problems)
{
	const struct origin *o = origin_find(k->origins, list);

	assert_non_null(o);
	*ret = NULL;
	return origin_read(k->origins, o, text, strlen(text), ret, problems);
}

static struct submission *must_read(const struct desk *k, const char *list, const char *text)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(buf_free) struct buf why = { 0 };
	struct submission *s;

	if (read_it(k, list, text, &s, problems) < 0) {
		problems_text(problems, &why);
		fail_msg("%s: %s", text, why.text);
	}
	return s;
}

static void refuses(const struct desk *k, const char *list, const char *text, const char *words)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(buf_free) struct buf why = { 0 };
	struct submission *s;

	assert_int_equal(read_it(k, list, text, &s, problems), -1);
	assert_null(s);
	problems_text(problems, &why);
	if (!strstr(why.text, words))
		fail_msg("%s: '%s' is not in '%s'", text, words, why.text);
}

static char *json_of(const json_t *v)
{
	struct buf b = { 0 };

	buf_json(&b, v);
	return buf_take(&b);
}

static void expect_json(const json_t *v, const char *want)
{
	scoped(free_p) char *text = json_of(v);

	assert_string_equal(text, want);
}

static const struct node *node(const struct submission *s, const char *id)
{
	int k = definition_find(s->definition, id);

	if (k < 0)
		fail_msg("no step '%s' in %s", id, s->definition->text);
	return &s->definition->nodes[k];
}

#define PHOTO(more) "{\"photo_id\":1,\"user_id\":2,\"path\":\"./uploads/original/x.jpg\"" more "}"

TEST(origin_makes_a_job_of_a_photo_message)
{
	struct desk k;
	scoped(submission_free_p) struct submission *s = NULL;

	desk_open(&k, NULL);
	s = must_read(&k, "photo_tasks", PHOTO(",\"tasks\":[\"thumbnail\",\"clip\",\"face\",\"ocr\"],\"extra\":{\"a\":1}"));
	assert_int_equal(s->items, 1);
	expect_json(s->images, "[\"upload:./uploads/original/x.jpg\"]");
	expect_json(s->labels, "{\"photo_id\":\"1\",\"user_id\":\"2\"}");
	expect_json(s->params, "{\"deliver-clip\":{\"id\":1},\"deliver-faces\":{\"id\":1},\"deliver-ocr\":{\"id\":1}}");
	expect_json(node(s, "clip")->params, "{\"backend\":\"onnx\",\"model\":\"OFA-Sys/chinese-clip-vit-large-patch14\"}");
	expect_json(node(s, "deliver-clip")->params, "{\"as\":\"image\",\"model\":\"chinese-clip-vit-large-patch14\",\"dim\":768}");
	expect_json(node(s, "faces")->params, "{\"backend\":\"onnx\",\"model\":\"buffalo_l\"}");
	expect_json(node(s, "deliver-faces")->params, "{\"as\":\"faces\",\"model\":\"arcface-buffalo_l\",\"dim\":512}");
	expect_json(node(s, "deliver-ocr")->params, "{\"as\":\"ocr\",\"langs\":[\"ch_sim\",\"en\"],\"min_conf\":0.3,\"max_chars\":2000}");
	assert_int_equal(definition_total(s->definition, 1), 8);
	for (int i = 0; i < s->definition->nnodes; i++)
		assert_true(s->definition->nodes[i].goes_on);
	desk_close(&k);
}

TEST(origin_makes_one_definition_of_many_messages)
{
	struct desk k;
	scoped(submission_free_p) struct submission *a = NULL, *b = NULL;

	desk_open(&k, NULL);
	a = must_read(&k, "photo_tasks", PHOTO(",\"tasks\":[\"clip\",\"faces\"]"));
	b = must_read(&k, "photo_tasks", "{\"photo_id\":\" 77 \",\"path\":\"/photos/y.png\",\"tasks\":[\"face\",\"clip\",\"clip\"]}");
	assert_ptr_equal(a->definition, b->definition);
	expect_json(b->params, "{\"deliver-clip\":{\"id\":77},\"deliver-faces\":{\"id\":77}}");
	expect_json(b->labels, "{\"photo_id\":\"77\"}");
	desk_close(&k);
}

TEST(origin_embeds_with_each_model_and_captions_with_the_first)
{
	static const char *const env[] = { "CLIP_MODELS=one=org/a, two=b", "CAPTION_ENABLED=1", "CAPTION_MAX_LENGTH=20",
		"PIXELFLEET_PHOTO_BACKEND=triton", "PROCESSING_EMBEDDING_DIM=512", NULL };
	struct desk k;
	scoped(submission_free_p) struct submission *s = NULL;

	desk_open(&k, env);
	s = must_read(&k, "photo_tasks", PHOTO(",\"tasks\":[\"clip\"]"));
	expect_json(node(s, "clip")->params, "{\"backend\":\"triton\",\"model\":\"org/a\"}");
	expect_json(node(s, "clip-2")->params, "{\"backend\":\"triton\",\"model\":\"b\"}");
	expect_json(node(s, "deliver-clip-2")->params, "{\"as\":\"image\",\"model\":\"two\",\"dim\":512}");
	expect_json(node(s, "caption")->params,
		"{\"backend\":\"triton\",\"model\":\"Salesforce/blip-image-captioning-base\",\"max_length\":20}");
	expect_json(node(s, "caption-text")->params, "{\"backend\":\"triton\",\"model\":\"org/a\"}");
	expect_json(node(s, "deliver-caption")->params, "{\"as\":\"caption\",\"model\":\"one\",\"dim\":512}");
	assert_int_equal(node(s, "deliver-caption")->nneeds, 2);
	expect_json(s->params, "{\"deliver-clip\":{\"id\":1},\"deliver-clip-2\":{\"id\":1},\"deliver-caption\":{\"id\":1}}");
	desk_close(&k);
}

TEST(origin_has_nothing_to_do_for_a_photo_without_tasks_it_knows)
{
	static const char *const env[] = { "OCR_ENABLED=0", NULL };
	struct desk k;

	desk_open(&k, env);
	assert_null(must_read(&k, "photo_tasks", PHOTO("")));
	assert_null(must_read(&k, "photo_tasks", PHOTO(",\"tasks\":null")));
	assert_null(must_read(&k, "photo_tasks", PHOTO(",\"tasks\":[]")));
	assert_null(must_read(&k, "photo_tasks", PHOTO(",\"tasks\":[\"dance\",\"CLIP\",\"\"]")));
	assert_null(must_read(&k, "photo_tasks", PHOTO(",\"tasks\":[\"ocr\"]")));
	desk_close(&k);
}

TEST(origin_says_what_is_wrong_with_a_photo_message)
{
	struct desk k;

	desk_open(&k, NULL);
	refuses(&k, "photo_tasks", "", "empty");
	refuses(&k, "photo_tasks", "{\"photo_id\":1,", "JSON");
	refuses(&k, "photo_tasks", "[1]", "an object");
	refuses(&k, "photo_tasks", "\"x\"", "JSON");
	refuses(&k, "photo_tasks", "{}", "/photo_id: missing");
	refuses(&k, "photo_tasks", "{}", "/path: missing");
	refuses(&k, "photo_tasks", "{\"photo_id\":\"a1\",\"path\":\"x\"}", "/photo_id: found \"a1\", allowed: a whole number");
	refuses(&k, "photo_tasks", "{\"photo_id\":\"\",\"path\":\"x\"}", "/photo_id");
	refuses(&k, "photo_tasks", "{\"photo_id\":\"1 2\",\"path\":\"x\"}", "/photo_id");
	refuses(&k, "photo_tasks", "{\"photo_id\":\"99999999999999999999\",\"path\":\"x\"}", "/photo_id");
	refuses(&k, "photo_tasks", "{\"photo_id\":99999999999999999999,\"path\":\"x\"}", "JSON");
	refuses(&k, "photo_tasks", "{\"photo_id\":-1,\"path\":\"x\"}", "/photo_id");
	refuses(&k, "photo_tasks", "{\"photo_id\":1.5,\"path\":\"x\"}", "/photo_id");
	refuses(&k, "photo_tasks", "{\"photo_id\":true,\"path\":\"x\"}", "/photo_id");
	refuses(&k, "photo_tasks", "{\"photo_id\":null,\"path\":\"x\"}", "/photo_id");
	refuses(&k, "photo_tasks", "{\"photo_id\":1,\"path\":\"x\",\"user_id\":\"me\"}", "/user_id");
	refuses(&k, "photo_tasks", "{\"photo_id\":1,\"path\":7}", "/path: found 7");
	refuses(&k, "photo_tasks", "{\"photo_id\":1,\"path\":\"\"}", "/path");
	refuses(&k, "photo_tasks", "{\"photo_id\":1,\"path\":\"a\\nb\"}", "/path");
	refuses(&k, "photo_tasks", PHOTO(",\"tasks\":\"clip\""), "/tasks: found \"clip\", allowed: a list");
	refuses(&k, "photo_tasks", PHOTO(",\"tasks\":{\"clip\":1}"), "/tasks");
	refuses(&k, "photo_tasks", PHOTO(",\"tasks\":[\"clip\",3]"), "/tasks/1: found 3");
	refuses(&k, "photo_tasks", PHOTO(",\"path\":\"twice\""), "JSON");
	desk_close(&k);
}

TEST(origin_makes_a_job_of_a_text_message)
{
	struct desk k;
	scoped(submission_free_p) struct submission *s = NULL;

	desk_open(&k, NULL);
	s = must_read(&k, "text_tasks", "{\"type\":\"text_embed\",\"request_id\":\"12\",\"query\":\"a cat\",\"model\":\"nobody-knows\"}");
	assert_int_equal(json_array_size(s->images), 0);
	expect_json(s->params, "{\"text\":{\"text\":\"a cat\",\"model\":\"OFA-Sys/chinese-clip-vit-large-patch14\"},"
		"\"deliver-text\":{\"id\":12,\"model\":\"nobody-knows\"}}");
	expect_json(node(s, "deliver-text")->params, "{\"as\":\"text\",\"dim\":768}");
	expect_json(s->labels, "{\"request_id\":\"12\"}");
	desk_close(&k);
}

static void expect_model(const struct desk *k, const char *member, const char *model, const char *label)
{
	scoped(free_p) char *text = xasprintf("{\"request_id\":1,\"query\":\"q\"%s}", member);
	scoped(submission_free_p) struct submission *s = must_read(k, "text_tasks", text);

	assert_string_equal(json_string_value(json_object_get(json_object_get(s->params, "text"), "model")), model);
	assert_string_equal(json_string_value(json_object_get(json_object_get(s->params, "deliver-text"), "model")), label);
}

TEST(origin_finds_the_model_of_a_texts_label)
{
	static const char *const env[] = { "CLIP_MODELS=one=org/a,two=b", "PROCESSING_DEFAULT_MODEL=usual", "CLIP_MODEL_NAME=org/u", NULL };
	struct desk k;
	FILE *f;

	assert_int_equal(mkdir(test_path("here"), 0700), 0);
	f = fopen(test_path("here/model.json"), "w");
	assert_non_null(f);
	fclose(f);
	desk_open(&k, env);
	free(k.conf.models_dir);
	k.conf.models_dir = xstrdup(test_dir());
	expect_model(&k, ",\"model\":\"one\"", "org/a", "one");
	expect_model(&k, ",\"model\":\"two\"", "b", "two");
	expect_model(&k, ",\"model\":\"usual\"", "org/u", "usual");
	expect_model(&k, "", "org/u", "usual");
	expect_model(&k, ",\"model\":null", "org/u", "usual");
	expect_model(&k, ",\"model\":\"\"", "org/u", "usual");
	expect_model(&k, ",\"model\":\"here\"", "here", "here");
	expect_model(&k, ",\"model\":\"../here\"", "org/u", "../here");
	expect_model(&k, ",\"model\":\"gone\"", "org/u", "gone");
	desk_close(&k);
}

TEST(origin_says_what_is_wrong_with_a_text_message)
{
	struct desk k;

	desk_open(&k, NULL);
	refuses(&k, "text_tasks", "nonsense", "JSON");
	refuses(&k, "text_tasks", "{\"type\":\"photo\",\"request_id\":1,\"query\":\"q\"}",
		"/type: found \"photo\", allowed: \"text_embed\"");
	refuses(&k, "text_tasks", "{\"request_id\":\"x\",\"query\":\"q\"}", "/request_id");
	refuses(&k, "text_tasks", "{\"query\":\"q\"}", "/request_id: missing");
	refuses(&k, "text_tasks", "{\"request_id\":1}", "/query: missing");
	refuses(&k, "text_tasks", "{\"request_id\":1,\"query\":\"\"}", "/query");
	refuses(&k, "text_tasks", "{\"request_id\":1,\"query\":[\"q\"]}", "/query");
	refuses(&k, "text_tasks", "{\"request_id\":1,\"query\":\"q\",\"model\":3}", "/model");
	refuses(&k, "text_tasks", "{\"request_id\":1,\"query\":\"q\",\"model\":\"a\\nb\"}", "/model");
	desk_close(&k);
}

TEST(origin_of_an_empty_name_is_off)
{
	static const char *const env[] = { "REDIS_QUEUE_NAME=", "TEXT_EMBED_QUEUE_NAME=queries", NULL };
	struct desk k;
	size_t n;

	desk_open(&k, env);
	assert_string_equal(origins_all(k.origins, &n)->list, "queries");
	assert_int_equal(n, 1);
	assert_string_equal(origin_find(k.origins, "queries")->dlq, "queries_dlq");
	assert_null(origin_find(k.origins, ""));
	assert_null(origin_find(k.origins, "photo_tasks"));
	desk_close(&k);
}

static void refuses_setting(const char *setting, const char *words)
{
	const char *const env[] = { setting, NULL };
	struct desk k;

	assert_int_equal(try_open(&k, env), -1);
	if (!strstr(k.err.msg, words))
		fail_msg("%s: '%s' is not in '%s'", setting, words, k.err.msg);
	conf_done(&k.conf);
}

TEST(origin_settings_that_make_no_sense_refuse_to_start)
{
	refuses_setting("CLIP_MODELS=one", "CLIP_MODELS: 'one' is not label=model");
	refuses_setting("CAPTION_MAX_LENGTH=many", "CAPTION_MAX_LENGTH");
	refuses_setting("CAPTION_ENABLED=yes", "CAPTION_ENABLED: 'yes' is neither 0 nor 1");
	refuses_setting("OCR_MIN_CONF=1.5", "OCR_MIN_CONF: '1.5' is not a number from 0 to 1");
	refuses_setting("OCR_MIN_CONF=nan", "OCR_MIN_CONF");
	refuses_setting("OCR_LANGS=en;ja", "OCR_LANGS: 'en;ja'");
	refuses_setting("OCR_LANGS=,", "OCR_LANGS");
	refuses_setting("PROJECT_ROOT=./here", "PROJECT_ROOT: './here' is not an absolute path");
	refuses_setting("UPLOAD_BASE_DIR=/a:/b", "UPLOAD_BASE_DIR");
	refuses_setting("API_BASE_URL=gallery:80", "API_BASE_URL: 'gallery:80' does not start with http://");
	refuses_setting("API_BASE_URL=http://h/?x=", "API_BASE_URL");
	refuses_setting("REDIS_QUEUE_NAME=text_tasks", "REDIS_QUEUE_NAME and TEXT_EMBED_QUEUE_NAME are both 'text_tasks'");
	refuses_setting("REDIS_DLQ_NAME=photo_tasks", "are both 'photo_tasks'");
	refuses_setting("REDIS_QUEUE_NAME=pixelfleet:jobs", "own keys");
	refuses_setting("REDIS_QUEUE_NAME=my list", "no blanks");
	refuses_setting("PIXELFLEET_PHOTO_BACKEND=cuda", "PIXELFLEET_PHOTO_BACKEND: 'cuda' is neither onnx nor triton");
	refuses_setting("PROCESSING_EMBEDDING_DIM=0", "PROCESSING_EMBEDDING_DIM: 0 is not from 1");
	refuses_setting("FACE_MODEL_NAME=a name that has more than a hundred and twenty-eight bytes, which is what a model's name may have "
		"at most, as a parameter of a step", "make no pipeline");
}

TEST(origin_settings_that_are_empty_are_their_defaults)
{
	static const char *const env[] = { "CLIP_MODELS=", "CLIP_MODEL_NAME=", "PROCESSING_DEFAULT_MODEL=", "PROCESSING_EMBEDDING_DIM=",
		"OCR_LANGS=", "OCR_ENABLED=", "OCR_MIN_CONF=", "CAPTION_ENABLED=", "FACE_MODEL_NAME=", "REDIS_DLQ_NAME=", "API_BASE_URL=", NULL };
	struct desk k;
	scoped(submission_free_p) struct submission *s = NULL;

	desk_open(&k, env);
	s = must_read(&k, "photo_tasks", PHOTO(",\"tasks\":[\"clip\",\"face\",\"ocr\"]"));
	expect_json(node(s, "clip")->params, "{\"backend\":\"onnx\",\"model\":\"OFA-Sys/chinese-clip-vit-large-patch14\"}");
	expect_json(node(s, "deliver-ocr")->params, "{\"as\":\"ocr\",\"langs\":[\"ch_sim\",\"en\"],\"min_conf\":0.3,\"max_chars\":2000}");
	assert_string_equal(origin_find(k.origins, "photo_tasks")->dlq, "photo_tasks_dlq");
	desk_close(&k);
}

static void expect_letter(const char *message, size_t len, const char *want)
{
	scoped(buf_free) struct buf b = { 0 };

	origin_letter_text(message, len, "why \"not\"", &b);
	assert_string_equal(b.text, want);
}

#define EXPECT_LETTER(message, want) expect_letter(message, sizeof message - 1, want)

TEST(origin_letter_is_the_message_with_the_error)
{
	EXPECT_LETTER("{\"photo_id\": 1, \"z\": [0.5, \"\\u00e9\"], \"a\": null}",
		"{\"photo_id\":1,\"z\":[0.5,\"é\"],\"a\":null,\"error\":\"why \\\"not\\\"\"}");
	EXPECT_LETTER("{}", "{\"error\":\"why \\\"not\\\"\"}");
	EXPECT_LETTER("{\"error\":\"the last time\",\"photo_id\":1}", "{\"error\":\"why \\\"not\\\"\",\"photo_id\":1}");
}

TEST(origin_letter_of_what_is_no_object_has_it_as_text)
{
	EXPECT_LETTER("{\"photo_id\":1,", "{\"message\":\"{\\\"photo_id\\\":1,\",\"error\":\"why \\\"not\\\"\"}");
	EXPECT_LETTER("", "{\"message\":\"\",\"error\":\"why \\\"not\\\"\"}");
	EXPECT_LETTER("[1,2]", "{\"message\":\"[1,2]\",\"error\":\"why \\\"not\\\"\"}");
	EXPECT_LETTER("\xff\0x", "{\"message\":\"\\\\xff\\\\x00x\",\"error\":\"why \\\"not\\\"\"}");
	EXPECT_LETTER("{\"a\":1,\"a\":2}", "{\"message\":\"{\\\"a\\\":1,\\\"a\\\":2}\",\"error\":\"why \\\"not\\\"\"}");
}
