#include "pg.h"

#include "clock.h"
#include "uuid.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_ONLY "25006"
#define PATIENCE_S 60
#define SLACK_MS   2000         /* the server's own limit comes first: its answer says what took so long */
/* Both sides notice within half a minute when the other is gone without a word, so that neither waits on a
 * dead connection nor keeps rows locked for one. No statement is so long that compiling it would pay. */
#define SESSION "-c search_path=pixelfleet,public -c TimeZone=UTC -c jit=off -c idle_in_transaction_session_timeout=15000 " \
	"-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20000 " \
	"-c client_connection_check_interval=5000 -c statement_timeout="

void pg_init(struct pg *pg, const char *url, const char *setup)
{
	*pg = (struct pg){ .url = xstrdup(url), .setup = setup, .patience_s = PATIENCE_S };
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
	/* What stands before dbname, which may be a whole URL, is a default; what follows it is not the URL's to say. */
	static const char *const names[] = { "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"dbname", "application_name", "options", "connect_timeout", "client_encoding", NULL };
	char session[sizeof SESSION + 16];
	const char *const values[] = { "10", "5", "3", "20000", pg->url, "pixelfleet", session, "5", "UTF8", NULL };

	if (pg->conn && PQstatus(pg->conn) == CONNECTION_OK)
		return 0;
	pg_close(pg);
	snprintf(session, sizeof session, SESSION "%u", pg->patience_s * 1000);
	pg->conn = PQconnectdbParams(names, values, 1);
	must(pg->conn != NULL);
	if (PQstatus(pg->conn) != CONNECTION_OK || PQsetnonblocking(pg->conn, 1) < 0)
		return fail(pg, err, NULL);
	PQsetNoticeReceiver(pg->conn, ignore_notice, NULL);
	pg->connects++;
	return pg->setup ? pg_script(pg, pg->setup, err) : 0;
}

/* ---- waiting, but not for ever: a connection may be open and dead ---- */

static int64_t limit(const struct pg *pg)
{
	return pg->patience_s ? clock_mono_ms() + (int64_t)pg->patience_s * 1000 + SLACK_MS : INT64_MAX;
}

static int wait_socket(struct pg *pg, short events, int64_t until_ms, struct err *err)
{
	for (;;) {
		struct pollfd p = { .fd = PQsocket(pg->conn), .events = events };
		int64_t left = until_ms == INT64_MAX ? 60000 : until_ms - clock_mono_ms();

		if (left <= 0) {
			snprintf(pg->sqlstate, sizeof pg->sqlstate, "08006");
			pg_close(pg);
			return err_set(err, ERR_RETRY, "postgresql: no answer within %u s", pg->patience_s + SLACK_MS / 1000);
		}
		if (poll(&p, 1, (int)min_of(left, (int64_t)60000)) < 0)
			must(errno == EINTR);
		else if (p.revents)
			return PQconsumeInput(pg->conn) ? 0 : fail(pg, err, NULL);
	}
}

/* All that was sent has left. */
static int flush(struct pg *pg, int64_t until_ms, struct err *err)
{
	int r;

	while ((r = PQflush(pg->conn)) == 1)
		if (wait_socket(pg, POLLIN | POLLOUT, until_ms, err) < 0)
			return -1;
	return r < 0 ? fail(pg, err, NULL) : 0;
}

/* The next PQgetResult() does not wait. */
static int await(struct pg *pg, int64_t until_ms, struct err *err)
{
	while (PQisBusy(pg->conn))
		if (wait_socket(pg, POLLIN, until_ms, err) < 0)
			return -1;
	return 0;
}

/* All results of what was sent; the first error, or else the last of them. */
static int collect(struct pg *pg, PGresult **ret, struct err *err)
{
	scoped(PQclear_p) PGresult *kept = NULL;
	int64_t until_ms = limit(pg);

	if (flush(pg, until_ms, err) < 0)
		return -1;
	for (;;) {
		PGresult *r;

		if (await(pg, until_ms, err) < 0)
			return -1;
		r = PQgetResult(pg->conn);
		if (!r)
			break;
		if (kept && is_error(kept)) {
			PQclear(r);
			continue;
		}
		PQclear(kept);
		kept = r;
	}
	if (!kept || is_error(kept))
		return fail(pg, err, kept);
	if (ret)
		*ret = steal(&kept);
	return 0;
}

int pg_script(struct pg *pg, const char *sql, struct err *err)
{
	if (pg_connect(pg, err) < 0)
		return -1;
	return PQsendQuery(pg->conn, sql) ? collect(pg, NULL, err) : fail(pg, err, NULL);
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
	char name[16];
	bool is_new;

	if (pg_settle(pg, err) < 0 || pg_connect(pg, err) < 0)
		return -1;
	name_of(pg, sql, name, &is_new);
	if (is_new) {
		if (!PQsendPrepare(pg->conn, name, sql, 0, NULL))
			return fail(pg, err, NULL);
		if (collect(pg, NULL, err) < 0)
			return -1;
		pg->prepared[pg->nprepared++] = sql;
	}
	if (!PQsendQueryPrepared(pg->conn, name, n, values, NULL, NULL, 0))
		return fail(pg, err, NULL);
	return collect(pg, ret, err);
}

bool pg_is_full(const struct pg *pg)
{
	return pg->nsent == countof(pg->sent_prepare);
}

int pg_send_params(struct pg *pg, struct err *err, const char *sql, const struct pg_params *p)
{
	char name[16];
	bool is_new;

	if (pg_connect(pg, err) < 0)
		return -1;
	if (PQpipelineStatus(pg->conn) == PQ_PIPELINE_OFF && !PQenterPipelineMode(pg->conn))
		return fail(pg, err, NULL);
	must(!pg_is_full(pg));
	name_of(pg, sql, name, &is_new);
	if (is_new) {
		if (!PQsendPrepare(pg->conn, name, sql, 0, NULL))
			return fail(pg, err, NULL);
		pg->prepared[pg->nprepared++] = sql;
	}
	if (!PQsendQueryPrepared(pg->conn, name, p->n, p->values, p->lengths, p->formats, p->is_binary))
		return fail(pg, err, NULL);
	pg->sent_prepare[pg->nsent++] = is_new;
	return 0;
}

int pg_send(struct pg *pg, struct err *err, const char *sql, int n, const char *const *values)
{
	return pg_send_params(pg, err, sql, &(struct pg_params){ .n = n, .values = values });
}

/* Reads one statement's result and the NULL that ends it. */
static int next_result(struct pg *pg, int64_t until_ms, PGresult **ret, struct err *err)
{
	PGresult *r, *end;

	if (await(pg, until_ms, err) < 0)
		return -1;
	r = PQgetResult(pg->conn);
	if (!r)
		return fail(pg, err, NULL);             /* the connection is gone */
	if (await(pg, until_ms, err) < 0) {
		PQclear(r);
		return -1;
	}
	end = PQgetResult(pg->conn);
	must(end == NULL);
	*ret = r;
	return 0;
}

static int take(struct pg *pg, int64_t until_ms, PGresult **ret, bool *failed, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;

	if (next_result(pg, until_ms, &r, err) < 0)
		return -1;
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

static int forget(PGresult **results, size_t n)
{
	for (size_t i = 0; results && i < n; i++) {
		PQclear(results[i]);
		results[i] = NULL;
	}
	return -1;
}

/* After a failure names that were prepared by this pipeline are in doubt: begin anew with the connection. */
static int abandon(struct pg *pg, PGresult **results, size_t n)
{
	pg_close(pg);
	return forget(results, n);
}

/* Nothing is left of a pipeline that has failed. */
static bool is_clean(const struct pg *pg, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pg->sent_prepare[i])
			return false;
	return PQtransactionStatus(pg->conn) == PQTRANS_IDLE;
}

/* The answer to the end of the pipeline. */
static int take_sync(struct pg *pg, int64_t until_ms, struct err *err)
{
	scoped(PQclear_p) PGresult *sync = NULL;

	if (await(pg, until_ms, err) < 0)
		return -1;
	sync = PQgetResult(pg->conn);
	return sync && PQresultStatus(sync) == PGRES_PIPELINE_SYNC && PQexitPipelineMode(pg->conn) ? 0 : fail(pg, err, NULL);
}

int pg_wait(struct pg *pg, PGresult **results, struct err *err)
{
	int64_t until_ms = limit(pg);
	size_t n = pg->nsent;
	bool failed = false;

	for (size_t i = 0; results && i < n; i++)
		results[i] = NULL;
	pg->nsent = 0;
	if (!pg->conn)
		return err_set(err, ERR_RETRY, "postgresql: the connection was lost");
	if (!PQpipelineSync(pg->conn))
		return fail(pg, err, NULL), abandon(pg, results, n);
	if (flush(pg, until_ms, err) < 0)
		return abandon(pg, results, n);
	for (size_t i = 0; i < n; i++) {
		if (pg->sent_prepare[i] && take(pg, until_ms, NULL, &failed, err) < 0)
			return abandon(pg, results, n);
		if (take(pg, until_ms, results ? &results[i] : NULL, &failed, err) < 0)
			return abandon(pg, results, n);
	}
	if (take_sync(pg, until_ms, err) < 0)   /* whatever an answer said: it did not come to the end of it */
		return abandon(pg, results, n);
	if (failed)
		return is_clean(pg, n) ? forget(results, n) : abandon(pg, results, n);
	return 0;
}

int pg_settle(struct pg *pg, struct err *err)
{
	return pg->nsent ? pg_wait(pg, NULL, err) : 0;
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

static int64_t big_endian(const uint8_t *at, int n)
{
	uint64_t v = n && at[0] & 0x80 ? UINT64_MAX : 0;

	must(n <= 8);
	for (int i = 0; i < n; i++)
		v = v << 8 | at[i];
	return (int64_t)v;
}

int64_t pg_int(const PGresult *r, int row, int col)
{
	const char *v = PQgetvalue(r, row, col);

	return PQfformat(r, col) ? big_endian((const uint8_t *)v, PQgetlength(r, row, col)) : strtoll(v, NULL, 10);
}

bool pg_bool(const PGresult *r, int row, int col)
{
	const char *v = PQgetvalue(r, row, col);

	return *v == 't' || *v == 1;
}

void pg_uuid(const PGresult *r, int row, int col, uint8_t raw[16])
{
	const char *v = PQgetvalue(r, row, col);

	if (!PQfformat(r, col)) {
		uuid_raw(v, raw);
		return;
	}
	must(PQgetlength(r, row, col) == 16);
	memcpy(raw, v, 16);
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
	separate(b);
	buf_int(b, v);
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
