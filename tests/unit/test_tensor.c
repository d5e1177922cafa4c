/* test_tensor.c - tensors from one type of number to another. */
#include "half.h"
#include "tensor.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct tensor of(const char *datatype, const void *bytes, size_t size, int64_t n)
{
	struct tensor t = { .is = { .name = "t", .rank = 1, .shape = { n } }, .bytes = (void *)(uintptr_t)bytes, .size = size };

	memcpy(t.is.datatype, datatype, strlen(datatype) + 1);
	return t;
}

#define OF(datatype, values) of(datatype, values, sizeof(values), (int64_t)countof(values))

static void becomes(const struct tensor *from, const char *datatype, const void *want, size_t size)
{
	struct tensor to = { 0 };
	struct err err;

	if (tensor_convert(from, datatype, &to, &err) < 0)
		fail_msg("%s to %s: %s", from->is.datatype, datatype, err.msg);
	assert_string_equal(to.is.datatype, datatype);
	assert_string_equal(to.is.name, "t");
	assert_int_equal(to.is.shape[0], from->is.shape[0]);
	assert_int_equal(to.size, size);
	if (memcmp(to.bytes, want, size) != 0)
		fail_msg("%s became other %s", from->is.datatype, datatype);
	tensor_done(&to);
}

#define BECOMES(from, datatype, values) becomes(from, datatype, values, sizeof(values))

TEST(tensor_floats_become_every_type_rounded_and_cut_off)
{
	static const float v[] = { 0, 1, -1, 0.5f, 1.5f, 2.5f, -0.5f, 126.5f, 127.5f, 254.5f, 255.5f, 1e9f, -1e9f, 3e38f, -3e38f, NAN,
		INFINITY, -INFINITY };
	static const uint8_t u8[] = { 0, 1, 0, 0, 2, 2, 0, 126, 128, 254, 255, 255, 0, 255, 0, 0, 255, 0 };
	static const int8_t i8[] = { 0, 1, -1, 0, 2, 2, 0, 126, 127, 127, 127, 127, -128, 127, -128, 0, 127, -128 };
	static const uint16_t u16[] = { 0, 1, 0, 0, 2, 2, 0, 126, 128, 254, 256, 65535, 0, 65535, 0, 0, 65535, 0 };
	static const int16_t i16[] = { 0, 1, -1, 0, 2, 2, 0, 126, 128, 254, 256, 32767, -32768, 32767, -32768, 0, 32767, -32768 };
	static const int32_t i32[] = { 0, 1, -1, 0, 2, 2, 0, 126, 128, 254, 256, 1000000000, -1000000000, INT32_MAX,
		INT32_MIN, 0, INT32_MAX, INT32_MIN };
	static const int64_t i64[] = { 0, 1, -1, 0, 2, 2, 0, 126, 128, 254, 256, 1000000000, -1000000000, INT64_MAX,
		INT64_MIN, 0, INT64_MAX, INT64_MIN };
	static const uint64_t u64[] = { 0, 1, 0, 0, 2, 2, 0, 126, 128, 254, 256, 1000000000, 0, UINT64_MAX, 0, 0, UINT64_MAX, 0 };
	static const uint32_t u32[] = { 0, 1, 0, 0, 2, 2, 0, 126, 128, 254, 256, 1000000000, 0, UINT32_MAX, 0, 0, UINT32_MAX, 0 };
	static const uint8_t bools[] = { 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1 };
	struct tensor t = OF("FP32", v);

	BECOMES(&t, "UINT8", u8);
	BECOMES(&t, "INT8", i8);
	BECOMES(&t, "UINT16", u16);
	BECOMES(&t, "INT16", i16);
	BECOMES(&t, "UINT32", u32);
	BECOMES(&t, "INT32", i32);
	BECOMES(&t, "UINT64", u64);
	BECOMES(&t, "INT64", i64);
	BECOMES(&t, "BOOL", bools);
	BECOMES(&t, "FP32", v);
}

TEST(tensor_floats_become_halves_and_doubles)
{
	static const float v[] = { 0, -0.0f, 1, 0.1f, 65504, 65520, 1e-8f, 2049, 3e38f, -INFINITY };
	static const uint16_t f16[] = { 0, 0x8000, 0x3c00, 0x2e66, 0x7bff, 0x7c00, 0, 0x6800, 0x7c00, 0xfc00 };
	static const uint16_t bf16[] = { 0, 0x8000, 0x3f80, 0x3dcd, 0x4780, 0x4780, 0x322c, 0x4500, 0x7f62, 0xff80 };
	double f64[countof(v)];
	struct tensor t = OF("FP32", v);

	for (size_t i = 0; i < countof(v); i++)
		f64[i] = (double)v[i];
	BECOMES(&t, "FP16", f16);
	BECOMES(&t, "BF16", bf16);
	BECOMES(&t, "FP64", f64);
}

TEST(tensor_tokens_become_the_smaller_integers_of_a_model)
{
	static const int64_t v[] = { 49406, 320, 0, -1, 9000000000, INT64_MIN };
	static const int32_t i32[] = { 49406, 320, 0, -1, INT32_MAX, INT32_MIN };
	static const float f32[] = { 49406, 320, 0, -1, 9000000000.0f, -0x1p63f };
	struct tensor t = OF("INT64", v);

	BECOMES(&t, "INT32", i32);
	BECOMES(&t, "FP32", f32);
	BECOMES(&t, "INT64", v);
}

