#include "kserve.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("tensors", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	return fd;
}

static int request(const char *ask, int fd, struct buf *to, size_t *header, struct err *err)
{
	json_t *said = json_loads(ask, 0, NULL);
	int rc;

	assert_non_null(said);
	rc = kserve_request(said, fd, to, header, err);
	json_decref(said);
	return rc;
}

TEST(kserve_request_is_json_and_then_the_bytes)
{
	const float values[] = { 1, 2.5f, -3, 0, 7, 8 };
	scoped(close_p) int fd = file_of(values, sizeof values);
	scoped(buf_free) struct buf b = { 0 };
	json_t *head, *want = json_loads("{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1,4],"
		"\"parameters\":{\"binary_data_size\":16}},{\"name\":\"b\",\"datatype\":\"FP32\",\"shape\":[2],"
		"\"parameters\":{\"binary_data_size\":8}}],\"outputs\":[{\"name\":\"o\",\"parameters\":{\"binary_data\":true}}]}", 0, NULL);
	struct err err;
	size_t header = 0;

	assert_int_equal(request("{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1,4],\"bytes\":16},"
		"{\"name\":\"b\",\"datatype\":\"FP32\",\"shape\":[2],\"bytes\":8}],\"outputs\":[\"o\"]}", fd, &b, &header, &err), 0);
	assert_int_equal(b.len, header + sizeof values);
	assert_memory_equal(b.text + header, values, sizeof values);
	head = json_loadb(b.text, header, 0, NULL);
	assert_true(json_equal(head, want));
	json_decref(head);
	json_decref(want);
}

TEST(kserve_request_reads_nothing_but_a_regular_file)
{
	scoped(close_p) int fd = eventfd(0, EFD_CLOEXEC);       /* a read of it waits until somebody writes */
	scoped(buf_free) struct buf b = { 0 };
	struct err err;
	size_t header;

	assert_true(fd >= 0);
	alarm(20);
	assert_int_equal(request("{\"inputs\":[{\"name\":\"a\",\"datatype\":\"UINT8\",\"shape\":[8],\"bytes\":8}]}", fd, &b, &header, &err), -1);
	alarm(0);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_non_null(strstr(err.msg, "no regular file"));
}

TEST(kserve_request_without_outputs_asks_for_all_as_binary)
{
	scoped(close_p) int fd = file_of("x", 1);
	scoped(buf_free) struct buf b = { 0 };
	struct err err;
	size_t header;

	assert_int_equal(request("{\"inputs\":[{\"name\":\"a\",\"datatype\":\"UINT8\",\"shape\":[1],\"bytes\":1}]}", fd, &b, &header, &err), 0);
	assert_non_null(strstr(b.text, "\"parameters\":{\"binary_data_output\":true}"));
}

TEST(kserve_request_for_the_best_classes_of_an_output)
{
	scoped(close_p) int fd = file_of("x", 1);
	scoped(buf_free) struct buf b = { 0 };
	struct err err;
	size_t header;

	assert_int_equal(request("{\"inputs\":[{\"name\":\"a\",\"datatype\":\"UINT8\",\"shape\":[1],\"bytes\":1}],"
		"\"outputs\":[{\"name\":\"o\",\"classification\":5},\"p\"]}", fd, &b, &header, &err), 0);
	assert_non_null(strstr(b.text, "\"outputs\":[{\"name\":\"o\",\"parameters\":{\"binary_data\":true,\"classification\":5}},"
		"{\"name\":\"p\",\"parameters\":{\"binary_data\":true}}]"));
}

