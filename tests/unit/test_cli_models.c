/* `pixelfleet models` as far as no model is run: what is in a directory that other people filled. */
#include "test.h"
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *out, *msg;

static void done(void)
{
	free(out);
	free(msg);
	out = msg = NULL;
	unsetenv("PIXELFLEET_MODELS_DIR");
}

static int run(const char *const *argv, int argc)
{
	size_t out_len, msg_len;
	FILE *to, *complaints;
	int code;

	free(out);
	free(msg);
	to = open_memstream(&out, &out_len);
	complaints = open_memstream(&msg, &msg_len);
	code = cli_main(argc, argv, to, complaints);
	fclose(to);
	fclose(complaints);
	return code;
}

#define RUN(...) run((const char *const[]){ "pixelfleet", "models", __VA_ARGS__ }, \
	(int)countof(((const char *const[]){ "pixelfleet", "models", __VA_ARGS__ })))

static void assert_says(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("'%s' does not say '%s'", text, what);
}

/* A file "m/x" and the folders above it, in a fresh directory of models. */
static void put(const char *name, const char *text)
{
	scoped(free_p) char *path = xstrdup(test_path(name));
	FILE *f;

	for (char *slash = path + strlen(test_dir()) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0777);
		*slash = '/';
	}
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	setenv("PIXELFLEET_MODELS_DIR", test_dir(), 1);
}

/* The model of that name in the answer of `models list --json`. */
static const json_t *model_of(const json_t *answer, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "models"), i, one)
		if (strcmp(cli_str(one, "model"), name) == 0)
			return one;
	fail_msg("there is no '%s' in '%s'", name, out);
	return NULL;
}

static json_t *list(void)
{
	json_t *answer;

	assert_int_equal(RUN("list", "--json"), CLI_OK);
	answer = json_loads(out, 0, NULL);
	assert_non_null(answer);
	return answer;
}

TEST(cli_models_list_has_kind_parts_labels_and_licence)
{
	scoped(json_decref_p) json_t *answer = NULL;
	const json_t *m;

	put("clip/model.json", "{\"kind\":\"clip\",\"license\":\"MIT\",\"title\":\"T\"}");
	put("clip/vision_model.onnx", "12345");
	put("clip/text_model.onnx", "1");
	put("clip/tokenizer.json", "{}");
	put("org/yolo/model.json", "{\"kind\":\"yolo\",\"file\":\"a/b.onnx\",\"labels\":[\"a\",\"b\"]}");
	put("org/yolo/a/b.onnx", "123");
	put("bare/model.onnx", "1");
	put(".hidden/model.onnx", "1");
	put("a-file", "1");
	answer = list();
	assert_int_equal(json_array_size(json_object_get(answer, "models")), 3);
	m = model_of(answer, "clip");
	assert_string_equal(cli_str(m, "state"), "ok");
	assert_string_equal(cli_str(m, "license"), "MIT");
	assert_int_equal(cli_int(json_array_get(json_object_get(m, "parts"), 0), "bytes"), 5);
	m = model_of(answer, "org/yolo");
	assert_string_equal(cli_str(m, "state"), "ok");
	assert_int_equal(cli_int(m, "labels"), 2);
	assert_string_equal(cli_str(model_of(answer, "bare"), "kind"), "other");
	assert_int_equal(RUN("list"), CLI_OK);
	assert_says(out, "clip      clip   image 5 B, text 1 B          MIT      ok\n");
	assert_says(out, "org/yolo  yolo   3 B                       2");
	done();
}

TEST(cli_models_list_says_what_is_wrong_and_goes_on)
{
	scoped(json_decref_p) json_t *answer = NULL;

	put("empty/note.txt", "");
	put("no-json/model.json", "{");
	put("bad-kind/model.json", "{\"kind\":\"nothing\"}");
	put("half/model.json", "{\"kind\":\"faces\"}");
	put("half/det_10g.onnx", "1");
	put("no-words/model.json", "{\"kind\":\"caption\"}");
	put("no-words/encoder.onnx", "1");
	put("no-words/decoder.onnx", "1");
	put("served/model.json", "{\"kind\":\"yolo\",\"labels\":[\"a\"]}");
	put("image-only/model.json", "{\"kind\":\"clip\",\"parts\":{\"image\":{}}}");
	put("image-only/vision_model.onnx", "1");
	put("odd name/model.onnx", "1");
	answer = list();
	assert_says(cli_str(model_of(answer, "empty"), "problem"), "no model.json that names another");
	assert_says(cli_str(model_of(answer, "no-json"), "problem"), "no-json/model.json' is no JSON");
	assert_says(cli_str(model_of(answer, "bad-kind"), "problem"), "/kind: found \"nothing\"; allowed: one of clip");
	assert_says(cli_str(model_of(answer, "half"), "problem"), "w600k_r50.onnx");
	assert_says(cli_str(model_of(answer, "no-words"), "problem"), "no vocab.txt, vocab.json or tokenizer.json");
	assert_string_equal(cli_str(model_of(answer, "no-words"), "state"), "broken");
	assert_string_equal(cli_str(model_of(answer, "served"), "state"), "card only");
	assert_string_equal(cli_str(model_of(answer, "image-only"), "state"), "ok");
	assert_says(cli_str(model_of(answer, "odd name"), "problem"), "is no name of a model");
	done();
}