TEST(tensor_outputs_become_floats_but_for_what_names_things)
{
	static const struct { const char *datatype, *bytes; size_t size; float want; } some[] = {
		{ "FP16", "\x00\x3c", 2, 1 }, { "BF16", "\xc0\x3f", 2, 1.5f }, { "FP64", "\0\0\0\0\0\0\x04\xc0", 8, -2.5f },
		{ "UINT8", "\xff", 1, 255 }, { "INT8", "\xff", 1, -1 }, { "UINT16", "\xff\xff", 2, 65535 }, { "INT16", "\xff\xff", 2, -1 },
		{ "UINT32", "\0\0\0\x80", 4, 0x1p31f }, { "INT32", "\xfe\xff\xff\xff", 4, -2 }, { "BOOL", "\1", 1, 1 },
		{ "FP64", "\xff\xff\xff\xff\xff\xff\xef\x7f", 8, INFINITY },
	};
	static const char *const stay[] = { "INT64", "UINT64", "BYTES" };
	struct err err;

	for (size_t i = 0; i < countof(some); i++) {
		struct tensor t = of(some[i].datatype, memcpy(xcalloc(1, 8), some[i].bytes, some[i].size), some[i].size, 1);

		assert_int_equal(tensor_as_floats(&t, &err), 0);
		assert_string_equal(t.is.datatype, "FP32");
		assert_int_equal(t.size, 4);
		if (memcmp(t.bytes, &some[i].want, 4) != 0)
			fail_msg("%zu: %s is %g, not %g", i, some[i].datatype, (double)*(float *)t.bytes, (double)some[i].want);
		tensor_done(&t);
	}
	for (size_t i = 0; i < countof(stay); i++) {
		struct tensor t = of(stay[i], "12345678", 8, 1);

		assert_int_equal(tensor_as_floats(&t, &err), 0);
		assert_string_equal(t.is.datatype, stay[i]);
		assert_memory_equal(t.bytes, "12345678", 8);
	}
}

TEST(tensor_all_halves_come_out_as_their_floats)
{
	struct tensor t = of("FP16", xcalloc(65536, 2), 131072, 65536), back = { 0 };
	struct err err;

	for (unsigned i = 0; i < 65536; i++)
		((uint16_t *)t.bytes)[i] = (uint16_t)i;
	assert_int_equal(tensor_as_floats(&t, &err), 0);
	assert_int_equal(t.size, 65536 * 4);
	for (unsigned i = 0; i < 65536; i++)
		if (!isnan(half_value((uint16_t)i)) && memcmp((float *)t.bytes + i, (float[]){ half_value((uint16_t)i) }, 4) != 0)
			fail_msg("%04x", i);
	assert_int_equal(tensor_convert(&t, "FP16", &back, &err), 0);
	for (unsigned i = 0; i < 65536; i++)
		if (!isnan(half_value((uint16_t)i)))
			assert_int_equal(((uint16_t *)back.bytes)[i], i);
	tensor_done(&t);
	tensor_done(&back);
}

TEST(tensor_that_cannot_be_converted_says_why)
{
	static const float v[] = { 1, 2 };
	struct tensor text = of("BYTES", "\1\0\0\0a", 5, 1), short_one = of("FP32", v, 8, 3), endless = of("FP32", v, 8, INT64_MAX),
		free_one = of("FP32", v, 8, -1), large = of("UINT8", v, TENSOR_BYTES_MAX, (int64_t)TENSOR_BYTES_MAX), to;
	const struct { const struct tensor *from; const char *says; } bad[] = {
		{ &text, "type BYTES, which is not converted to FP64" }, { &short_one, "has 8 bytes, its shape needs 12" },
		{ &endless, "dimension 0" }, { &free_one, "dimension 0" }, { &large, "at most 67108864 are allowed" },
	};
	struct err err;

	for (size_t i = 0; i < countof(bad); i++) {
		assert_int_equal(tensor_convert(bad[i].from, "FP64", &to, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
	}
	assert_true(tensor_converts("FP32", "BF16") && tensor_converts("INT64", "INT32") && tensor_converts("BYTES", "BYTES"));
	assert_false(tensor_converts("FP32", "BYTES") || tensor_converts("FP32", "FP8") || tensor_converts("", "FP32"));
}

TEST(tensor_texts_come_one_after_the_other_and_never_from_beyond)
{
	static const char good[] = "\2\0\0\0hi\0\0\0\0\3\0\0\0a\0b", bad[] = "\1\0\0\0x\xff\xff\xff\xff" "abc";
	struct tensor t = of("BYTES", good, sizeof good - 1, 3), u = of("BYTES", bad, sizeof bad - 1, 2), none = of("BYTES", NULL, 0, 0);
	const char *text;
	size_t at = 0, n;

	assert_true(tensor_next_text(&t, &at, &text, &n) && n == 2 && memcmp(text, "hi", 2) == 0);
	assert_true(tensor_next_text(&t, &at, &text, &n) && n == 0);
	assert_true(tensor_next_text(&t, &at, &text, &n) && n == 3 && memcmp(text, "a\0b", 3) == 0);
	assert_false(tensor_next_text(&t, &at, &text, &n));
	assert_int_equal(at, t.size);
	at = 0;
	assert_true(tensor_next_text(&u, &at, &text, &n));
	assert_false(tensor_next_text(&u, &at, &text, &n));
	assert_int_equal(at, 5);
	at = 0;
	assert_false(tensor_next_text(&none, &at, &text, &n));
}
