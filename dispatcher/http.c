#include "http.h"

#include "clock.h"
#include "errand.h"
#include "job_wait.h"
#include "events.h"
#include "guard.h"
#include "http_auth.h"
#include "http_head.h"
#include "listener.h"
#include "log.h"
#include "metrics.h"
#include "request.h"
#include "utf8.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <microhttpd.h>

#define THREADS         4
#define CONNECTIONS     12288
#define DYING           512             /* that were cut, and are not closed yet */
#define OTHER_FDS       256             /* files and connections that are not HTTP's */
#define IDLE_S          60
#define HEAD_S          10
#define WINDOW_S        10              /* in each of these a body must come, and an answer be read, by */
#define WINDOW_BYTES    (128u << 10)
#define POOL_BYTES      (16u << 10)     /* of each connection: the head of a request, with MHD's own needs */
#define DROP_MAX        (32u << 20)     /* of a refused body, so that the client reads why */
#define STOP_MS         10000

struct http_server {
	struct dispatcher *d;
	struct MHD_Daemon *daemon;
	struct listener listener;
	struct auth auth;
	struct guard *guard;
	struct events *events;
	_Atomic unsigned running;       /* requests */
	_Atomic bool stopping;
};

static enum MHD_Result see_argument(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	bool *ok = arg;
	const char *const texts[] = { name, value ? value : "" };

	(void)kind;
	for (size_t t = 0; t < countof(texts); t++)
		for (size_t i = 0, n = strlen(texts[t]), k; i < n; i += k)
			if (!(k = utf8_sequence(texts[t] + i, n - i)))
				return *ok = false, MHD_NO;
	return MHD_YES;
}

/* An absolute URI names a host, too; all of them must be ours. */
static bool is_local(struct request *req)
{
	const char *host = request_header(req, "Host"), *origin = request_header(req, "Origin");
	const char *site = request_header(req, "Sec-Fetch-Site");

	return auth_is_local(host, origin, site) && auth_is_local(req->authority, NULL, NULL);
}

/* Fills req->refused and the words for it when the token is missing or wrong. */
static void check_token(struct http_server *s, struct request *req)
{
	switch (req->match.route->auth) {
	case ROUTE_NONE:
		return;
	case ROUTE_INTERNAL:
		if (auth_internal(&s->auth, request_header(req, "x-internal-token"))) {
			guard_trust(req->guarded, true);
			return;
		}
		req->refusal = "the internal token is missing or wrong (header x-internal-token)";
		break;
	case ROUTE_API:
		if (!auth_api(&s->auth, request_header(req, "Authorization"), request_header(req, "x-api-token"))) {
			req->refusal = "an API token is needed: Authorization: Bearer <token>";
			break;
		}
		if (s->auth.napi)
			guard_trust(req->guarded, true);
		if (s->auth.napi || is_local(req))
			return;
		metric_add(METRIC_HTTP_REFUSED, 1);
		req->refused = MHD_HTTP_FORBIDDEN;
		req->refusal = "without API tokens only programs of this machine may ask: the Host or Origin is another one's";
		return;
	}
	req->refused = MHD_HTTP_UNAUTHORIZED;
	guard_trust(req->guarded, false);
	metric_add(METRIC_HTTP_REFUSED, 1);
}

static void check(struct http_server *s, struct request *req, const struct head *head)
{
	bool args_ok = true;

	MHD_get_connection_values(req->conn, MHD_GET_ARGUMENT_KIND, see_argument, &args_ok);
	if (!req->match.route) {
		req->refused = req->match.status;
		req->refusal = req->refused == 404 ? "there is nothing at this path (GET /api/v1 lists what there is)" :
			req->refused == 405 ? "this path does not take this method" : "a part of the path is not text";
		return;
	}
	check_token(s, req);
	if (req->refused)
		return;
	if (!args_ok) {
		req->refused = MHD_HTTP_BAD_REQUEST;
		req->refusal = "the query is not UTF-8";
	} else if (head->length > route_body_max(req->match.route->body)) {
		req->refused = MHD_HTTP_CONTENT_TOO_LARGE;
	}
}

static void answer_refused(struct request *req)
{
	if (req->refused == MHD_HTTP_CONTENT_TOO_LARGE)
		answer_error(req, req->refused, "the body is over %zu bytes", route_body_max(req->match.route->body));
	else
		answer_error(req, req->refused, "%s", req->refusal);
	if (req->refused == MHD_HTTP_METHOD_NOT_ALLOWED)
		answer_header(req, "Allow", req->match.allow);
	if (req->refused == MHD_HTTP_UNAUTHORIZED)
		answer_header(req, "WWW-Authenticate", "Bearer");
}