TEST(cli_models_of_strangers_cannot_speak_to_the_terminal)
{
	put("m/model.json", "{\"license\":\"\\u001b]0;mine\\u0007\\u202e\",\"file\":\"gone\\u00e9.onnx\"}");
	put("\033[2Jname/model.onnx", "1");
	put("\xff\xfe/model.onnx", "1");
	assert_int_equal(RUN("list"), CLI_OK);
	assert_null(strchr(out, '\033'));
	assert_null(strchr(out, '\a'));
	assert_null(strstr(out, "\xff"));
	assert_says(out, "<U+001B>]0;mine<U+0007><U+202E>");
	assert_says(out, "<U+001B>[2Jname");
	assert_says(out, "<FF><FE>");
	assert_int_equal(RUN("list", "--json"), CLI_OK);
	assert_null(strchr(out, '\033'));
	assert_int_equal(RUN("check", "m"), CLI_FAILED);
	assert_null(strchr(out, '\033'));
	assert_int_equal(RUN("check", "\033[2J"), CLI_NOT_FOUND);
	assert_null(strchr(msg, '\033'));
	done();
}

TEST(cli_models_of_strangers_are_read_within_limits_and_within_their_directory)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(free_p) char *long_text = xcalloc(1, (1 << 20) + 40);

	memset(long_text, ' ', (1 << 20) + 30);
	put("long/model.json", long_text);
	put("long/model.onnx", "1");
	memset(long_text, '[', 100000);
	long_text[100000] = '\0';
	put("deep/model.json", long_text);
	put("up/model.json", "{\"file\":\"../bare/model.onnx\"}");
	put("labels/model.json", "{\"labels_file\":\"words\"}");
	put("labels/model.onnx", "1");
	put("pipe/model.onnx", "1");
	assert_int_equal(symlink("/etc/passwd", test_path("labels/words")), 0);
	assert_int_equal(mkfifo(test_path("pipe/model.json"), 0600), 0);
	answer = list();
	assert_says(cli_str(model_of(answer, "long"), "problem"), "is no file of at most 1048576 bytes");
	assert_says(cli_str(model_of(answer, "deep"), "problem"), "is no JSON");
	assert_says(cli_str(model_of(answer, "up"), "problem"), "/file: found");
	assert_says(cli_str(model_of(answer, "labels"), "problem"), "models have to be in PIXELFLEET_MODELS_DIR");
	assert_says(cli_str(model_of(answer, "pipe"), "problem"), "is no file");
	assert_null(strstr(out, "root:"));
	done();
}

TEST(cli_models_that_are_not_there_are_named_with_the_path)
{
	put("m/model.onnx", "1");
	assert_int_equal(RUN("check", "nothing"), CLI_NOT_FOUND);
	assert_says(msg, test_path("nothing"));
	assert_int_equal(RUN("check", "../etc"), CLI_NOT_FOUND);
	assert_int_equal(RUN("bench", "nothing"), CLI_NOT_FOUND);
	assert_int_equal(RUN("bench", "m", "--part", "image"), CLI_NOT_FOUND);
	assert_says(msg, "one part only");
	assert_int_equal(RUN("check", test_path("nothing.onnx")), CLI_USAGE);
	assert_says(msg, "nothing.onnx': No such file");
	setenv("PIXELFLEET_MODELS_DIR", test_path("none"), 1);
	assert_int_equal(RUN("list"), CLI_USAGE);
	assert_says(msg, test_path("none"));
	assert_says(msg, "PIXELFLEET_MODELS_DIR");
	assert_int_equal(RUN("check", "m"), CLI_USAGE);
	assert_int_equal(RUN("list", "--json"), CLI_USAGE);
	assert_says(out, "{\"error\":{\"message\":");
	done();
}

TEST(cli_models_bench_refuses_numbers_that_make_no_sense)
{
	put("m/model.onnx", "1");
	assert_int_equal(RUN("bench", "m", "--callers", "0"), CLI_USAGE);
	assert_int_equal(RUN("bench", "m", "--seconds", "9999"), CLI_USAGE);
	assert_int_equal(RUN("bench", "m", "--batch", "many"), CLI_USAGE);
	assert_says(msg, "--batch: 'many' is not a whole number from 1 to 4096");
	assert_int_equal(RUN("bench", test_path("m/model.onnx"), "--part", "image"), CLI_USAGE);
	assert_says(msg, "a file has no parts");
	done();
}

TEST(cli_models_are_completed_by_the_shell)
{
	setenv("PIXELFLEET_MODELS_DIR", test_dir(), 1);
	assert_int_equal(run((const char *const[]){ "pixelfleet", "completion", "models", "" }, 4), CLI_OK);
	assert_string_equal(out, "list\ncheck\nbench\n");
	assert_int_equal(run((const char *const[]){ "pixelfleet", "completion", "models", "check", "" }, 5), CLI_OK);
	assert_string_equal(out, "@model\n");
	done();
}
