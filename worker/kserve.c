#include "kserve.h"

#include "half.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JSON_VALUES_MAX (4u << 20)      /* a parsed number takes forty bytes */
#define NAME_MAX_BYTES  255

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are copied as they are");

enum kind { UNSIGNED, SIGNED, FLOAT, HALF, BFLOAT, TEXT };

static const struct datatype {
	const char *name;
	size_t size;                    /* of an element; 0: each has its own */
	enum kind kind;
} datatypes[] = {
	{ "BOOL", 1, UNSIGNED }, { "UINT8", 1, UNSIGNED }, { "UINT16", 2, UNSIGNED }, { "UINT32", 4, UNSIGNED },
	{ "UINT64", 8, UNSIGNED }, { "INT8", 1, SIGNED }, { "INT16", 2, SIGNED }, { "INT32", 4, SIGNED },
	{ "INT64", 8, SIGNED }, { "FP16", 2, HALF }, { "BF16", 2, BFLOAT }, { "FP32", 4, FLOAT }, { "FP64", 8, FLOAT },
	{ "BYTES", 0, TEXT },
};

struct tensor {
	const char *name;
	const struct datatype *type;
	const json_t *shape;
	size_t elements;
};

bool kserve_is_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 128 && *s != '.' &&
		strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") == n;
}

static const struct datatype *find_type(const char *name)
{
	for (size_t i = 0; i < countof(datatypes); i++)
		if (strcmp(datatypes[i].name, name) == 0)
			return &datatypes[i];
	return NULL;
}

static int read_shape(const json_t *shape, size_t *ret, struct err *err, const char *name)
{
	size_t n = json_array_size(shape), product = 1;

	if (!json_is_array(shape) || n > KSERVE_RANK_MAX)
		return err_set(err, ERR_REJECT, "tensor '%.100s': its shape is no list of at most %d numbers", name, KSERVE_RANK_MAX);
	for (size_t i = 0; i < n; i++) {
		const json_t *d = json_array_get(shape, i);
		json_int_t v = json_is_integer(d) ? json_integer_value(d) : -1;

		if (v < 0 || v > INT32_MAX || (product > 0 && (size_t)v > KSERVE_BYTES_MAX / product))
			return err_set(err, ERR_REJECT, "tensor '%.100s': dimension %zu of its shape, %lld, is not from 0 on or makes "
				"more than %zu elements", name, i, (long long)v, KSERVE_BYTES_MAX);
		product *= (size_t)v;
	}
	*ret = product;
	return 0;
}

/* {"name","datatype","shape"}, as both sides write it. */
static int read_tensor(const json_t *from, struct tensor *ret, struct err *err)
{
	const char *name = json_string_value(json_object_get(from, "name"));
	const char *type = json_string_value(json_object_get(from, "datatype"));
	struct tensor t = { .name = name, .type = type ? find_type(type) : NULL, .shape = json_object_get(from, "shape") };

	if (!name || !*name || strlen(name) > NAME_MAX_BYTES)
		return err_set(err, ERR_REJECT, "a tensor has no name of 1 to %d bytes", NAME_MAX_BYTES);
	if (!t.type)
		return err_set(err, ERR_REJECT, "tensor '%.100s': '%.40s' is no data type of the protocol", name, type ? type : "");
	if (read_shape(t.shape, &t.elements, err, name) < 0)
		return -1;
	*ret = t;
	return 0;
}

static int check_size(const struct tensor *t, json_int_t bytes, size_t room, struct err *err)
{
	size_t want = t->elements * t->type->size;

	if (bytes < 0 || (size_t)bytes > room)
		return err_set(err, ERR_REJECT, "tensor '%.100s': it is said to have %lld bytes where %zu are left", t->name,
			(long long)bytes, room);
	if (t->type->size && (size_t)bytes != want)
		return err_set(err, ERR_REJECT, "tensor '%.100s': it is said to have %lld bytes, its shape of %zu x %s needs %zu",
			t->name, (long long)bytes, t->elements, t->type->name, want);
	return 0;
}

