#include "card.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(test_path(name), "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A model "m" with that card (NULL: none) and a model.onnx. */
static void make_model(const char *card)
{
	mkdir(test_path("m"), 0777);
	write_file("m/model.onnx", "bytes");
	if (card)
		write_file("m/model.json", card);
}

static int find(const char *model, const char *part, struct card *c, struct err *err)
{
	return card_find(test_dir(), model, part, c, err);
}

static void refuses(const char *card, const char *says)
{
	struct card c = { 0 };
	struct err err = { 0 };

	make_model(card);
	assert_int_equal(find("m", "", &c, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_null(c.text);
	if (!strstr(err.msg, says) || !strstr(err.msg, "m/model.json"))
		fail_msg("'%s' does not say '%s' and the file", err.msg, says);
}

TEST(card_gives_what_people_say_of_a_model_and_its_file)
{
	struct card c = { 0 };
	struct err err;

	make_model("{\"labels\":[\"cat\",\"dog\"],\"size\":[320,256],\"max_batch\":4,\"inputs\":{\"x\":{\"datatype\":\"FP32\",\"shape\":[1,-1]}},"
		"\"more\":{}}");
	assert_int_equal(find("m", "", &c, &err), 0);
	assert_string_equal(json_string_value(json_array_get(json_object_get(c.text, "labels"), 1)), "dog");
	assert_string_equal(c.path, test_path("m/model.onnx"));
	assert_string_equal(c.dir, test_path("m"));
	assert_string_equal(c.name, "m");
	assert_string_equal(c.triton, "m");
	assert_int_equal(c.max_batch, 4);
	assert_non_null(json_object_get(json_object_get(c.declared, "inputs"), "x"));
	assert_null(json_object_get(c.declared, "outputs"));
	card_done(&c);
}

TEST(card_is_not_needed_where_there_is_a_model_onnx)
{
	struct card c = { 0 };
	struct err err;

	make_model(NULL);
	assert_int_equal(find("m", "", &c, &err), 0);
	assert_int_equal(json_object_size(c.text), 0);
	assert_null(c.declared);
	card_done(&c);
}

TEST(card_of_a_kind_knows_the_usual_files_of_its_parts)
{
	struct card c = { 0 };
	struct err err;

	make_model("{\"kind\":\"clip\",\"triton\":\"clip\",\"parts\":{\"text\":{\"triton\":\"words\",\"max_batch\":2}}}");
	write_file("m/vision_model.onnx", "bytes");
	write_file("m/text_model.onnx", "bytes");
	assert_int_equal(find("m", "image", &c, &err), 0);
	assert_string_equal(c.path, test_path("m/vision_model.onnx"));
	assert_string_equal(c.name, "m/image");
	assert_string_equal(c.triton, "clip_image");
	card_done(&c);
	assert_int_equal(find("m", "text", &c, &err), 0);
	assert_string_equal(c.triton, "words");
	assert_int_equal(c.max_batch, 2);
	card_done(&c);
}

TEST(card_says_which_parts_there_are_when_another_is_wanted)
{
	struct card c = { 0 };
	struct err err;

	make_model("{\"kind\":\"caption\",\"parts\":{\"more\":{\"file\":\"model.onnx\"}}}");
	assert_int_equal(find("m", "", &c, &err), -1);
	assert_non_null(strstr(err.msg, "\"encoder\", \"decoder\", \"more\""));
	assert_int_equal(find("m", "image", &c, &err), -1);
	assert_non_null(strstr(err.msg, "wants \"image\""));
	assert_int_equal(find("m", "more", &c, &err), 0);
	card_done(&c);
	make_model("{\"kind\":\"yolo\"}");
	assert_int_equal(find("m", "image", &c, &err), -1);
	assert_non_null(strstr(err.msg, "one part only"));
}

TEST(card_that_is_missing_with_its_model_is_named_with_the_path_that_was_looked_for)
{
	struct card c = { 0 };
	struct err err;

	assert_int_equal(find("nothing", "", &c, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_non_null(strstr(err.msg, test_path("nothing")));
	mkdir(test_path("empty"), 0777);
	assert_int_equal(find("empty", "", &c, &err), -1);
	assert_non_null(strstr(err.msg, test_path("empty/model.onnx")));
	make_model("{\"file\":\"onnx/other.onnx\"}");
	assert_int_equal(find("m", "", &c, &err), -1);
	assert_non_null(strstr(err.msg, test_path("m/onnx/other.onnx")));
}

TEST(card_of_a_model_on_a_server_may_be_missing)
{
	struct card c = { 0 };
	struct err err;

	assert_int_equal(card_find_served(test_dir(), "org/some-clip", "image", &c, &err), 0);
	assert_string_equal(c.triton, "some-clip_image");
	assert_string_equal(c.name, "org/some-clip/image");
	assert_string_equal(c.dir, "");
	card_done(&c);
	mkdir(test_path("m"), 0777);
	write_file("m/model.json", "{\"kind\":\"clip\",\"parts\":{\"image\":{\"file\":\"i.onnx\",\"triton\":\"pictures\"}}}");
	assert_int_equal(card_find_served(test_dir(), "m", "image", &c, &err), 0);
	assert_string_equal(c.triton, "pictures");
	assert_string_equal(c.dir, test_path("m"));
	card_done(&c);
	write_file("m/model.json", "{\"kind\":3}");
	assert_int_equal(card_find_served(test_dir(), "m", "image", &c, &err), -1);
}

TEST(card_names_are_one_name_or_two)
{
	static const char *const good[] = { "m", "yolov8n", "OFA-Sys/chinese-clip-vit-large-patch14", "_x/0.1", "a.b-c" };
	static const char *const bad[] = { "", ".", "..", "../x", "a/../b", "a/b/c", "/a", "a/", "a//b", "-a", "a/.b", "a b", "a\nb" };

	for (size_t i = 0; i < countof(good); i++)
		assert_true(card_is_name(good[i]));
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(card_is_name(bad[i]));
}

TEST(card_of_two_names_is_a_directory_in_a_directory)
{
	struct card c = { 0 };
	struct err err;

	mkdir(test_path("org"), 0777);
	mkdir(test_path("org/m"), 0777);
	write_file("org/m/model.onnx", "bytes");
	assert_int_equal(find("org/m", "", &c, &err), 0);
	assert_string_equal(c.triton, "m");
	assert_string_equal(c.name, "org/m");
	card_done(&c);
}

TEST(card_labels_may_be_lines_of_a_file)
{
	struct card c = { 0 };
	struct err err;

	make_model("{\"labels_file\":\"names.txt\"}");
	write_file("m/names.txt", "person\r\nhot dog\n\nlast");
	assert_int_equal(find("m", "", &c, &err), 0);
	assert_int_equal(json_array_size(json_object_get(c.text, "labels")), 4);
	assert_string_equal(json_string_value(json_array_get(json_object_get(c.text, "labels"), 0)), "person");
	assert_string_equal(json_string_value(json_array_get(json_object_get(c.text, "labels"), 3)), "last");
	card_done(&c);
	write_file("m/names.txt", "good\n\xff\n");
	assert_int_equal(find("m", "", &c, &err), -1);
	assert_non_null(strstr(err.msg, "names.txt': line 2"));
	refuses("{\"labels_file\":\"none.txt\"}", "m/none.txt");
}

TEST(card_labels_with_nul_are_refused_and_not_left_to_a_runner_that_cannot_read_them)
{
	struct card c = { 0 };
	struct err err;
	FILE *f;

	make_model("{\"labels_file\":\"names.txt\"}");
	f = fopen(test_path("m/names.txt"), "we");
	assert_non_null(f);
	assert_int_equal(fwrite("cat\nd\0o\0g\0", 1, 10, f), 10);
	fclose(f);
	assert_int_equal(find("m", "", &c, &err), -1);
	assert_non_null(strstr(err.msg, "names.txt': line 2: allowed are at most"));
	assert_non_null(strstr(err.msg, "without NUL"));
}

TEST(card_that_is_wrong_names_file_member_what_was_found_and_what_is_allowed)
{
	static const struct { const char *card, *says; } wrong[] = {
		{ "", "is no JSON: line 1" }, { "{", "is no JSON" }, { "[]", "/: found []; allowed: an object" },
		{ "{\"kind\":\"klip\"}", "/kind: found \"klip\"; allowed: one of clip, caption, faces, yolo" },
		{ "{\"labels\":{}}", "/labels: found {}; allowed: a list of at most 100000 texts" },
		{ "{\"labels\":[1]}", "/labels: found [1]" },
		{ "{\"labels\":[],\"labels_file\":\"x\"}", "either \"labels\" or \"labels_file\"" },
		{ "{\"file\":\"../x.onnx\"}", "/file: found \"../x.onnx\"; allowed: a file of the model's directory" },
		{ "{\"file\":\"/x.onnx\"}", "/file" }, { "{\"file\":\"a//b\"}", "/file" }, { "{\"file\":\"a/./b\"}", "/file" },
		{ "{\"file\":\"a\\n\"}", "/file" }, { "{\"file\":\"\"}", "/file" }, { "{\"file\":\"a/\"}", "/file" },
		{ "{\"file\":\"x\",\"parts\":{\"a\":{\"file\":\"x\"}}}", "either \"file\" or \"parts\"" },
		{ "{\"parts\":{}}", "/parts: found {}; allowed: an object of 1 to 8 members" },
		{ "{\"parts\":{\"a/b\":{\"file\":\"x\"}}}", "/parts/a/b" },
		{ "{\"kind\":\"clip\",\"parts\":{\"other\":{}}}", "/parts/other: found {}; allowed: \"file\" is needed" },
		{ "{\"parts\":{\"a\":{\"file\":\"x\",\"inputs\":{\"i\":{\"shape\":[1.5]}}}}}", "/parts/a/inputs/i/shape: found [1.5]" },
		{ "{\"inputs\":{\"i\":{\"datatype\":\"FLOAT\"}}}", "/inputs/i/datatype: found \"FLOAT\"; allowed: one of BOOL" },
		{ "{\"inputs\":{\"i\":{\"shape\":[-2]}}}", "/inputs/i/shape: found [-2]; allowed: a list of at most 8 sizes; -1 is any" },
		{ "{\"max_batch\":0}", "/max_batch: found 0; allowed: a whole number, 1 to 1024" },
		{ "{\"size\":[640]}", "/size: found [640]; allowed: [width, height], each 1 to 8192" },
		{ "{\"size\":[640,0]}", "/size" },
		{ "{\"preprocess\":{\"resize\":\"crap\"}}", "/preprocess/resize: found \"crap\"; allowed: one of crop, squash, letterbox, top_left" },
		{ "{\"preprocess\":{\"std\":[0,1,1]}}", "/preprocess/std: found [0,1,1]" },
		{ "{\"preprocess\":[]}", "/preprocess: found []; allowed: an object" },
		{ "{\"tokenizer\":{\"type\":\"bpe\"}}", "/tokenizer/type: found \"bpe\"; allowed: one of clip, wordpiece" },
		{ "{\"tokenizer\":{\"vocab\":\"../vocab\"}}", "/tokenizer/vocab" },
		{ "{\"decoder\":{\"max_length\":\"long\"}}", "/decoder/max_length: found \"long\"" },
		{ "{\"triton\":\".x\"}", "/triton: found \".x\"" }, { "{\"dim\":-3}", "/dim: found -3" },
		{ "{\"title\":7,\"kind\":8,\"dim\":9.5}", "(and 2 more)" },
	};

	for (size_t i = 0; i < countof(wrong); i++)
		refuses(wrong[i].card, wrong[i].says);
}

TEST(card_that_is_no_file_is_refused_at_once)
{
	struct card c = { 0 };
	struct err err;

	mkdir(test_path("m"), 0777);
	assert_int_equal(mkfifo(test_path("m/model.json"), 0666), 0);
	assert_int_equal(find("m", "", &c, &err), -1);
	assert_non_null(strstr(err.msg, "no file"));
}

TEST(card_of_a_model_that_is_a_link_to_elsewhere_is_refused)
{
	struct card c = { 0 };
	struct err err;
	char top[300];

	mkdir(test_path("top"), 0777);
	mkdir(test_path("m"), 0777);
	write_file("m/model.onnx", "bytes");
	assert_int_equal(symlink(test_path("m"), test_path("top/m")), 0);
	snprintf(top, sizeof top, "%s", test_path("top"));
	assert_int_equal(card_find(top, "m", "", &c, &err), -1);
	assert_non_null(strstr(err.msg, "is a link to"));
	assert_non_null(strstr(err.msg, test_path("m/model.onnx")));
}

TEST(card_and_labels_that_are_links_to_elsewhere_are_refused)
{
	struct card c = { 0 };
	struct err err = { 0 };

	make_model("{\"labels_file\":\"labels.txt\"}");
	write_file("inside.txt", "cat\n");
	assert_int_equal(symlink("../inside.txt", test_path("m/labels.txt")), 0);
	assert_int_equal(find("m", "", &c, &err), 0);
	card_done(&c);
	assert_int_equal(unlink(test_path("m/labels.txt")), 0);
	assert_int_equal(symlink("/etc/passwd", test_path("m/labels.txt")), 0);
	assert_int_equal(find("m", "", &c, &err), -1);
	assert_non_null(strstr(err.msg, "m/labels.txt' is a link to '/etc/passwd'"));
	assert_int_equal(unlink(test_path("m/model.json")), 0);
	assert_int_equal(symlink("/etc/passwd", test_path("m/model.json")), 0);
	assert_int_equal(find("m", "", &c, &err), -1);
	assert_non_null(strstr(err.msg, "m/model.json' is a link to '/etc/passwd'"));
	assert_null(strstr(err.msg, "root"));
}

static void has_parts(const char *card, const char *names)
{
	scoped(card_done) struct card c = { 0 };
	scoped(json_decref_p) json_t *list = NULL;
	scoped(free_p) char *text = NULL;
	struct err err;

	make_model(card);
	assert_int_equal(card_parts(test_dir(), "m", &c, &list, &err), 0);
	text = json_dumps(list, JSON_COMPACT);
	assert_string_equal(text, names);
	assert_string_equal(c.dir, test_path("m"));
	assert_null(c.path);
}

TEST(card_tells_the_parts_that_a_model_should_have)
{
	struct card c = { 0 };
	json_t *list = NULL;
	struct err err;

	has_parts("{\"kind\":\"clip\"}", "[\"image\",\"text\"]");
	has_parts("{\"kind\":\"clip\",\"file\":\"model.onnx\"}", "[\"\"]");
	has_parts("{\"kind\":\"faces\",\"parts\":{\"more\":{\"file\":\"x.onnx\"},\"embed\":{}}}", "[\"detect\",\"embed\",\"more\"]");
	has_parts("{}", "[\"\"]");
	assert_int_equal(card_parts(test_dir(), "nothing", &c, &list, &err), -1);
	assert_int_equal(card_parts(test_dir(), "../m", &c, &list, &err), -1);
	make_model("{\"kind\":4}");
	assert_int_equal(card_parts(test_dir(), "m", &c, &list, &err), -1);
	assert_null(list);
}
