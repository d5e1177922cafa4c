/*
 * rows.h - rows of PostgreSQL as JSON.
 *
 * A column is a member of its name. Numbers, booleans and json columns go as they are, all
 * else as a string; a NULL column is left out. So the SQL names what the API says:
 *
 *	SELECT id, name, ROWS_TIME(created_at) AS created_at, body AS definition FROM ...
 *	-> {"id":"...","name":"...","created_at":"2026-01-02T03:04:05.678901Z","definition":{...}}
 */
#ifndef ROWS_H
#define ROWS_H

#include "buf.h"

#include <libpq-fe.h>

/* SQL: a timestamptz in RFC 3339, UTC (which the connections' TimeZone is). */
#define ROWS_TIME(column) "to_char(" column ", 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* "a":1,"b":"x" - without the braces; columns [0, ncols). */
void rows_members(struct buf *to, const PGresult *r, int row, int ncols);
/* {"a":1,"b":"x"}, all columns. */
void rows_object(struct buf *to, const PGresult *r, int row);
/* [{...},{...}] */
void rows_list(struct buf *to, const PGresult *r);

#endif