static enum MHD_Result send_answer(struct http_server *s, struct request *req)
{
	enum MHD_Result rc;

	must(req->answer != NULL);
	if (req->last || req->closes || s->stopping)
		answer_header(req, "Connection", "close");
	guard_phase(req->guarded, req->streams ? GUARD_FREE : GUARD_ANSWER);
	rc = MHD_queue_response(req->conn, req->status, req->answer);
	MHD_destroy_response(req->answer);
	req->answer = NULL;
	return rc;
}

/* The headers have come. A refusal is sent now only when the body should not come at all. */
static enum MHD_Result begin(struct http_server *s, struct request *req, const struct head_line *line)
{
	struct head head;

	req->begun = true;
	head_read(&head, req->conn, line);
	req->is_head = strcmp(line->method, "HEAD") == 0;
	/* Its end is not ours to judge: nothing that comes after it on this connection is read as a request. */
	req->closes = head.chunked || strcmp(line->method, "CONNECT") == 0;
	route_find(line->method, req->path, &req->match);
	if (head.problem) {
		req->refusal = head.problem;
		req->refused = head.status;
		req->last = true;
	} else {
		check(s, req, &head);
		req->last = req->refused && head.has_body && (head.expects || head.length > DROP_MAX);
	}
	guard_phase(req->guarded, head.has_body ? GUARD_BODY : GUARD_FREE);
	if (!req->last)
		return MHD_YES;
	req->handled = true;
	answer_refused(req);
	return send_answer(s, req);
}

static enum MHD_Result take_body(struct request *req, const char *bytes, size_t *n)
{
	size_t most = req->match.route ? route_body_max(req->match.route->body) : 0;

	if (!req->refused && req->body.len + *n > most) {
		req->refused = MHD_HTTP_CONTENT_TOO_LARGE;
		buf_free(&req->body);
	}
	if (req->refused) {
		req->dropped += *n;
		if (req->dropped > DROP_MAX)
			return MHD_NO;
	} else {
		buf_add(&req->body, bytes, *n);
	}
	*n = 0;
	return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
	const char *bytes, size_t *n, void **con_cls)
{
	struct http_server *s = arg;
	struct request *req = *con_cls;

	(void)url;
	if (!req->begun) {
		const struct head_line line = { method, version, req->uri };

		req->conn = conn;
		return begin(s, req, &line);
	}
	if (*n)
		return take_body(req, bytes, n);
	if (!req->handled) {
		req->handled = true;
		guard_phase(req->guarded, GUARD_FREE);
		if (req->refused)
			answer_refused(req);
		else
			req->match.route->handler(req);
	} else if (req->resume) {
		void (*resume)(struct request *) = req->resume;

		req->resume = NULL;             /* it may wait again */
		resume(req);
	}
	return req->answer ? send_answer(s, req) : MHD_YES;
}

