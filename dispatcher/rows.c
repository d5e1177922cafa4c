#include "rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of pg_type.dat: these numbers are part of PostgreSQL's interface. */
enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_JSON = 114, OID_FLOAT4 = 700, OID_FLOAT8 = 701,
	OID_NUMERIC = 1700, OID_JSONB = 3802 };

static void value(struct buf *to, Oid type, const char *text)
{
	switch (type) {
	case OID_BOOL:
		buf_puts(to, *text == 't' ? "true" : "false");
		break;
	case OID_FLOAT4:
	case OID_FLOAT8:
	case OID_NUMERIC:
		buf_puts(to, isfinite(strtod(text, NULL)) ? text : "null");
		break;
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
	case OID_JSON:
	case OID_JSONB:
		buf_puts(to, text);
		break;
	default:
		buf_json_string(to, text);
	}
}

void rows_members(struct buf *to, const PGresult *r, int row, int ncols)
{
	bool first = true;

	for (int c = 0; c < ncols; c++) {
		if (PQgetisnull(r, row, c))
			continue;
		if (!first)
			buf_puts(to, ",");
		first = false;
		buf_json_string(to, PQfname(r, c));
		buf_puts(to, ":");
		value(to, PQftype(r, c), PQgetvalue(r, row, c));
	}
}

void rows_object(struct buf *to, const PGresult *r, int row)
{
	buf_puts(to, "{");
	rows_members(to, r, row, PQnfields(r));
	buf_puts(to, "}");
}

void rows_list(struct buf *to, const PGresult *r)
{
	buf_puts(to, "[");
	for (int row = 0; row < PQntuples(r); row++) {
		if (row)
			buf_puts(to, ",");
		rows_object(to, r, row);
	}
	buf_puts(to, "]");
}
