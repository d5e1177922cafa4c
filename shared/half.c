#include "half.h"

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

/* `bits` without its lowest `n`, rounded: half of what is cut off and the last bit that stays decide together. */
static uint32_t cut(uint32_t bits, unsigned n)
{
	uint32_t last = bits >> n & 1;

	return (bits + ((uint32_t)1 << (n - 1)) - 1 + last) >> n;
}

float half_value(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;

	if (exponent == 31)
		return float_of(sign | 0x7f800000 | fraction << 13);
	if (exponent > 0)
		return float_of(sign | (exponent + 112) << 23 | fraction << 13);
	/* In units of 2^-24, the least of them; the sum of a float and its negation would lose the sign of zero. */
	return float_of(sign | bits_of((float)fraction * 0x1p-24f));
}

uint16_t half_of(float value)
{
	uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;

	if (size > 0x7f800000)          /* NaN; quiet, or it could become infinite */
		return (uint16_t)(sign | 0x7e00 | (size >> 13 & 0x3ff));
	if (size >= 0x477ff000)         /* 65520: half way to what would be the next one */
		return (uint16_t)(sign | 0x7c00);
	if (size >= 0x38800000)         /* 2^-14; a carry goes into the exponent, as it should */
		return (uint16_t)(sign | (cut(size, 13) - (112u << 10)));
	if (size < 0x33000000)          /* under half of the least one */
		return (uint16_t)sign;
	return (uint16_t)(sign | cut((size & 0x7fffff) | 0x800000, 126 - (size >> 23)));
}

float bfloat_value(uint16_t bfloat)
{
	return float_of((uint32_t)bfloat << 16);
}

uint16_t bfloat_of(float value)
{
	uint32_t bits = bits_of(value);

	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)cut(bits, 16);
}
