/*
 * pg_column.h - a column of values for unnest(), in PostgreSQL's binary form where the type has a number that is known.
 *
 *	struct pg_column id = { .type = PG_UUID }, n = { .type = PG_INT4 };
 *	for (...)
 *		pg_column_uuid(&id, raw), pg_column_int(&n, 7);
 *	pg_send_columns(pg, err, "... FROM unnest($1::uuid[], $2::int[])", 2, (struct pg_column *[]){ &id, &n }, false);
 *
 * A single row can go as plain values: pg_send_row(pg, err, "... VALUES ($1::uuid, $2::int)", ...) with the same columns.
 * PostgreSQL spends a third less on such a statement.
 *
 * Each value is told by the function of its type; NULL where that function takes a pointer, or is named for it.
 * A cleared column keeps its memory. Array format: array_send() and array_recv() in PostgreSQL's arrayfuncs.c.
 */
#ifndef PG_COLUMN_H
#define PG_COLUMN_H

#include "pg.h"

enum pg_type {
	PG_WORDS,               /* any other type: a literal, {a,b}, of what needs no quotes; enums, times */
	PG_QUOTED,              /* the same with quotes */
	PG_BOOL, PG_BYTEA, PG_INT2, PG_INT4, PG_INT8, PG_FLOAT4, PG_FLOAT8, PG_UUID, PG_TEXT, PG_JSONB,
};

#define PG_COLUMNS_MAX 16

struct pg_column {
	enum pg_type type;
	struct buf bytes;
	unsigned rows;
	bool has_null;
};

void pg_column_clear(struct pg_column *c);
void pg_column_free(struct pg_column *c);

void pg_column_null(struct pg_column *c);
void pg_column_int(struct pg_column *c, int64_t v);             /* PG_INT2, PG_INT4, PG_INT8 */
void pg_column_bool(struct pg_column *c, bool v);
void pg_column_real(struct pg_column *c, double v);             /* not finite: NULL */
void pg_column_uuid(struct pg_column *c, const uint8_t raw[16]);
void pg_column_bytes(struct pg_column *c, const void *v, size_t n);     /* PG_BYTEA */
void pg_column_text(struct pg_column *c, const char *v);        /* PG_TEXT, PG_JSONB, PG_WORDS, PG_QUOTED */

/* As pg_send(). is_binary: so will be the result's columns. */
int pg_send_columns(struct pg *pg, struct err *err, const char *sql, int n, struct pg_column *const *columns, bool is_binary) must_use;
/* The same for a statement of one row. Every column has one value, of a type that has a number. */
int pg_send_row(struct pg *pg, struct err *err, const char *sql, int n, struct pg_column *const *columns, bool is_binary) must_use;

#endif
