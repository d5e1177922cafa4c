/*
 * pg.h - one connection to PostgreSQL, used by one thread at a time.
 *
 * Statements are prepared at their first use and named by their text, which must be a
 * string literal or otherwise live as long as the connection. All values are text; NULL is
 * NULL. search_path is pixelfleet.
 *
 *	scoped(PQclear_p) PGresult *r = NULL;
 *	if (pg_query(&pg, &r, err, "SELECT id FROM job WHERE state = $1::job_state", PG_VALUES("running")) < 0)
 *		...
 *
 * Many statements in one round trip: pg_send() each, then pg_wait() for all their results;
 * the first error undoes the transaction and is the one reported. Where no BEGIN was sent they are a transaction of
 * their own; after its failure the connection stays, unless names were being prepared.
 *
 * Errors: a lost connection, and the SQLSTATE classes that pass by themselves (08 connection,
 * 40 rollback, 53 resources, 55 lock, 57 operator) are ERR_RETRY; the rest is ERR_REJECT.
 * `sqlstate` holds the last error's. A lost connection is closed and made again at the next use.
 *
 * Nothing waits for ever: the server ends a statement after `patience_s`, and when it says nothing at
 * all, a few seconds later the connection counts as lost. So whether a COMMIT was done may be unknown.
 * What needs longer than that never succeeds: it has to be cut into pieces, each with its own pg_wait().
 */
#ifndef PG_H
#define PG_H

#include "buf.h"
#include "err.h"

#include <libpq-fe.h>

#define PG_STATEMENTS 128

struct pg {
	char *url;
	const char *setup;              /* statements run at each connect; may be NULL */
	unsigned patience_s;            /* longest a statement may take; 0: as long as it likes. Set before the first use */
	PGconn *conn;                   /* NULL: not connected */
	const char *prepared[PG_STATEMENTS];
	size_t nprepared, nsent;
	bool sent_prepare[PG_STATEMENTS * 4];   /* whether the k-th sent statement has a Prepare before it */
	unsigned connects;
	char sqlstate[6];
};

DEFINE_SCOPED(PGresult *, PQclear)

void pg_init(struct pg *pg, const char *url, const char *setup);
void pg_done(struct pg *pg);
void pg_close(struct pg *pg);                   /* the next use connects again */
int pg_connect(struct pg *pg, struct err *err) must_use;

#define PG_VALUES(...) (int)countof(((const char *const[]){ __VA_ARGS__ })), ((const char *const[]){ __VA_ARGS__ })
#define PG_NONE 0, NULL

int pg_query(struct pg *pg, PGresult **ret, struct err *err, const char *sql, int n, const char *const *values) must_use;
/* Several statements without values, as psql would run them. */
int pg_script(struct pg *pg, const char *sql, struct err *err) must_use;

int pg_send(struct pg *pg, struct err *err, const char *sql, int n, const char *const *values) must_use;
/* Values in either format, as libpq takes them; is_binary: so are the result's columns. See pg_column.h. */
struct pg_params {
	int n;
	const char *const *values;
	const int *lengths, *formats;   /* may be NULL when all values are text */
	bool is_binary;
};
int pg_send_params(struct pg *pg, struct err *err, const char *sql, const struct pg_params *p) must_use;
bool pg_is_full(const struct pg *pg);           /* so much was sent that pg_wait() has to come first */
/* Fills results[0..nsent), each to be PQcleared; on -1 all of them are NULL. results may be NULL. */
int pg_wait(struct pg *pg, PGresult **results, struct err *err) must_use;

/* Waits, when anything was sent. pg_query() does it by itself. */
int pg_settle(struct pg *pg, struct err *err) must_use;

/* ROLLBACK, if there is a connection and a transaction. */
void pg_rollback(struct pg *pg);

/* Fields of a result; NULL columns are NULL and 0. Of a binary result: text and enums by pg_text(), the others by theirs. */
const char *pg_text(const PGresult *r, int row, int col);
int64_t pg_int(const PGresult *r, int row, int col);
bool pg_bool(const PGresult *r, int row, int col);
void pg_uuid(const PGresult *r, int row, int col, uint8_t raw[16]);     /* not NULL */

/* Array literals: {1,2} and {"text",NULL}. begin, add..., end. */
void pg_array_begin(struct buf *b);
void pg_array_int(struct buf *b, int64_t v);
void pg_array_real(struct buf *b, double v);
void pg_array_word(struct buf *b, const char *v);       /* of characters that need no quotes */
void pg_array_text(struct buf *b, const char *v);       /* NULL is NULL */
void pg_array_end(struct buf *b);

#endif
