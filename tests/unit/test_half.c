/* test_half.c - every number of 16 bits, and what lies between them. */
#include "half.h"
#include "test.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	return bits;
}

static float float_of(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* From the definition, with the mathematics of doubles. */
static double defined(unsigned half)
{
	int exponent = (int)(half >> 10 & 31), fraction = (int)(half & 1023);
	double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);

	if (exponent == 31)
		size = fraction ? (double)NAN : (double)INFINITY;
	return half & 0x8000 ? -size : size;
}

TEST(half_values_are_those_of_the_definition_for_all_65536)
{
	for (unsigned i = 0; i < 65536; i++) {
		float v = half_value((uint16_t)i);

		if (isnan(defined(i)) ? !isnan(v) : (double)v != defined(i) || !!signbit(v) != !!(i & 0x8000))
			fail_msg("%04x is %g, not %g", i, (double)v, defined(i));
	}
}

TEST(half_round_trip_gives_back_all_65536)
{
	for (unsigned i = 0; i < 65536; i++) {
		bool is_signalling = (i & 0x7c00) == 0x7c00 && (i & 0x3ff) && !(i & 0x200);
		unsigned want = is_signalling ? i | 0x200 : i, is = half_of(half_value((uint16_t)i));

		if (is != want)
			fail_msg("%04x became %04x", i, is);
	}
}

TEST(half_rounds_to_the_nearest_and_half_way_to_the_even_one)
{
	for (unsigned i = 0; i < 0x7bff; i++) {
		double low = defined(i), high = defined(i + 1), middle = (low + high) / 2;
		unsigned even = i & 1 ? i + 1 : i;

		assert_int_equal(half_of((float)middle), even);         /* exact in a float */
		assert_int_equal(half_of(nextafterf((float)middle, 0)), i);
		assert_int_equal(half_of(nextafterf((float)middle, 1e6f)), i + 1);
		assert_int_equal(half_of(-(float)middle), 0x8000 | even);
	}
}

TEST(half_of_what_is_too_large_too_small_or_no_number)
{
	static const struct { float v; unsigned half; } known[] = {
		{ 0.0f, 0 }, { -0.0f, 0x8000 }, { 1, 0x3c00 }, { -2, 0xc000 }, { 65504, 0x7bff }, { 65519.996f, 0x7bff }, { 65520, 0x7c00 },
		{ -65520, 0xfc00 }, { 1e30f, 0x7c00 }, { INFINITY, 0x7c00 }, { -INFINITY, 0xfc00 }, { 0x1p-14f, 0x0400 },
		{ 0x1p-24f, 1 }, { 0x1p-25f, 0 }, { 0x1.000002p-25f, 1 }, { -0x1p-26f, 0x8000 }, { 1e-40f, 0 }, { 0.1f, 0x2e66 }, { 3.14159265f, 0x4248 },
	};

	for (size_t i = 0; i < countof(known); i++)
		assert_int_equal(half_of(known[i].v), known[i].half);
	assert_true(isnan(half_value(half_of(NAN))));
	assert_true(isnan(half_value(half_of(float_of(0xff800001)))));
	assert_true(signbit(half_value(half_of(float_of(0xff800001)))));
}

#ifdef __FLT16_MAX__
TEST(half_agrees_with_the_compiler_on_a_million_floats)
{
	uint32_t x = 12345;

	for (int i = 0; i < 1000000; i++) {
		uint16_t want;
		_Float16 h;
		float v;

		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		/* Half of them of any size, half of those that have a half near. */
		v = i & 1 ? float_of(x) : float_of((x & 0x80ffffff) | (102 + x % 43) << 23);
		if (isnan(v))
			continue;
		h = (_Float16)v;
		memcpy(&want, &h, sizeof want);
		if (half_of(v) != want)
			fail_msg("%a became %04x, not %04x", (double)v, half_of(v), want);
	}
}
#endif

TEST(bfloat_round_trip_gives_back_all_65536)
{
	for (unsigned i = 0; i < 65536; i++) {
		bool is_signalling = (i & 0x7f80) == 0x7f80 && (i & 0x7f) && !(i & 0x40);

		assert_int_equal(bits_of(bfloat_value((uint16_t)i)), i << 16);
		assert_int_equal(bfloat_of(bfloat_value((uint16_t)i)), is_signalling ? i | 0x40 : i);
	}
}

TEST(bfloat_rounds_to_the_nearest_and_half_way_to_the_even_one)
{
	for (uint32_t i = 0; i < 0x7f80; i++) {
		uint32_t low = i << 16;

		assert_int_equal(bfloat_of(float_of(low + 0x8000)), i & 1 ? i + 1 : i);
		assert_int_equal(bfloat_of(float_of(low + 0x7fff)), i);
		assert_int_equal(bfloat_of(float_of(low + 0x8001)), i + 1);
		assert_int_equal(bfloat_of(-float_of(low + 0x8001)), 0x8000 | (i + 1));
	}
	assert_int_equal(bfloat_of(3.4028235e38f), 0x7f80);     /* FLT_MAX is nearer to what would be the next one */
	assert_int_equal(bfloat_of(INFINITY), 0x7f80);
	assert_true(isnan(bfloat_value(bfloat_of(float_of(0x7f800001)))));
}
