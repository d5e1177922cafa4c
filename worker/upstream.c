#include "upstream.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PLAIN_FAILURES 3

static int add_url(struct upstream *u, const char *setting, const char *from, size_t n, struct err *err)
{
	while (n && (*from == ' ' || *from == '\t'))
		from++, n--;
	while (n && strchr(" \t/", from[n - 1]))
		n--;
	if (n == 0)
		return 0;
	if (strncasecmp(from, "http://", 7) != 0 && strncasecmp(from, "https://", 8) != 0)
		return err_set(err, ERR_REJECT, "%s: '%.*s' does not start with http:// or https://", setting,
			(int)min_of(n, (size_t)200), from);
	u->urls = xrealloc(u->urls, (u->nurls + 1) * sizeof *u->urls);
	u->urls[u->nurls++] = xstrndup(from, n);
	return 0;
}

static int open_at(struct upstream *u, const char *setting, const char *urls, const struct conf *conf, struct err *err)
{
	scoped(upstream_close) struct upstream made = { 0 };

	for (const char *p = urls;; p++) {
		size_t n = strcspn(p, ",");

		if (add_url(&made, setting, p, n, err) < 0)
			return -1;
		p += n;
		if (!*p)
			break;
	}
	if (made.nurls == 0)
		return err_set(err, ERR_REJECT, "%s names no server", setting);
	made.http = httpc_new();
	made.auth = xasprintf("x-internal-token: %s", conf->internal_token);
	*u = made;
	made = (struct upstream){ 0 };
	return 0;
}

int upstream_open(struct upstream *u, const struct conf *conf, struct err *err)
{
	return open_at(u, "PIXELFLEET_DISPATCHER_URL", conf->dispatcher_url, conf, err);
}

int upstream_open_gallery(struct upstream *u, const struct conf *conf, struct err *err)
{
	return *conf->api_base_url ? open_at(u, "API_BASE_URL", conf->api_base_url, conf, err) : upstream_open(u, conf, err);
}

void upstream_close(struct upstream *u)
{
	httpc_free(u->http);
	for (size_t i = 0; u->plain && i < u->nurls; i++)
		plainhttp_done(&u->plain[i].http);
	free(u->plain);
	for (size_t i = 0; i < u->nurls; i++)
		free(u->urls[i]);
	free(u->urls);
	free(u->auth);
	*u = (struct upstream){ 0 };
}

static int call_one(struct upstream *u, struct http_request *q, const char *path, struct http_response *ret,
	struct err *err)
{
	scoped(free_p) char *url = xasprintf("%s%s", u->urls[u->current], path);

	q->url = url;
	if (httpc_perform(u->http, q, ret, err) < 0)
		return -1;
	if (ret->status < 502 || ret->status > 504)
		return 0;
	err_set(err, ERR_RETRY, "'%.300s' answers %u: %.200s", url, ret->status, ret->body.text ? ret->body.text : "");
	http_response_done(ret);
	return -1;
}

int upstream_perform(struct upstream *u, struct http_request *q, const char *path, struct http_response *ret, struct err *err)
{
	for (size_t i = 0; i < u->nurls; i++) {
		if (call_one(u, q, path, ret, err) == 0)
			return 0;
		if (err->kind == ERR_CANCEL)
			return -1;
		u->current = (u->current + 1) % u->nurls;
	}
	return -1;
}

int upstream_call(struct upstream *u, const char *path, const char *body, size_t len, unsigned timeout_s,
	size_t max_bytes, const bool *stop, struct http_response *ret, struct err *err)
{
	const char *const headers[] = { u->auth, NULL };
	struct http_request q = { .headers = headers, .body = body, .body_len = len, .timeout_s = timeout_s,
		.max_bytes = max_bytes, .stop = stop };

	return upstream_perform(u, &q, path, ret, err);
}

/* ---- the short way ---- */

static void open_plain(struct upstream *u)
{
	u->plain = xcalloc(u->nurls, sizeof *u->plain);
	for (size_t i = 0; i < u->nurls; i++)
		u->plain[i].is_open = plainhttp_init(&u->plain[i].http, u->urls[i]);
}

/* Anything unusual is the other way's to find out about. true: *rc tells how it ended. */
static bool post_plain(struct plain_way *w, const char *path, const char *head, const struct http_request *q, struct http_response *ret,
	int *rc, struct err *err)
{
	enum plain_end end;

	if (!w->is_open || !w->is_well || w->failures > PLAIN_FAILURES)
		return false;
	end = plainhttp_post(&w->http, path, head, q->body, q->body_len, q->timeout_s, ret, err);
	if (end == PLAIN_DONE && ret->status >= 502 && ret->status <= 504) {
		http_response_done(ret);
		end = PLAIN_NO;
	}
	w->is_well = end == PLAIN_DONE;
	w->failures = end == PLAIN_NO ? w->failures + 1 : 0;
	*rc = end == PLAIN_DONE ? 0 : -1;
	return end != PLAIN_NO;
}

int upstream_post(struct upstream *u, const char *path, const char *header, const char *body, size_t len, unsigned timeout_s,
	struct http_response *ret, struct err *err)
{
	const char *const headers[] = { u->auth, header, NULL };
	struct http_request q = { .headers = headers, .body = body, .body_len = len, .timeout_s = timeout_s };
	scoped(free_p) char *head = xasprintf("%s\r\n%s%s", u->auth, header ? header : "", header ? "\r\n" : "");

	if (!u->plain)
		open_plain(u);
	for (size_t i = 0; i < u->nurls; i++) {
		struct plain_way *w = &u->plain[u->current];
		int rc;

		if (!post_plain(w, path, head, &q, ret, &rc, err)) {
			rc = call_one(u, &q, path, ret, err);
			w->is_well = rc == 0;
		}
		if (rc == 0)
			return 0;
		u->current = (u->current + 1) % u->nurls;
	}
	return -1;
}

const char *upstream_base(const struct upstream *u)
{
	return u->urls[u->current];
}