TEST(kserve_requests_that_make_no_sense_are_refused)
{
	static const struct { const char *ask, *says; } bad[] = {
		{ "{}", "0 inputs" },
		{ "{\"inputs\":[{\"datatype\":\"FP32\",\"shape\":[1],\"bytes\":4}]}", "no name" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP31\",\"shape\":[1],\"bytes\":4}]}", "'FP31' is no data type" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[2],\"bytes\":4}]}",
			"said to have 4 bytes, its shape of 2 x FP32 needs 8" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1,-1],\"bytes\":4}]}", "dimension 1" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[2000000000,2000000000],\"bytes\":4}]}", "elements" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":\"x\",\"bytes\":4}]}", "no list" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[2],\"bytes\":8}]}", "ends after 4 of 8 bytes" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"BYTES\",\"shape\":[2],\"bytes\":999999999}]}", "are left" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1],\"bytes\":4}],\"outputs\":[3]}", "output 0 is no text" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1],\"bytes\":4}],\"outputs\":[\"o\",{}]}", "output 1 is no text" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1],\"bytes\":4}],\"outputs\":[{\"name\":\"o\"}]}",
			"not from 1 to 100000" },
		{ "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1],\"bytes\":4}],\"outputs\":[{\"name\":\"o\","
			"\"classification\":0}]}", "not from 1 to 100000" },
	};
	scoped(close_p) int fd = file_of("abcd", 4);

	for (size_t i = 0; i < countof(bad); i++) {
		scoped(buf_free) struct buf b = { 0 };
		struct err err;
		size_t header;

		assert_int_equal(request(bad[i].ask, fd, &b, &header, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
	}
}

struct reading {
	int rc;
	json_t *outputs;
	struct buf bytes;
	struct err err;
};

/* `binary` follows the JSON; without it there is no header either. */
static struct reading answer(const char *json, const void *binary, size_t n)
{
	scoped(buf_free) struct buf body = { 0 };
	struct reading r = { 0 };
	char header[32] = "";

	buf_puts(&body, json);
	if (binary) {
		snprintf(header, sizeof header, "%zu", body.len);
		buf_add(&body, binary, n);
	}
	r.rc = kserve_answer(&body, header, &r.outputs, &r.bytes, &r.err);
	return r;
}

static void reading_done(struct reading *r)
{
	json_decref(r->outputs);
	buf_free(&r->bytes);
}

TEST(kserve_answer_in_binary_and_in_json_is_the_same)
{
	const float v[] = { 0.5f, -2, 1e-3f, 4 };
	struct reading a = answer("{\"model_name\":\"m\",\"outputs\":[{\"name\":\"o\",\"datatype\":\"FP32\",\"shape\":[2,2],"
		"\"parameters\":{\"binary_data_size\":16}}]}", v, sizeof v);
	struct reading flat = answer("{\"outputs\":[{\"name\":\"o\",\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[0.5,-2,0.001,4.0]}]}",
		NULL, 0);
	struct reading nested = answer("{\"outputs\":[{\"name\":\"o\",\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[[0.5,-2],[1e-3,4]]}]}",
		NULL, 0);

	assert_int_equal(a.rc + flat.rc + nested.rc, 0);
	assert_int_equal(a.bytes.len, sizeof v);
	assert_memory_equal(a.bytes.text, v, sizeof v);
	assert_int_equal(flat.bytes.len, sizeof v);
	assert_memory_equal(flat.bytes.text, v, sizeof v);
	assert_memory_equal(nested.bytes.text, v, sizeof v);
	assert_true(json_equal(a.outputs, flat.outputs));
	assert_true(json_equal(a.outputs, nested.outputs));
	reading_done(&a);
	reading_done(&flat);
	reading_done(&nested);
}

TEST(kserve_answer_is_the_same_in_binary_and_in_json_for_every_type)
{
	static const struct { const char *type, *data, *binary; size_t n; } same[] = {
		{ "BOOL", "[true,false]", "\1\0", 2 },
		{ "UINT8", "[0,255]", "\0\xff", 2 },
		{ "INT8", "[-128,127]", "\x80\x7f", 2 },
		{ "UINT16", "[65535,1]", "\xff\xff\1\0", 4 },
		{ "INT16", "[-32768,-2]", "\0\x80\xfe\xff", 4 },
		{ "UINT32", "[4294967295,1]", "\xff\xff\xff\xff\1\0\0\0", 8 },
		{ "INT32", "[-2147483648,2]", "\0\0\0\x80\2\0\0\0", 8 },
		{ "UINT64", "[9223372036854775807,1]", "\xff\xff\xff\xff\xff\xff\xff\x7f\1\0\0\0\0\0\0\0", 16 },
		{ "INT64", "[-9223372036854775808,1]", "\0\0\0\0\0\0\0\x80\1\0\0\0\0\0\0\0", 16 },
		{ "FP16", "[1.5,-65504]", "\0\x3e\xff\xfb", 4 },
		{ "BF16", "[1.5,-3e38]", "\xc0\x3f\x62\xff", 4 },
		{ "FP32", "[1.5,-0.1]", "\0\0\xc0\x3f\xcd\xcc\xcc\xbd", 8 },
		{ "FP64", "[1.5,-0.1]", "\0\0\0\0\0\0\xf8\x3f\x9a\x99\x99\x99\x99\x99\xb9\xbf", 16 },
		{ "BYTES", "[\"a\",\"\"]", "\1\0\0\0a\0\0\0\0", 9 },
	};

	for (size_t i = 0; i < countof(same); i++) {
		char json[300];
		struct reading a, b;

		snprintf(json, sizeof json, "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"%s\",\"shape\":[2],\"data\":%s}]}", same[i].type, same[i].data);
		a = answer(json, NULL, 0);
		snprintf(json, sizeof json, "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"%s\",\"shape\":[2],\"parameters\":"
			"{\"binary_data_size\":%zu}}]}", same[i].type, same[i].n);
		b = answer(json, same[i].binary, same[i].n);
		if (a.rc || b.rc)
			fail_msg("%s: %s", same[i].type, a.rc ? a.err.msg : b.err.msg);
		if (a.bytes.len != same[i].n || memcmp(a.bytes.text, same[i].binary, same[i].n) != 0)
			fail_msg("%s came as other bytes from JSON", same[i].type);
		assert_int_equal(b.bytes.len, a.bytes.len);
		assert_memory_equal(b.bytes.text, a.bytes.text, a.bytes.len);
		assert_true(json_equal(a.outputs, b.outputs));
		reading_done(&a);
		reading_done(&b);
	}
}

TEST(kserve_answer_may_mix_tensors_types_and_ways)
{
	struct reading r = answer("{\"outputs\":["
		"{\"name\":\"a\",\"datatype\":\"UINT8\",\"shape\":[3],\"parameters\":{\"binary_data_size\":3}},"
		"{\"name\":\"b\",\"datatype\":\"INT64\",\"shape\":[2],\"data\":[-1,9000000000]},"
		"{\"name\":\"c\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"hi\",\"\"]},"
		"{\"name\":\"d\",\"datatype\":\"BYTES\",\"shape\":[2],\"parameters\":{\"binary_data_size\":11}},"
		"{\"name\":\"e\",\"datatype\":\"BOOL\",\"shape\":[2],\"data\":[true,false]},"
		"{\"name\":\"f\",\"datatype\":\"FP16\",\"shape\":[1],\"parameters\":{\"binary_data_size\":2}}]}",
		"xyz\1\0\0\0q\2\0\0\0rs\x00\x3c", 16);
	static const char want[] = "xyz\xff\xff\xff\xff\xff\xff\xff\xff\x00\x1a\x71\x18\x02\x00\x00\x00"
		"\2\0\0\0hi\0\0\0\0\1\0\0\0q\2\0\0\0rs\1\0\x00\x3c";

	/* The binary ones are 3 + 11 + 2 bytes: the last element of d has two. */
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	assert_int_equal(r.bytes.len, sizeof want - 1);
	assert_memory_equal(r.bytes.text, want, sizeof want - 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(r.outputs, 3), "offset")), 29);
	reading_done(&r);
}

