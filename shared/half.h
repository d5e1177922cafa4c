/*
 * half.h - numbers of 16 bits: IEEE 754's binary16 ("FP16": 5 bits of exponent, 10 of fraction) and the upper
 * half of a float ("BF16": 8 and 7), as models take and give them.
 *
 * To a float both are exact. From one they are rounded to the nearest, of two as near to the even one; what is too
 * large becomes infinite; a NaN stays one, with the sign and the upper bits of what it carries.
 */
#ifndef HALF_H
#define HALF_H

#include <stdint.h>

float half_value(uint16_t half);
uint16_t half_of(float value);

float bfloat_value(uint16_t bfloat);
uint16_t bfloat_of(float value);

#endif
