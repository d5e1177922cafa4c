#include "tensor.h"

#include "half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tensor_done(struct tensor *t)
{
	free(t->bytes);
	*t = (struct tensor){ 0 };
}

char *tensor_text(const struct tensor_type *t, char *to, size_t size)
{
	size_t n = (size_t)snprintf(to, size, "'%.60s' %s [", t->name, t->datatype);

	for (size_t i = 0; i < t->rank && n < size; i++)
		n += (size_t)snprintf(to + n, size - n, "%s%lld", i ? "," : "", (long long)t->shape[i]);
	if (n < size)
		snprintf(to + n, size - n, "]");
	return to;
}

/* ---- numbers ---- */

/* By way of doubles: these hold every number of every type but the integers beyond 2^53. */

#define READER(name, type) \
	static void read_##name(const void *from, double *to, size_t n) \
	{ \
		for (size_t i = 0; i < n; i++) { \
			type v; \
			memcpy(&v, (const char *)from + i * sizeof v, sizeof v); \
			to[i] = (double)v; \
		} \
	}

/* `most` is the least double that is too large: the greatest integer of 64 bits is none. */
#define WRITER(name, type, least, greatest, most) \
	static void write_##name(const double *from, void *to, size_t n) \
	{ \
		for (size_t i = 0; i < n; i++) { \
			double d = rint(from[i]); \
			type v = isnan(d) ? 0 : d <= (double)(least) ? (type)(least) : d >= (most) ? (type)(greatest) : (type)d; \
			memcpy((char *)to + i * sizeof v, &v, sizeof v); \
		} \
	}

#define INTEGER(name, type, least, greatest, most) READER(name, type) WRITER(name, type, least, greatest, most)

INTEGER(u8, uint8_t, 0, UINT8_MAX, 256.0)
INTEGER(u16, uint16_t, 0, UINT16_MAX, 65536.0)
INTEGER(u32, uint32_t, 0, UINT32_MAX, 0x1p32)
INTEGER(u64, uint64_t, 0, UINT64_MAX, 0x1p64)
INTEGER(i8, int8_t, INT8_MIN, INT8_MAX, 128.0)
INTEGER(i16, int16_t, INT16_MIN, INT16_MAX, 32768.0)
INTEGER(i32, int32_t, INT32_MIN, INT32_MAX, 0x1p31)
INTEGER(i64, int64_t, INT64_MIN, INT64_MAX, 0x1p63)
READER(f32, float)
READER(f64, double)

static void read_f16(const void *from, double *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (double)half_value(((const uint16_t *)from)[i]);
}

static void read_bf16(const void *from, double *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (double)bfloat_value(((const uint16_t *)from)[i]);
}

static void write_f16(const double *from, void *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint16_t *)to)[i] = half_of((float)from[i]);
}

static void write_bf16(const double *from, void *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint16_t *)to)[i] = bfloat_of((float)from[i]);
}

static void write_f32(const double *from, void *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((float *)to)[i] = (float)from[i];
}

static void write_f64(const double *from, void *to, size_t n)
{
	memcpy(to, from, n * sizeof *from);
}

static void write_bool(const double *from, void *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = from[i] < 0 || from[i] > 0;
}

static const struct number {
	const char *name;
	size_t size;
	void (*read)(const void *from, double *to, size_t n);
	void (*write)(const double *from, void *to, size_t n);
} numbers[] = {
	{ "BOOL", 1, read_u8, write_bool }, { "UINT8", 1, read_u8, write_u8 }, { "UINT16", 2, read_u16, write_u16 },
	{ "UINT32", 4, read_u32, write_u32 }, { "UINT64", 8, read_u64, write_u64 }, { "INT8", 1, read_i8, write_i8 },
	{ "INT16", 2, read_i16, write_i16 }, { "INT32", 4, read_i32, write_i32 }, { "INT64", 8, read_i64, write_i64 },
	{ "FP16", 2, read_f16, write_f16 }, { "BF16", 2, read_bf16, write_bf16 }, { "FP32", 4, read_f32, write_f32 },
	{ "FP64", 8, read_f64, write_f64 },
};

static const struct number *find(const char *name)
{
	for (size_t i = 0; i < countof(numbers); i++)
		if (strcmp(numbers[i].name, name) == 0)
			return &numbers[i];
	return NULL;
}

bool tensor_converts(const char *from, const char *to)
{
	return strcmp(from, to) == 0 || (find(from) && find(to));
}

/* How many numbers the bytes are; what the shape says is checked against it. */
static int count(const struct tensor *t, const struct number *n, size_t *ret, struct err *err)
{
	size_t product = 1, most = TENSOR_BYTES_MAX;

	for (size_t i = 0; i < t->is.rank; i++) {
		if (t->is.shape[i] < 0 || (product && (uint64_t)t->is.shape[i] > most / product))
			return err_set(err, ERR_REJECT, "tensor '%.60s': dimension %zu is no size", t->is.name, i);
		product *= (size_t)t->is.shape[i];
	}
	if (product * n->size != t->size)
		return err_set(err, ERR_REJECT, "tensor '%.60s' has %zu bytes, its shape needs %zu", t->is.name, t->size, product * n->size);
	*ret = product;
	return 0;
}

int tensor_convert(const struct tensor *t, const char *datatype, struct tensor *ret, struct err *err)
{
	const struct number *from = find(t->is.datatype), *to = find(datatype);
	double some[512];
	size_t n = 0;

	if (!from || !to)
		return err_set(err, ERR_REJECT, "tensor '%.60s' is of type %s, which is not converted to %.8s", t->is.name, t->is.datatype, datatype);
	if (count(t, from, &n, err) < 0)
		return -1;
	if (n * to->size > TENSOR_BYTES_MAX)
		return err_set(err, ERR_REJECT, "tensor '%.60s' would have %zu bytes as %s, at most %zu are allowed", t->is.name, n * to->size,
			to->name, TENSOR_BYTES_MAX);
	*ret = (struct tensor){ .is = t->is, .size = n * to->size, .bytes = xcalloc(n ? n : 1, to->size) };
	snprintf(ret->is.datatype, sizeof ret->is.datatype, "%s", to->name);
	for (size_t at = 0; at < n; at += countof(some)) {
		size_t part = min_of(countof(some), n - at);

		from->read((const char *)t->bytes + at * from->size, some, part);
		to->write(some, (char *)ret->bytes + at * to->size, part);
	}
	return 0;
}

int tensor_as_floats(struct tensor *t, struct err *err)
{
	const char *is = t->is.datatype;
	struct tensor floats;

	if (!find(is) || strcmp(is, "FP32") == 0 || strcmp(is, "INT64") == 0 || strcmp(is, "UINT64") == 0)
		return 0;
	if (tensor_convert(t, "FP32", &floats, err) < 0)
		return -1;
	tensor_done(t);
	*t = floats;
	return 0;
}

/* ---- texts ---- */

bool tensor_next_text(const struct tensor *t, size_t *at, const char **ret, size_t *ret_len)
{
	uint32_t n;

	if (t->size < sizeof n || *at > t->size - sizeof n)
		return false;
	memcpy(&n, (const char *)t->bytes + *at, sizeof n);
	if (n > t->size - sizeof n - *at)
		return false;
	*ret = (const char *)t->bytes + *at + sizeof n;
	*ret_len = n;
	*at += sizeof n + n;
	return true;
}