#define OUT(type, shape, rest) "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"" type "\",\"shape\":" shape "," rest "}]}"
#define BIN(n) "\"parameters\":{\"binary_data_size\":" n "}"

TEST(kserve_answers_of_hostile_servers_are_errors)
{
	static const struct { const char *json, *binary; size_t n; const char *says; } bad[] = {
		{ "", "", 0, "not JSON" },
		{ "<html>", NULL, 0, "not JSON" },
		{ "[]", NULL, 0, "no list" },
		{ "{\"outputs\":7}", NULL, 0, "no list" },
		{ "{\"outputs\":[7]}", NULL, 0, "no name" },
		{ OUT("FP32", "[2]", BIN("8")), "abcd", 4, "said to have 8 bytes where 4 are left" },
		{ OUT("FP32", "[1]", BIN("4")), "abcdefgh", 8, "4 bytes are left behind" },
		{ OUT("FP32", "[3]", BIN("8")), "abcdefgh", 8, "needs 12" },
		{ OUT("FP32", "[1]", BIN("-4")), "abcd", 4, "-4 bytes" },
		{ OUT("FP32", "[1]", BIN("\"4\"")), "abcd", 4, "-1 bytes" },
		{ OUT("FP32", "[-1]", BIN("4")), "abcd", 4, "dimension 0" },
		{ OUT("FP32", "[4611686018427387904,4]", BIN("4")), "abcd", 4, "dimension 0" },
		{ OUT("FP32", "[65536,65536,65536]", BIN("4")), "abcd", 4, "elements" },
		{ OUT("FP32", "[1,1,1,1,1,1,1,1,1]", BIN("4")), "abcd", 4, "at most 8" },
		{ OUT("FP64x", "[1]", BIN("4")), "abcd", 4, "no data type" },
		{ OUT("FP32", "[2]", "\"data\":[1]"), NULL, 0, "1 values, its shape needs 2" },
		{ OUT("FP32", "[2]", "\"data\":[1,2,3]"), NULL, 0, "3 values" },
		{ OUT("FP32", "[1]", "\"data\":[\"1\"]"), NULL, 0, "no FP32" },
		{ OUT("FP32", "[1]", "\"data\":[NaN]"), NULL, 0, "not JSON" },
		{ OUT("FP32", "[1]", "\"data\":[[[[[[[[[[1]]]]]]]]]]"), NULL, 0, "nested" },
		{ OUT("UINT8", "[1]", "\"data\":[256]"), NULL, 0, "no UINT8" },
		{ OUT("INT8", "[1]", "\"data\":[-129]"), NULL, 0, "no INT8" },
		{ OUT("INT32", "[1]", "\"data\":[1.5]"), NULL, 0, "no INT32" },
		{ OUT("BYTES", "[1]", "\"data\":[1]"), NULL, 0, "no BYTES" },
		{ OUT("FP16", "[1]", "\"data\":[\"1\"]"), NULL, 0, "no FP16" },
		{ OUT("BF16", "[1]", "\"data\":[true]"), NULL, 0, "no BF16" },
		{ OUT("FP32", "[1]", "\"no\":1"), NULL, 0, "neither" },
		{ OUT("BYTES", "[2]", BIN("5")), "\1\0\0\0a", 5, "end before element 1" },
		{ OUT("BYTES", "[1]", BIN("5")), "\2\0\0\0a", 5, "2 bytes where 1 are left" },
		{ OUT("BYTES", "[1]", BIN("6")), "\1\0\0\0ab", 6, "behind its last element" },
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct reading r = answer(bad[i].json, bad[i].binary, bad[i].n);

		if (r.rc == 0 || !strstr(r.err.msg, bad[i].says))
			fail_msg("%zu: '%s' does not say '%s'", i, r.rc ? r.err.msg : "success", bad[i].says);
		assert_int_equal(r.err.kind, ERR_RETRY);
		reading_done(&r);
	}
}

