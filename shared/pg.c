#include "pg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_ONLY "25006"

void pg_init(struct pg *pg, const char *url, const char *setup)
{
	*pg = (struct pg){ .url = xstrdup(url), .setup = setup };
}

void pg_close(struct pg *pg)
{
	if (pg->conn)
		PQfinish(pg->conn);
	pg->conn = NULL;
	pg->nprepared = pg->nsent = 0;
}

void pg_done(struct pg *pg)
{
	pg_close(pg);
	free(pg->url);
	pg->url = NULL;
}

static enum err_kind kind_of(const char *sqlstate)
{
	/* connection, conflict, resources, locks, shutdown, disk; and a server that is only read since a failover */
	static const char *const passing[] = { "08", "40", "53", "55", "57", "58", READ_ONLY };

	for (size_t i = 0; i < countof(passing); i++)
		if (strncmp(sqlstate, passing[i], strlen(passing[i])) == 0)
			return ERR_RETRY;
	return ERR_REJECT;
}

/* One line of libpq's text, which ends in a newline and may have several. */
static int fail(struct pg *pg, struct err *err, const PGresult *r)
{
	const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *text = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	if (!text)
		text = pg->conn ? PQerrorMessage(pg->conn) : "no connection";
	snprintf(pg->sqlstate, sizeof pg->sqlstate, "%s", state ? state : "08006");
	err_set(err, state ? kind_of(state) : ERR_RETRY, "postgresql: %.*s%s%s", (int)min_of(strcspn(text, "\n"), (size_t)700), text,
		state ? " " : "", state ? state : "");
	if (!pg->conn || PQstatus(pg->conn) != CONNECTION_OK || strcmp(pg->sqlstate, READ_ONLY) == 0)
		pg_close(pg);           /* of several hosts in the URL another may be the primary by now */
	return -1;
}

static bool is_error(const PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);

	return s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK && s != PGRES_PIPELINE_SYNC;
}

