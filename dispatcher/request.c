#include "request.h"

#include "errand.h"
#include "job_wait.h"
#include "log.h"
#include "stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#define JSON_TYPE "application/json; charset=utf-8"

/* A thread's connections, closed by the thread's end. */
struct edge {
	struct pg pg;
	struct redis redis;
};

static pthread_key_t edge_key;
static pthread_once_t edge_once = PTHREAD_ONCE_INIT;

static void edge_free(void *arg)
{
	struct edge *e = arg;

	pg_done(&e->pg);
	redis_done(&e->redis);
	free(e);
}

static void edge_setup(void)
{
	must(pthread_key_create(&edge_key, edge_free) == 0);
}

static struct edge *edge(const struct conf *conf)
{
	struct edge *e;

	must(pthread_once(&edge_once, edge_setup) == 0);
	e = pthread_getspecific(edge_key);
	if (e)
		return e;
	e = xcalloc(1, sizeof *e);
	pg_init(&e->pg, conf->database_url, NULL);
	redis_init(&e->redis, conf->redis_url);
	must(pthread_setspecific(edge_key, e) == 0);
	return e;
}

/* The other side has closed it, or said something unasked for, which is its last word. */
static bool is_stale(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

struct pg *request_pg(struct request *req)
{
	struct pg *pg = &edge(&req->d->conf)->pg;

	if (pg->conn && is_stale(PQsocket(pg->conn)))
		pg_close(pg);
	return pg;
}

struct redis *request_redis(struct request *req)
{
	struct redis *redis = &edge(&req->d->conf)->redis;

	if (redis->ctx && is_stale(redis->ctx->fd))
		redis_close(redis);
	return redis;
}

int request_query(struct request *req, PGresult **ret, const char *sql, int n, const char *const *values)
{
	struct err err;

	if (pg_query(request_pg(req), ret, &err, sql, n, values) == 0)
		return 0;
	answer_err(req, MHD_HTTP_INTERNAL_SERVER_ERROR, &err);
	return -1;
}

const char *request_arg(struct request *req, const char *name)
{
	return MHD_lookup_connection_value(req->conn, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(struct request *req, const char *name)
{
	return MHD_lookup_connection_value(req->conn, MHD_HEADER_KIND, name);
}

const char *request_route(const struct request *req)
{
	return req->match.route ? req->match.route->pattern : "-";
}

int request_arg_int(struct request *req, const char *name, int64_t def, int64_t min, int64_t max, int64_t *ret)
{
	const char *text = request_arg(req, name);
	int64_t value = def;
	char *end;

	if (text) {
		errno = 0;
		value = strtoll(text, &end, 10);
		if (!*text || *end || errno || value < min || value > max) {
			answer_error(req, MHD_HTTP_BAD_REQUEST, "?%s=%.60s: allowed is a whole number from %lld to %lld", name, text,
				(long long)min, (long long)max);
			return -1;
		}
	}
	*ret = value;
	return 0;
}

json_t *request_json(struct request *req, json_type type)
{
	json_t *problems = json_array(), *value;

	value = json_parse_strict(req->body.text ? req->body.text : "", req->body.len, SUBMISSION_MAX_DEPTH, problems);
	if (!value)
		answer_problems(req, problems);
	else if (json_typeof(value) != type)
		answer_error(req, MHD_HTTP_BAD_REQUEST, "the body must be a JSON %s", type == JSON_ARRAY ? "array" : "object");
	json_decref(problems);
	if (value && json_typeof(value) == type)
		return value;
	json_decref(value);
	return NULL;
}

/* Answers. */

static void set_answer(struct request *req, unsigned status, struct MHD_Response *response, const char *media_type)
{
	must(response != NULL);
	must(req->answer == NULL);
	req->answer = response;
	req->status = status;
	answer_header(req, "Content-Type", media_type);
	answer_header(req, "X-Content-Type-Options", "nosniff");
}

void answer_header(struct request *req, const char *name, const char *value)
{
	must(MHD_add_response_header(req->answer, name, value) == MHD_YES);
}

void answer_bytes(struct request *req, unsigned status, const char *media_type, struct buf *bytes)
{
	size_t len = bytes->len;

	set_answer(req, status, MHD_create_response_from_buffer(len, buf_take(bytes), MHD_RESPMEM_MUST_FREE), media_type);
	answer_header(req, "Cache-Control", "no-store");
}

void answer_text(struct request *req, unsigned status, struct buf *json)
{
	answer_bytes(req, status, JSON_TYPE, json);
}

void answer_json(struct request *req, unsigned status, json_t *take_value)
{
	struct buf text = { 0 };

	buf_json(&text, take_value);
	json_decref(take_value);
	answer_text(req, status, &text);
}

void answer_nothing(struct request *req, unsigned status, const char *media_type)
{
	set_answer(req, status, MHD_create_response_from_buffer(0, (void *)(uintptr_t)"", MHD_RESPMEM_PERSISTENT), media_type);
}

void answer_file(struct request *req, const char *media_type, int take_fd, size_t size)
{
	set_answer(req, MHD_HTTP_OK, MHD_create_response_from_fd64(size, take_fd), media_type);
}

void answer_part(struct request *req, const char *media_type, int take_fd, uint64_t from, uint64_t n)
{
	set_answer(req, MHD_HTTP_PARTIAL_CONTENT, MHD_create_response_from_fd_at_offset64(n, take_fd, from), media_type);
}

struct stream *answer_stream(struct request *req)
{
	struct MHD_Response *response;
	struct stream *s = stream_new(req->conn, &response);

	req->streams = true;
	set_answer(req, MHD_HTTP_OK, response, "text/event-stream; charset=utf-8");
	answer_header(req, "Cache-Control", "no-store");
	answer_header(req, "X-Accel-Buffering", "no");
	return s;
}

static void answer_message(struct request *req, unsigned status, const char *message, const json_t *problems)
{
	struct buf b = { 0 };

	buf_puts(&b, "{\"error\":{\"message\":");
	buf_json_string(&b, message);
	if (problems) {
		buf_puts(&b, ",\"problems\":");
		buf_json(&b, problems);
	}
	buf_puts(&b, "}}");
	answer_text(req, status, &b);
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		answer_header(req, "Retry-After", "1");
}

void answer_error(struct request *req, unsigned status, const char *fmt, ...)
{
	char message[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	answer_message(req, status, message, NULL);
}

void answer_err(struct request *req, unsigned rejected, const struct err *err)
{
	unsigned status = err->kind == ERR_REJECT ? rejected : MHD_HTTP_SERVICE_UNAVAILABLE;

	if (status >= 500)
		log_error("http.failed", "route=%s status=%u err=%s", request_route(req), status, log_quote(err->msg));
	answer_message(req, status, err->msg, NULL);
}

void answer_problems(struct request *req, const json_t *problems)
{
	scoped(buf_free) struct buf text = { 0 };

	problems_text(problems, &text);
	answer_message(req, MHD_HTTP_BAD_REQUEST, text.text ? text.text : "invalid", problems);
}

void request_free(struct request *req)
{
	errand_drop(req->errand);
	job_wait_drop(req->job_wait);
	json_decref(req->state);
	if (req->answer)
		MHD_destroy_response(req->answer);
	route_match_done(&req->match);
	buf_free(&req->body);
	free(req->path);
	free(req->authority);
	free(req);
}
