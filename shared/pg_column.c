#include "pg_column.h"

#include <endian.h>
#include <math.h>
#include <string.h>

#define HEAD 20                 /* dimensions, flags, element type, length, lower bound */
#define VALUE (HEAD + 4)        /* where the first value is, behind its length */

static bool is_literal(enum pg_type t)
{
	return t == PG_WORDS || t == PG_QUOTED;
}

/* pg_type.oid, the same in every PostgreSQL. */
static uint32_t oid(enum pg_type t)
{
	switch (t) {
	case PG_BOOL: return 16;
	case PG_BYTEA: return 17;
	case PG_INT8: return 20;
	case PG_INT2: return 21;
	case PG_INT4: return 23;
	case PG_TEXT: return 25;
	case PG_FLOAT4: return 700;
	case PG_FLOAT8: return 701;
	case PG_UUID: return 2950;
	case PG_JSONB: return 3802;
	case PG_WORDS:
	case PG_QUOTED: break;
	}
	must(!"a literal has no number");
	return 0;
}

void pg_column_clear(struct pg_column *c)
{
	buf_clear(&c->bytes);
	c->rows = 0;
	c->has_null = false;
}

void pg_column_free(struct pg_column *c)
{
	buf_free(&c->bytes);
	c->rows = 0;
}

/* Room for a value of n bytes behind its length. */
static char *add(struct pg_column *c, uint32_t n)
{
	static const char nothing[HEAD];
	uint32_t len = htobe32(n);
	char *at;

	if (c->rows++ == 0)
		buf_add(&c->bytes, nothing, HEAD);
	at = buf_room(&c->bytes, sizeof len + n);
	memcpy(at, &len, sizeof len);
	return at + sizeof len;
}

static void add_literal(struct pg_column *c, const char *v)
{
	if (c->rows++ == 0)
		pg_array_begin(&c->bytes);
	if (c->type == PG_QUOTED)
		pg_array_text(&c->bytes, v);
	else
		pg_array_word(&c->bytes, v);
}

void pg_column_null(struct pg_column *c)
{
	static const char nothing[HEAD];
	uint32_t none = UINT32_MAX;

	if (is_literal(c->type)) {
		add_literal(c, NULL);
		return;
	}
	if (c->rows++ == 0)
		buf_add(&c->bytes, nothing, HEAD);
	buf_add(&c->bytes, &none, sizeof none);
	c->has_null = true;
}

void pg_column_int(struct pg_column *c, int64_t v)
{
	uint16_t v2 = htobe16((uint16_t)v);
	uint32_t v4 = htobe32((uint32_t)v);
	uint64_t v8 = htobe64((uint64_t)v);

	if (c->type == PG_INT4) {
		must(v == (int32_t)v);
		memcpy(add(c, sizeof v4), &v4, sizeof v4);
	} else if (c->type == PG_INT2) {
		must(v == (int16_t)v);
		memcpy(add(c, sizeof v2), &v2, sizeof v2);
	} else {
		must(c->type == PG_INT8);
		memcpy(add(c, sizeof v8), &v8, sizeof v8);
	}
}

void pg_column_bool(struct pg_column *c, bool v)
{
	must(c->type == PG_BOOL);
	*add(c, 1) = v;
}

void pg_column_real(struct pg_column *c, double v)
{
	uint32_t v4;
	uint64_t v8;
	float f = (float)v;

	if (!isfinite(f)) {
		pg_column_null(c);
	} else if (c->type == PG_FLOAT4) {
		memcpy(&v4, &f, sizeof v4);
		v4 = htobe32(v4);
		memcpy(add(c, sizeof v4), &v4, sizeof v4);
	} else {
		must(c->type == PG_FLOAT8);
		memcpy(&v8, &v, sizeof v8);
		v8 = htobe64(v8);
		memcpy(add(c, sizeof v8), &v8, sizeof v8);
	}
}

void pg_column_uuid(struct pg_column *c, const uint8_t raw[16])
{
	must(c->type == PG_UUID);
	memcpy(add(c, 16), raw, 16);
}

void pg_column_bytes(struct pg_column *c, const void *v, size_t n)
{
	must(c->type == PG_BYTEA);
	memcpy(add(c, (uint32_t)n), v, n);
}

void pg_column_text(struct pg_column *c, const char *v)
{
	size_t n;
	char *at;

	if (is_literal(c->type)) {
		add_literal(c, v);
		return;
	}
	if (!v) {
		pg_column_null(c);
		return;
	}
	must(c->type == PG_TEXT || c->type == PG_JSONB);
	n = strlen(v);
	at = add(c, (uint32_t)n + (c->type == PG_JSONB));
	if (c->type == PG_JSONB)
		*at++ = 1;              /* the version of jsonb's binary form: 1, and the text */
	memcpy(at, v, n);
}

static void put32(char *at, uint32_t v)
{
	v = htobe32(v);
	memcpy(at, &v, sizeof v);
}

/* The column as a parameter; whole from now on. */
static void close_column(struct pg_column *c, const char **value, int *length, int *format)
{
	must(c->rows);
	if (is_literal(c->type)) {
		pg_array_end(&c->bytes);
	} else {
		put32(c->bytes.text, 1);
		put32(c->bytes.text + 4, c->has_null);
		put32(c->bytes.text + 8, oid(c->type));
		put32(c->bytes.text + 12, c->rows);
		put32(c->bytes.text + 16, 1);
	}
	*value = c->bytes.text;
	*length = (int)c->bytes.len;
	*format = !is_literal(c->type);
}

int pg_send_columns(struct pg *pg, struct err *err, const char *sql, int n, struct pg_column *const *columns, bool is_binary)
{
	const char *values[PG_COLUMNS_MAX];
	int lengths[PG_COLUMNS_MAX], formats[PG_COLUMNS_MAX];

	must(n <= PG_COLUMNS_MAX);
	for (int k = 0; k < n; k++)
		close_column(columns[k], &values[k], &lengths[k], &formats[k]);
	return pg_send_params(pg, err, sql, &(struct pg_params){ n, values, lengths, formats, is_binary });
}

int pg_send_row(struct pg *pg, struct err *err, const char *sql, int n, struct pg_column *const *columns, bool is_binary)
{
	const char *values[PG_COLUMNS_MAX];
	int lengths[PG_COLUMNS_MAX], formats[PG_COLUMNS_MAX];

	must(n <= PG_COLUMNS_MAX);
	for (int k = 0; k < n; k++) {
		const struct pg_column *c = columns[k];

		must(c->rows == 1 && !is_literal(c->type));
		values[k] = c->has_null ? NULL : c->bytes.text + VALUE;
		lengths[k] = c->has_null ? 0 : (int)(c->bytes.len - VALUE);
		formats[k] = 1;
	}
	return pg_send_params(pg, err, sql, &(struct pg_params){ n, values, lengths, formats, is_binary });
}