static struct guarded *guarded_of(struct MHD_Connection *conn)
{
	return MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* Of a connection, not of a request. */
static void on_connection(void *arg, struct MHD_Connection *conn, void **ret_guarded, enum MHD_ConnectionNotificationCode what)
{
	struct http_server *s = arg;

	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*ret_guarded = guard_enter(s->guard, MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
	else
		guard_leave(*ret_guarded);
}

/* The first line of a request: its URI as it came, before libmicrohttpd decodes it. */
static void *on_uri(void *arg, const char *uri, struct MHD_Connection *conn)
{
	struct http_server *s = arg;
	struct request *req = xcalloc(1, sizeof *req);
	const char *host, *path;
	size_t n;

	*req = (struct request){ .server = s, .d = s->d, .events = s->events, .begun_us = clock_mono_us(), .uri = head_uri(uri),
		.guarded = guarded_of(conn) };
	path = head_path(uri, &host, &n);
	req->path = xstrndup(path, strcspn(path, "?"));
	if (path != uri)
		req->authority = xstrndup(host, n);
	guard_phase(req->guarded, GUARD_HEAD);
	s->running++;
	return req;
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode how)
{
	struct http_server *s = arg;
	struct request *req = *con_cls;

	(void)conn;
	(void)how;
	if (!req)
		return;
	*con_cls = NULL;
	metric_add(METRIC_HTTP_REQUESTS, 1);
	log_debug("http.request", "method=%s route=%s status=%u ms=%.3f", req->match.route ? req->match.route->method : "-",
		request_route(req), req->status, (double)(clock_mono_us() - req->begun_us) / 1000);
	guard_phase(req->guarded, GUARD_IDLE);
	request_free(req);
	s->running--;
}

static printf_like(2, 0) void on_log(void *arg, const char *fmt, va_list ap)
{
	char text[500];

	(void)arg;
	vsnprintf(text, sizeof text, fmt, ap);
	text[strcspn(text, "\r\n")] = '\0';
	log_debug("http.library", "text=%s", log_quote(text));
}

/* As many connections as there may be files open. */
static unsigned connections(void)
{
	const rlim_t wanted = CONNECTIONS + DYING + OTHER_FDS;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return 512;
	if (r.rlim_cur < wanted) {
		r.rlim_cur = min_of(r.rlim_max, wanted);
		(void)setrlimit(RLIMIT_NOFILE, &r);
		(void)getrlimit(RLIMIT_NOFILE, &r);
	}
	return r.rlim_cur >= wanted ? CONNECTIONS : (unsigned)max_of(r.rlim_cur / 2, (rlim_t)THREADS);
}

static struct guard *start_guard(unsigned most)
{
	const struct guard_limits limits = { .most = most, .idle_ms = IDLE_S * 1000, .head_ms = HEAD_S * 1000,
		.window_ms = WINDOW_S * 1000, .window_bytes = WINDOW_BYTES, .sweep_ms = 1000 };

	return guard_start(&limits);
}

static struct MHD_Daemon *start_daemon(struct http_server *s, unsigned most)
{
	struct MHD_Daemon *daemon;
	sigset_t all, before;

	sigfillset(&all);               /* signals are for the main thread */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
		(uint16_t)s->listener.port, NULL, NULL, on_request, s,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, s,
		MHD_OPTION_LISTEN_SOCKET, s->listener.fd,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,
		MHD_OPTION_CONNECTION_LIMIT, most + DYING,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
		MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return daemon;
}

static void server_free(struct http_server *s)
{
	events_stop(s->events);
	guard_stop(s->guard);
	if (s->listener.fd >= 0)
		close(s->listener.fd);
	auth_done(&s->auth);
	free(s);
}

static void warn_if_exposed(const char *setting, const char *file)
{
	struct stat st;

	if (*file && stat(file, &st) == 0 && (st.st_mode & S_IRWXO))
		log_warn("http.token_exposed", "setting=%s file=%s hint=%s", setting, log_quote(file),
			log_quote("everybody on this machine can read or change it: chmod o-rwx"));
}

int http_start(struct dispatcher *d, struct http_server **ret, struct err *err)
{
	struct http_server *s = xcalloc(1, sizeof *s);
	unsigned most = connections();

	s->d = d;
	s->listener.fd = -1;
	if (auth_init(&s->auth, &d->conf, err) < 0 ||
	    listener_open(&s->listener, d->conf.listen, &s->auth, err) < 0) {
		server_free(s);
		return -1;
	}
	s->events = events_start(&d->conf);
	s->guard = start_guard(most);
	s->daemon = start_daemon(s, most);
	if (!s->daemon) {
		server_free(s);
		return err_set(err, ERR_RETRY, "the HTTP server could not be started on '%s'", d->conf.listen);
	}
	warn_if_exposed("PIXELFLEET_API_TOKENS_FILE", d->conf.api_tokens_file);
	warn_if_exposed("PROCESSING_INTERNAL_TOKEN_FILE", d->conf.internal_token_file);
	log_info("http.listening", "address=%s port=%u", s->listener.address, s->listener.port);
	*ret = s;
	return 0;
}

unsigned http_port(const struct http_server *s)
{
	return s->listener.port;
}

static void wait_idle(struct http_server *s, int64_t ms)
{
	for (int64_t until = clock_mono_ms() + ms; s->running && clock_mono_ms() < until;)
		clock_sleep_ms(5);
}

void http_stop(struct http_server *s)
{
	if (!s)
		return;
	s->stopping = true;
	MHD_quiesce_daemon(s->daemon);
	shutdown(s->listener.fd, SHUT_RD);      /* refuses instead of letting callers wait */
	events_end_all(s->events);
	job_waits_expire(true);
	wait_idle(s, STOP_MS);
	errands_expire(true);
	job_waits_expire(true);
	wait_idle(s, 1000);
	MHD_stop_daemon(s->daemon);
	if (s->running)
		log_warn("http.cut", "requests=%u", s->running);
	server_free(s);
}
