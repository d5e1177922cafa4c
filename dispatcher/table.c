#include "table.h"

#include <string.h>

#define ROWS_MAX 10000          /* of one statement */

static enum pg_type type_of(char letter)
{
	static const char letters[] = "ubsilfdtjywq";
	static const enum pg_type types[] = { PG_UUID, PG_BOOL, PG_INT2, PG_INT4, PG_INT8, PG_FLOAT4, PG_FLOAT8, PG_TEXT, PG_JSONB,
		PG_BYTEA, PG_WORDS, PG_QUOTED };
	const char *at = strchr(letters, letter);

	must(at && *at);
	return types[at - letters];
}

void table_begin(struct table *t, const char *types)
{
	t->n = (int)strlen(types);
	must(t->n <= PG_COLUMNS_MAX);
	for (int k = 0; k < t->n; k++)
		t->columns[k].type = type_of(types[k]);
}

void table_done(struct table *t)
{
	for (int k = 0; k < t->n; k++)
		pg_column_free(&t->columns[k]);
}

int table_make_room(struct pg *pg, struct err *err)
{
	return pg_is_full(pg) ? pg_wait(pg, NULL, err) : 0;
}

int table_send_best(struct table *t, struct pg *pg, const char *sql, const char *one, struct err *err)
{
	struct pg_column *columns[PG_COLUMNS_MAX];

	if (!t->rows)
		return 0;
	if (table_make_room(pg, err) < 0)
		return -1;
	for (int k = 0; k < t->n; k++)
		columns[k] = &t->columns[k];
	return t->rows == 1 && one ? pg_send_row(pg, err, one, t->n, columns, false) : pg_send_columns(pg, err, sql, t->n, columns, false);
}

int table_send(struct table *t, struct pg *pg, const char *sql, struct err *err)
{
	return table_send_best(t, pg, sql, NULL, err);
}

int table_step(struct table *t, struct pg *pg, const char *sql, struct err *err)
{
	if (t->rows < ROWS_MAX)
		return 0;
	if (table_send(t, pg, sql, err) < 0 || pg_wait(pg, NULL, err) < 0)
		return -1;
	t->rows = 0;
	for (int k = 0; k < t->n; k++)
		pg_column_clear(&t->columns[k]);
	return 0;
}