TEST(kserve_answer_whose_header_lies_is_an_error)
{
	static const char *const headers[] = { "3", "-1", "+2", " 2", "999", "18446744073709551616", "2x", "x" };
	struct buf body = { (char *)(uintptr_t)"{}", 2, 0 };

	for (size_t i = 0; i < countof(headers); i++) {
		struct reading r = { 0 };

		assert_int_equal(kserve_answer(&body, headers[i], &r.outputs, &r.bytes, &r.err), -1);
		if (!strstr(r.err.msg, KSERVE_HEADER))
			fail_msg("%s: %s", headers[i], r.err.msg);
	}
}

TEST(kserve_answer_of_millions_of_json_values_is_refused_before_it_is_parsed)
{
	scoped(buf_free) struct buf b = { 0 };
	struct reading r = { 0 };

	buf_puts(&b, "{\"outputs\":[");
	while (b.len < (size_t)10 << 20)
		buf_puts(&b, "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,");
	assert_int_equal(kserve_answer(&b, "", &r.outputs, &r.bytes, &r.err), -1);
	assert_non_null(strstr(r.err.msg, "more than 4194304 values"));
}

TEST(kserve_names_cannot_leave_their_place_in_a_path)
{
	static const char *const good[] = { "yolov8n", "a.b-c_d", "1", "YOLO" };
	static const char *const bad[] = { "", ".", "..", "../x", "a/b", "a%2fb", "a b", "a?b", "a#b", "a\nb", "\xc3\xa4" };
	char longest[130];

	for (size_t i = 0; i < countof(good); i++)
		assert_true(kserve_is_name(good[i]));
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(kserve_is_name(bad[i]));
	memset(longest, 'a', sizeof longest);
	longest[129] = '\0';
	assert_false(kserve_is_name(longest));
	longest[128] = '\0';
	assert_true(kserve_is_name(longest));
}
