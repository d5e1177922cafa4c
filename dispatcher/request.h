/*
 * request.h - one HTTP request, as its handler sees it.
 *
 * A handler runs on a thread of the server, with the whole body read. It answers with one of
 * the answer_* functions, or hands operations to the ledger with errand_run() (errand.h), which lets
 * go of the thread until they are done. Blocking queries are fine: each thread has its own
 * connections. Only http.c, request.c, errand.c,
 * job_wait.c and stream.c know libmicrohttpd.
 *
 *	void api_job_show(struct request *req)
 *	{
 *		scoped(PQclear_p) PGresult *r = NULL;
 *
 *		if (request_query(req, &r, "SELECT ...", PG_VALUES(req->match.params[0])) < 0)
 *			return;                         // it has answered
 *		...
 *		answer_text(req, 200, &text);
 *	}
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "dispatcher.h"
#include "http_head.h"
#include "pg.h"
#include "redis.h"
#include "routes.h"

struct MHD_Connection;
struct MHD_Response;
struct http_server;
struct errand;
struct job_wait;
struct events;
struct guarded;
struct stream;

struct request {
	struct http_server *server;
	struct dispatcher *d;
	struct events *events;
	struct route_match match;
	struct buf body;
	bool is_head;
	struct errand *errand;          /* the ledger's operations, see errand.h */
	struct job_wait *job_wait;      /* see job_wait.h */
	json_t *state;                  /* what the handler keeps until then; released with the request */

	/* Of http.c and request.c: */
	struct MHD_Connection *conn;
	struct MHD_Response *answer;
	struct guarded *guarded;        /* of the connection */
	struct head_uri uri;
	char *path, *authority;         /* authority: of an absolute URI */
	unsigned status, refused;       /* refused: the body is dropped, then this status is sent */
	const char *refusal;
	size_t dropped;
	int64_t begun_us;
	bool begun, handled, last;
	bool closes, streams;           /* the connection ends with the answer; the answer goes on */
	void (*then)(struct request *req);
	void (*resume)(struct request *req);    /* what to do when the connection goes on */
};

/* Query arguments; NULL when not given. Values are UTF-8 (the server has refused others). */
const char *request_arg(struct request *req, const char *name);
/* -1: it was not a whole number in [min, max], and a 400 was answered. */
int request_arg_int(struct request *req, const char *name, int64_t def, int64_t min, int64_t max, int64_t *ret) must_use;
const char *request_header(struct request *req, const char *name);
/* The pattern that it matched, for logs: in the path itself anything may stand, a token, too. */
const char *request_route(const struct request *req);

/* This thread's connections; they connect at their first use and close with the thread. One that the other side has
 * closed meanwhile is made anew. Ask for them once per statement, not in a transaction. */
struct pg *request_pg(struct request *req);
struct redis *request_redis(struct request *req);
/* One statement. On -1 it has answered. */
int request_query(struct request *req, PGresult **ret, const char *sql, int n, const char *const *values) must_use;

/* The body as JSON object (or array); NULL: a 400 was answered. */
json_t *request_json(struct request *req, json_type type);

/* Each request is answered once. Texts and values are taken. */
void answer_text(struct request *req, unsigned status, struct buf *json);
void answer_json(struct request *req, unsigned status, json_t *take_value);
void answer_bytes(struct request *req, unsigned status, const char *media_type, struct buf *bytes);
void answer_file(struct request *req, const char *media_type, int take_fd, size_t size);
void answer_part(struct request *req, const char *media_type, int take_fd, uint64_t from, uint64_t n);   /* n bytes of it, as 206 */
void answer_nothing(struct request *req, unsigned status, const char *media_type);
/* {"error":{"message"}} */
void answer_error(struct request *req, unsigned status, const char *fmt, ...) printf_like(3, 4);
/* ERR_RETRY is 503, ERR_REJECT `rejected`. */
void answer_err(struct request *req, unsigned rejected, const struct err *err);
/* 400 {"error":{"message","problems"}} */
void answer_problems(struct request *req, const json_t *problems);
/* A text/event-stream; returns the writer's reference (see stream.h). */
struct stream *answer_stream(struct request *req);
/* After the answer was made: one more header. */
void answer_header(struct request *req, const char *name, const char *value);

void request_free(struct request *req);

#endif
