#include "api.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_S   60
#define HEADERS_MAX 4

char *cli_url_part(const char *text)
{
	struct buf b = { 0 };

	for (const unsigned char *s = (const unsigned char *)text; *s; s++)
		buf_printf(&b, isalnum(*s) || strchr("-._~", *s) ? "%c" : "%%%02X", *s);
	return buf_take(&b);
}

char *cli_url_nth(const char *list, size_t n)
{
	for (const char *at = list; *at;) {
		size_t len;

		at += strspn(at, ", \t");
		len = strcspn(at, ", \t");
		if (len && n-- == 0) {
			while (len && at[len - 1] == '/')
				len--;
			return xstrndup(at, len);
		}
		at += strcspn(at, ", \t");
	}
	return NULL;
}

static const char *urls(const struct cli *c)
{
	const char *given = cli_value(&c->args, "url");

	return given ? given : c->conf.dispatcher_url;
}

static int prepare(struct cli *c, struct err *err)
{
	if (cli_settings(c, err) < 0)
		return -1;
	if (!c->http)
		c->http = httpc_new();
	return 0;
}

/* Where to ask at the n-th try: from the one that answered last on, all around. NULL: all were asked. */
static char *base(const struct cli *c, size_t try)
{
	size_t n = 0;

	for (char *url; (url = cli_url_nth(urls(c), n)); n++)
		free(url);
	return try < n ? cli_url_nth(urls(c), (c->url + try) % n) : NULL;
}

static void add_headers(const struct cli *c, const char **headers, char **ret_auth)
{
	headers[0] = "Accept: application/json, text/event-stream";
	headers[1] = "Content-Type: application/json";
	if (*c->conf.api_token)
		headers[2] = *ret_auth = xasprintf("Authorization: Bearer %s", c->conf.api_token);
}

static bool is_away(unsigned status)
{
	return status == 502 || status == 503 || status == 504;
}

/* The first answer of a dispatcher that can work, else the last answer, else the last error. */
static int ask(struct cli *c, struct http_request *q, const char *path, struct http_response *ret, struct err *err)
{
	struct http_response r = { 0 };
	bool answered = false;

	err_set(err, ERR_REJECT, "no dispatcher's address: PIXELFLEET_DISPATCHER_URL or --url is empty");
	for (size_t try = 0;; try++) {
		scoped(free_p) char *where = base(c, try);
		scoped(free_p) char *url = where ? xasprintf("%s%s", where, path) : NULL;

		if (!url)
			break;
		q->url = url;
		if (answered)
			http_response_done(&r);
		answered = false;
		r = (struct http_response){ 0 };
		if (httpc_perform(c->http, q, &r, err) < 0) {
			if (err->kind == ERR_CANCEL)
				break;
			continue;
		}
		answered = true;
		if (is_away(r.status))
			continue;
		c->url += try;
		break;
	}
	if (!answered)
		return -1;
	*ret = r;
	return 0;
}

static enum cli_exit exit_of(unsigned status)
{
	switch (status) {
	case 404: return CLI_NOT_FOUND;
	case 400: case 409: case 413: case 422: return CLI_FAILED;
	default: return CLI_TROUBLE;
	}
}

/* The answer is a no: says so with the dispatcher's words, and adds what a person could do. */
static int refused(struct cli *c, unsigned status, const json_t *answer, struct err *err)
{
	const json_t *error = json_object_get(answer, "error");
	json_t *problems = json_object_get(error, "problems");
	const char *message = cli_str(error, "message");

	c->code = exit_of(status);
	json_decref(c->problems);
	c->problems = json_is_array(problems) ? json_incref(problems) : NULL;
	if (status == 401 || status == 403)
		return err_set(err, ERR_REJECT, "%s (PIXELFLEET_API_TOKEN is %s)", *message ? message : "not allowed",
			*c->conf.api_token ? "not one of the dispatcher's" : "not set");
	if (!*message)
		return err_set(err, ERR_REJECT, "the dispatcher answered with HTTP status %u and no reason", status);
	return err_set(err, ERR_REJECT, "%s", message);
}

int cli_call(struct cli *c, const char *method, const char *path, const json_t *body, json_t **ret, struct err *err)
{
	struct http_response r = { 0 };
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(free_p) char *auth = NULL, *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	const char *headers[HEADERS_MAX] = { NULL };
	struct http_request q = { .method = method, .headers = headers, .body = text, .body_len = text ? strlen(text) : 0,
		.timeout_s = TIMEOUT_S };
	int rc = 0;

	c->code = CLI_TROUBLE;
	if (prepare(c, err) < 0)
		return -1;
	add_headers(c, headers, &auth);
	if (ask(c, &q, path, &r, err) < 0)
		return -1;
	answer = json_loadb(r.body.text ? r.body.text : "", r.body.len, JSON_DECODE_ANY, NULL);
	if (r.status < 200 || r.status >= 300)
		rc = refused(c, r.status, answer, err);
	else if (!answer)
		rc = err_set(err, ERR_REJECT, "%s: the answer is not JSON but %s; is a pixelfleet dispatcher there?", path,
			*r.content_type ? r.content_type : "something else");
	else
		*ret = steal(&answer);
	http_response_done(&r);
	return rc;
}

int cli_get(struct cli *c, json_t **ret, struct err *err, const char *path_fmt, ...)
{
	scoped(free_p) char *path = NULL;
	va_list ap;
	int n;

	va_start(ap, path_fmt);
	n = vasprintf(&path, path_fmt, ap);
	va_end(ap);
	must(n >= 0);
	return cli_call(c, "GET", path, NULL, ret, err);
}

void cli_stream(struct cli *c, const char *job, unsigned timeout_s, const volatile bool *stop,
	bool (*on_data)(void *arg, const char *bytes, size_t n), void *arg, unsigned *ret_status)
{
	scoped(free_p) char *auth = NULL, *id = cli_url_part(job), *path = xasprintf("/api/v1/events?job=%s", id);
	const char *headers[HEADERS_MAX] = { NULL };
	struct http_request q = { .headers = headers, .timeout_s = timeout_s, .max_bytes = (size_t)1 << 40, .stop = stop,
		.on_data = on_data, .arg = arg };
	struct http_response r = { 0 };
	struct err err = { 0 };

	*ret_status = 0;
	if (prepare(c, &err) < 0)
		return;
	add_headers(c, headers, &auth);
	if (ask(c, &q, path, &r, &err) < 0)
		return;
	*ret_status = r.status;
	http_response_done(&r);
}