/* ---- requests ---- */

/* Whoever gave the file may have been taken over by a picture: reading an eventfd, say, would wait for ever. */
static int check_file(int fd, struct err *err)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? 0 : err_set(err, ERR_REJECT, "the tensors' file is no regular file");
}

static int add_bytes(int fd, size_t size, struct buf *to, struct err *err)
{
	char piece[65536];

	if (check_file(fd, err) < 0)
		return -1;
	for (size_t at = 0; at < size;) {
		ssize_t n = pread(fd, piece, min_of(sizeof piece, size - at), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, ERR_REJECT, "the tensors' file ends after %zu of %zu bytes%s%s", at, size,
				n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
		buf_add(to, piece, (size_t)n);
		at += (size_t)n;
	}
	return 0;
}

static int add_input(const json_t *from, json_t *inputs, size_t *total, struct err *err)
{
	const json_t *bytes = json_object_get(from, "bytes");
	struct tensor t;

	if (read_tensor(from, &t, err) < 0 ||
	    check_size(&t, json_is_integer(bytes) ? json_integer_value(bytes) : -1, KSERVE_BYTES_MAX - *total, err) < 0)
		return -1;
	*total += (size_t)json_integer_value(bytes);
	json_array_append_new(inputs, json_pack("{s:s, s:s, s:O, s:{s:O}}", "name", t.name, "datatype", t.type->name,
		"shape", t.shape, "parameters", "binary_data_size", bytes));
	return 0;
}

/* A name, or {"name","classification"}: its best so many classes, as text. */
static int add_output(const json_t *wanted, size_t i, json_t *outputs, struct err *err)
{
	const json_t *classes = json_object_get(wanted, "classification");
	const char *name = json_string_value(json_is_object(wanted) ? json_object_get(wanted, "name") : wanted);
	json_t *parameters;

	if (!name)
		return err_set(err, ERR_REJECT, "the name of output %zu is no text", i);
	if (json_is_object(wanted) && !(json_is_integer(classes) && json_integer_value(classes) >= 1 &&
	    json_integer_value(classes) <= KSERVE_CLASSES_MAX))
		return err_set(err, ERR_REJECT, "the number of classes of output '%.100s' is not from 1 to %d", name, KSERVE_CLASSES_MAX);
	parameters = json_pack("{s:b, s:O*}", "binary_data", 1, "classification", classes);
	json_array_append_new(outputs, json_pack("{s:s, s:o}", "name", name, "parameters", parameters));
	return 0;
}

static int add_outputs(const json_t *names, json_t *request, struct err *err)
{
	json_t *outputs;

	if (json_array_size(names) == 0) {
		json_object_set_new(request, "parameters", json_pack("{s:b}", "binary_data_output", 1));
		return 0;
	}
	if (json_array_size(names) > KSERVE_TENSORS_MAX)
		return err_set(err, ERR_REJECT, "more than %d outputs of a model are asked for", KSERVE_TENSORS_MAX);
	outputs = json_array();
	json_object_set_new(request, "outputs", outputs);
	for (size_t i = 0; i < json_array_size(names); i++)
		if (add_output(json_array_get(names, i), i, outputs, err) < 0)
			return -1;
	return 0;
}

int kserve_request(const json_t *ask, int fd, struct buf *to, size_t *ret_header, struct err *err)
{
	const json_t *given = json_object_get(ask, "inputs");
	scoped(json_decref_p) json_t *request = json_object();
	json_t *inputs = json_array();
	size_t n = json_array_size(given), total = 0;

	json_object_set_new(request, "inputs", inputs);
	if (n == 0 || n > KSERVE_TENSORS_MAX)
		return err_set(err, ERR_REJECT, "%zu inputs for a model, 1 to %d are allowed", n, KSERVE_TENSORS_MAX);
	for (size_t i = 0; i < n; i++)
		if (add_input(json_array_get(given, i), inputs, &total, err) < 0)
			return -1;
	if (add_outputs(json_object_get(ask, "outputs"), request, err) < 0)
		return -1;
	buf_json(to, request);
	*ret_header = to->len;
	return add_bytes(fd, total, to, err);
}

/* ---- answers ---- */

struct answer {
	const char *binary;             /* what follows the JSON */
	size_t left;
	json_t *outputs;
	struct buf *bytes;
};

/* One number of "data" as the type has it; -1: it does not fit. */
static int add_number(const struct datatype *type, const json_t *v, struct buf *to)
{
	double d = json_number_value(v);
	float f = (float)d;
	json_int_t i = json_is_boolean(v) ? json_is_true(v) : json_integer_value(v);
	uint16_t h = type->kind == HALF ? half_of(f) : bfloat_of(f);
	size_t bits = type->size * 8;

	if (type->kind == FLOAT || type->kind == HALF || type->kind == BFLOAT) {
		if (!json_is_number(v))
			return -1;
		buf_add(to, type->size == 2 ? (void *)&h : type->size == 4 ? (void *)&f : (void *)&d, type->size);
		return 0;
	}
	if (!json_is_integer(v) && !json_is_boolean(v))
		return -1;
	if (type->kind == UNSIGNED && (i < 0 || (bits < 64 && i >> bits)))
		return -1;
	if (type->kind == SIGNED && bits < 64 && (i < -((json_int_t)1 << (bits - 1)) || i >= (json_int_t)1 << (bits - 1)))
		return -1;
	buf_add(to, &i, type->size);    /* the lowest bytes come first */
	return 0;
}

static int add_value(const struct tensor *t, const json_t *v, struct buf *to, struct err *err)
{
	uint32_t n = (uint32_t)json_string_length(v);

	if (t->type->kind == TEXT && json_is_string(v)) {
		buf_add(to, &n, sizeof n);
		buf_add(to, json_string_value(v), n);
		return 0;
	}
	if (t->type->kind == TEXT || add_number(t->type, v, to) < 0)
		return err_set(err, ERR_RETRY, "tensor '%.100s': a value of its data is no %s", t->name, t->type->name);
	return 0;
}

/* Row by row, whether the lists are nested or not. */
static int add_data(const struct tensor *t, const json_t *v, int depth, size_t *n, struct buf *to, struct err *err)
{
	if (!json_is_array(v))
		return ++*n > t->elements ? 0 : add_value(t, v, to, err);
	if (depth > KSERVE_RANK_MAX)
		return err_set(err, ERR_RETRY, "tensor '%.100s': its data is nested more than %d deep", t->name, KSERVE_RANK_MAX);
	for (size_t i = 0; i < json_array_size(v); i++)
		if (add_data(t, json_array_get(v, i), depth + 1, n, to, err) < 0)
			return -1;
	return 0;
}

static int take_json(const struct tensor *t, const json_t *data, struct buf *to, struct err *err)
{
	size_t n = 0;

	if (!json_is_array(data))
		return err_set(err, ERR_RETRY, "tensor '%.100s': it has neither binary_data_size nor a list as data", t->name);
	if (add_data(t, data, 0, &n, to, err) < 0)
		return -1;
	if (n != t->elements)
		return err_set(err, ERR_RETRY, "tensor '%.100s': its data has %zu values, its shape needs %zu", t->name, n, t->elements);
	if (to->len > KSERVE_BYTES_MAX)
		return err_set(err, ERR_RETRY, "the tensors of an answer have more than %zu bytes", KSERVE_BYTES_MAX);
	return 0;
}

/* BYTES: the elements' lengths have to fill the tensor. */
static int check_texts(const struct tensor *t, const char *p, size_t left, struct err *err)
{
	for (size_t i = 0; i < t->elements; i++) {
		uint32_t n;

		if (left < sizeof n)
			return err_set(err, ERR_RETRY, "tensor '%.100s': its bytes end before element %zu of %zu", t->name, i, t->elements);
		memcpy(&n, p, sizeof n);
		if (n > left - sizeof n)
			return err_set(err, ERR_RETRY, "tensor '%.100s': element %zu is said to have %u bytes where %zu are left", t->name, i,
				n, left - sizeof n);
		p += sizeof n + n, left -= sizeof n + n;
	}
	return left ? err_set(err, ERR_RETRY, "tensor '%.100s': %zu bytes are left behind its last element", t->name, left) : 0;
}

static int take_binary(struct answer *a, const struct tensor *t, const json_t *bytes, struct err *err)
{
	size_t n = json_is_integer(bytes) && json_integer_value(bytes) > 0 ? (size_t)json_integer_value(bytes) : 0;

	if (check_size(t, json_is_integer(bytes) ? json_integer_value(bytes) : -1, a->left, err) < 0)
		return err->kind = ERR_RETRY, -1;
	if (t->type->kind == TEXT && check_texts(t, a->binary, n, err) < 0)
		return -1;
	buf_add(a->bytes, a->binary, n);
	a->binary += n, a->left -= n;
	return 0;
}

static int take_output(struct answer *a, const json_t *from, struct err *err)
{
	const json_t *binary = json_object_get(json_object_get(from, "parameters"), "binary_data_size");
	size_t offset = a->bytes->len;
	struct tensor t;

	if (read_tensor(from, &t, err) < 0)
		return err->kind = ERR_RETRY, -1;
	if ((binary ? take_binary(a, &t, binary, err) : take_json(&t, json_object_get(from, "data"), a->bytes, err)) < 0)
		return -1;
	json_array_append_new(a->outputs, json_pack("{s:s, s:s, s:O, s:I, s:I}", "name", t.name, "datatype", t.type->name,
		"shape", t.shape, "offset", (json_int_t)offset, "bytes", (json_int_t)(a->bytes->len - offset)));
	return 0;
}

static int find_split(const struct buf *body, const char *header, size_t *ret, struct err *err)
{
	char *end;

	*ret = body->len;
	if (!*header)
		return 0;
	errno = 0;
	*ret = strtoul(header, &end, 10);
	if (!isdigit((unsigned char)*header) || *end || errno || *ret > body->len)
		return err_set(err, ERR_RETRY, "its header " KSERVE_HEADER " is '%.40s', the body has %zu bytes", header, body->len);
	return 0;
}

static int parse(const char *text, size_t len, json_t **ret, struct err *err)
{
	size_t values = 0;
	json_error_t e;

	for (size_t i = 0; i < len; i++)
		values += text[i] == ',';
	if (values > JSON_VALUES_MAX)
		return err_set(err, ERR_RETRY, "its JSON has more than %u values; large tensors have to come as binary data", JSON_VALUES_MAX);
	*ret = json_loadb(len ? text : "", len, JSON_REJECT_DUPLICATES, &e);
	return *ret ? 0 : err_set(err, ERR_RETRY, "it is not JSON: %s, at byte %d", e.text, e.position);
}

int kserve_answer(const struct buf *body, const char *header, json_t **ret_outputs, struct buf *ret_bytes, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL, *outputs = json_array();
	scoped(buf_free) struct buf bytes = { 0 };
	struct answer a = { .outputs = outputs, .bytes = &bytes };
	const json_t *list;
	size_t split;

	if (find_split(body, header, &split, err) < 0 || parse(body->text, split, &answer, err) < 0)
		return -1;
	list = json_object_get(answer, "outputs");
	if (!json_is_array(list) || json_array_size(list) > KSERVE_TENSORS_MAX)
		return err_set(err, ERR_RETRY, "it has no list of at most %d outputs", KSERVE_TENSORS_MAX);
	a.binary = body->text + split;
	a.left = body->len - split;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (take_output(&a, json_array_get(list, i), err) < 0)
			return -1;
	if (a.left)
		return err_set(err, ERR_RETRY, "%zu bytes are left behind its last tensor", a.left);
	*ret_outputs = steal(&outputs);
	*ret_bytes = bytes;
	bytes = (struct buf){ 0 };
	return 0;
}
