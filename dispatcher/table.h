/*
 * table.h - rows on their way to PostgreSQL: a column each for unnest(), sent as one statement or a few.
 *
 *	scoped(table_done) struct table t = { 0 };
 *	table_begin(&t, "ui");                  // u uuid, b bool, s smallint, i int, l bigint, f real, d double, t text,
 *	...                                     // j jsonb, y bytea, w words of any other type (a literal), q the same, quoted
 *	if (table_step(&t, pg, sql, err) < 0)   // before each row
 *		return -1;
 *	pg_column_uuid(&t.columns[0], raw), pg_column_int(&t.columns[1], 7), t.rows++;
 *	...
 *	return table_send(&t, pg, sql, err);    // nothing when there are no rows
 *
 * Most batches of a fleet that is not busy have one row of each kind: table_send_best() has another statement for that.
 */
#ifndef TABLE_H
#define TABLE_H

#include "pg_column.h"

struct table {
	struct pg_column columns[PG_COLUMNS_MAX];
	int n;
	size_t rows;
};

void table_begin(struct table *t, const char *types);
void table_done(struct table *t);
int table_send(struct table *t, struct pg *pg, const char *sql, struct err *err) must_use;
/* `one`: the same with plain values instead of unnest(), when there is one row; or NULL. */
int table_send_best(struct table *t, struct pg *pg, const char *sql, const char *one, struct err *err) must_use;
/* When there are many rows already, they go, and are waited for: a cancel of the largest job takes many short statements,
 * not a long one that is given up. */
int table_step(struct table *t, struct pg *pg, const char *sql, struct err *err) must_use;
/* Something else can be sent. */
int table_make_room(struct pg *pg, struct err *err) must_use;

#endif