static void ignore_notice(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

int pg_connect(struct pg *pg, struct err *err)
{
	static const char *const names[] = { "dbname", "application_name", "options", "connect_timeout", "client_encoding", NULL };
	const char *const values[] = { pg->url, "pixelfleet", "-c search_path=pixelfleet,public -c TimeZone=UTC -c statement_timeout=60000",
		"5", "UTF8", NULL };

	if (pg->conn && PQstatus(pg->conn) == CONNECTION_OK)
		return 0;
	pg_close(pg);
	pg->conn = PQconnectdbParams(names, values, 1);
	must(pg->conn != NULL);
	if (PQstatus(pg->conn) != CONNECTION_OK)
		return fail(pg, err, NULL);
	PQsetNoticeReceiver(pg->conn, ignore_notice, NULL);
	pg->connects++;
	return pg->setup ? pg_script(pg, pg->setup, err) : 0;
}

int pg_script(struct pg *pg, const char *sql, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (pg_connect(pg, err) < 0)
		return -1;
	r = PQexec(pg->conn, sql);
	return !r || is_error(r) ? fail(pg, err, r) : 0;
}

/* The statement's name: its place in the list of prepared ones; *ret_new when it is not prepared yet. */
static void name_of(struct pg *pg, const char *sql, char name[16], bool *ret_new)
{
	size_t i;

	for (i = 0; i < pg->nprepared; i++)
		if (pg->prepared[i] == sql)
			break;
	*ret_new = i == pg->nprepared;
	must(i < PG_STATEMENTS);
	snprintf(name, 16, "s%zu", i);
}

int pg_query(struct pg *pg, PGresult **ret, struct err *err, const char *sql, int n, const char *const *values)
{
	scoped(PQclear_p) PGresult *r = NULL;
	char name[16];
	bool is_new;

	if (pg_connect(pg, err) < 0)
		return -1;
	name_of(pg, sql, name, &is_new);
	if (is_new) {
		scoped(PQclear_p) PGresult *p = PQprepare(pg->conn, name, sql, 0, NULL);

		if (!p || is_error(p))
			return fail(pg, err, p);
		pg->prepared[pg->nprepared++] = sql;
	}
	r = PQexecPrepared(pg->conn, name, n, values, NULL, NULL, 0);
	if (!r || is_error(r))
		return fail(pg, err, r);
	if (ret)
		*ret = steal(&r);
	return 0;
}

int pg_send(struct pg *pg, struct err *err, const char *sql, int n, const char *const *values)
{
	char name[16];
	bool is_new;

	if (pg_connect(pg, err) < 0)
		return -1;
	if (PQpipelineStatus(pg->conn) == PQ_PIPELINE_OFF && !PQenterPipelineMode(pg->conn))
		return fail(pg, err, NULL);
	must(pg->nsent < countof(pg->sent_prepare));
	name_of(pg, sql, name, &is_new);
	if (is_new) {
		if (!PQsendPrepare(pg->conn, name, sql, 0, NULL))
			return fail(pg, err, NULL);
		pg->prepared[pg->nprepared++] = sql;
	}
	if (!PQsendQueryPrepared(pg->conn, name, n, values, NULL, NULL, 0))
		return fail(pg, err, NULL);
	pg->sent_prepare[pg->nsent++] = is_new;
	return 0;
}

/* Reads one statement's result and the NULL that ends it. */
static PGresult *next_result(struct pg *pg)
{
	PGresult *r = PQgetResult(pg->conn), *end = r ? PQgetResult(pg->conn) : NULL;

	must(end == NULL);
	return r;
}

static int take(struct pg *pg, PGresult **ret, bool *failed, struct err *err)
{
	scoped(PQclear_p) PGresult *r = next_result(pg);

	if (!r)
		return fail(pg, err, NULL);             /* the connection is gone */
	if (is_error(r) && PQresultStatus(r) != PGRES_PIPELINE_ABORTED && !*failed) {
		*failed = true;
		fail(pg, err, r);
		if (!pg->conn)
			return -1;
	}
	if (ret)
		*ret = steal(&r);
	return 0;
}

/* After a failure the prepared names of this pipeline are in doubt: begin anew with the connection. */
static int abandon(struct pg *pg, PGresult **results, size_t n)
{
	for (size_t i = 0; results && i < n; i++) {
		PQclear(results[i]);
		results[i] = NULL;
	}
	pg_close(pg);
	return -1;
}

int pg_wait(struct pg *pg, PGresult **results, struct err *err)
{
	size_t n = pg->nsent;
	bool failed = false;
	PGresult *sync;

	for (size_t i = 0; results && i < n; i++)
		results[i] = NULL;
	pg->nsent = 0;
	if (!pg->conn)
		return err_set(err, ERR_RETRY, "postgresql: the connection was lost");
	if (!PQpipelineSync(pg->conn))
		return fail(pg, err, NULL), abandon(pg, results, n);
	for (size_t i = 0; i < n; i++) {
		if (pg->sent_prepare[i] && take(pg, NULL, &failed, err) < 0)
			return abandon(pg, results, n);
		if (take(pg, results ? &results[i] : NULL, &failed, err) < 0)
			return abandon(pg, results, n);
	}
	sync = PQgetResult(pg->conn);
	if (!sync || PQresultStatus(sync) != PGRES_PIPELINE_SYNC || !PQexitPipelineMode(pg->conn)) {
		PQclear(sync);
		return failed ? abandon(pg, results, n) : (fail(pg, err, NULL), abandon(pg, results, n));
	}
	PQclear(sync);
	return failed ? abandon(pg, results, n) : 0;
}

void pg_rollback(struct pg *pg)
{
	struct err ignored;

	if (pg->conn && PQtransactionStatus(pg->conn) != PQTRANS_IDLE && pg_script(pg, "ROLLBACK", &ignored) < 0)
		pg_close(pg);
}

const char *pg_text(const PGresult *r, int row, int col)
{
	return PQgetisnull(r, row, col) ? NULL : PQgetvalue(r, row, col);
}

int64_t pg_int(const PGresult *r, int row, int col)
{
	return strtoll(PQgetvalue(r, row, col), NULL, 10);
}

void pg_array_begin(struct buf *b)
{
	buf_clear(b);
	buf_add(b, "{", 1);
}

static void separate(struct buf *b)
{
	if (b->text[b->len - 1] != '{' || b->len > 1)
		buf_add(b, ",", 1);
}

void pg_array_int(struct buf *b, int64_t v)
{
	char text[24], *p = text + sizeof text;
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;

	separate(b);
	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(text + sizeof text - p));
}

void pg_array_real(struct buf *b, double v)
{
	separate(b);
	if (isfinite(v))
		buf_printf(b, "%.7g", v);
	else
		buf_puts(b, "NULL");
}

void pg_array_word(struct buf *b, const char *v)
{
	separate(b);
	buf_puts(b, v ? v : "NULL");
}

void pg_array_text(struct buf *b, const char *v)
{
	separate(b);
	if (!v) {
		buf_puts(b, "NULL");
		return;
	}
	buf_add(b, "\"", 1);
	for (const char *from = v;; v++) {
		if (*v && *v != '"' && *v != '\\')
			continue;
		buf_add(b, from, (size_t)(v - from));
		if (!*v)
			break;
		buf_add(b, "\\", 1);
		from = v;
	}
	buf_add(b, "\"", 1);
}

void pg_array_end(struct buf *b)
{
	buf_add(b, "}", 1);
}
