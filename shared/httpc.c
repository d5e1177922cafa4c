#include "httpc.h"

#include "address.h"
#include "url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#define TIMEOUT_S         30
#define CONNECT_TIMEOUT_S 10
#define ANSWER_MAX        ((size_t)64 << 20)
#define HEADERS_MAX       ((size_t)256 << 10)     /* of all answers of one transfer */

/* Two handles, so that a connection made without the address check is never used with it. */
struct httpc {
	CURL *any, *public;
	char error[CURL_ERROR_SIZE];
};

struct transfer {
	const struct http_request *q;
	struct http_response *response;
	size_t received, header_bytes, max_bytes;
	bool is_too_large, is_stopped;
	int write_errno;
	char refused[INET6_ADDRSTRLEN];         /* the address that may not be reached, or "" */
};

static const struct { CURLcode code; enum err_kind kind; } kinds[] = {
	{ CURLE_UNSUPPORTED_PROTOCOL, ERR_REJECT },
	{ CURLE_URL_MALFORMAT,        ERR_REJECT },
	{ CURLE_FILESIZE_EXCEEDED,    ERR_REJECT },
	{ CURLE_TOO_MANY_REDIRECTS,   ERR_REJECT },
	{ CURLE_BAD_CONTENT_ENCODING, ERR_REJECT },
	{ CURLE_LOGIN_DENIED,         ERR_REJECT },     /* a redirect to user:password@host */
};                                              /* the rest may pass later */

static enum err_kind kind_of(CURLcode code)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].code == code)
			return kinds[i].kind;
	return ERR_RETRY;
}

enum err_kind http_status_kind(unsigned status)
{
	return status == 408 || status == 425 || status == 429 || status >= 500 ? ERR_RETRY : ERR_REJECT;
}

static void init_once(void)
{
	must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

struct httpc *httpc_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_once);
	return xcalloc(1, sizeof(struct httpc));
}

void httpc_free(struct httpc *c)
{
	if (!c)
		return;
	if (c->any)
		curl_easy_cleanup(c->any);
	if (c->public)
		curl_easy_cleanup(c->public);
	free(c);
}

void http_response_done(struct http_response *r)
{
	buf_free(&r->body);
	*r = (struct http_response){ 0 };
}

static bool write_out(struct transfer *t, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t w = write(t->q->to_fd, bytes, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return t->write_errno = errno, false;
		bytes += w, n -= (size_t)w;
	}
	return true;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	n *= size;
	t->received += n;
	if (t->received > t->max_bytes)
		return t->is_too_large = true, CURL_WRITEFUNC_ERROR;
	if (t->q->on_data) {
		if (!t->q->on_data(t->q->arg, bytes, n))
			return t->is_stopped = true, CURL_WRITEFUNC_ERROR;
	} else if (t->q->to_fd) {
		if (!write_out(t, bytes, n))
			return CURL_WRITEFUNC_ERROR;
	} else {
		buf_add(&t->response->body, bytes, n);
	}
	return n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	(void)bytes;
	t->header_bytes += size * n;
	return t->header_bytes > HEADERS_MAX ? CURL_WRITEFUNC_ERROR : size * n;
}

static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total, curl_off_t ul)
{
	struct transfer *t = arg;

	(void)dl_total, (void)dl, (void)ul_total, (void)ul;
	if (t->q->stop && __atomic_load_n(t->q->stop, __ATOMIC_RELAXED))
		t->is_stopped = true;
	return t->is_stopped;
}

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = arg;

	(void)purpose;
	if (t->q->public_only && sockaddr_is_private(&a->addr)) {
		if (a->family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)&a->addr)->sin_addr, t->refused, sizeof t->refused);
		else if (a->family == AF_INET6)
			inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)&a->addr)->sin6_addr, t->refused, sizeof t->refused);
		return CURL_SOCKET_BAD;
	}
	t->refused[0] = '\0';           /* a name may have several addresses */
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

#define set_option(h, option, value) must(curl_easy_setopt(h, option, value) == CURLE_OK)

static void set_common(CURL *h, const struct http_request *q, struct transfer *t, char *error)
{
	long timeout_ms = q->timeout_ms ? (long)q->timeout_ms : (long)(q->timeout_s ? q->timeout_s : TIMEOUT_S) * 1000;

	curl_easy_reset(h);             /* keeps connections and the DNS cache */
	set_option(h, CURLOPT_NOSIGNAL, 1L);
	set_option(h, CURLOPT_ERRORBUFFER, error);
	set_option(h, CURLOPT_PROTOCOLS_STR, "http,https");
	set_option(h, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	set_option(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	set_option(h, CURLOPT_FOLLOWLOCATION, q->max_redirects ? 1L : 0L);
	set_option(h, CURLOPT_MAXREDIRS, (long)q->max_redirects);
	set_option(h, CURLOPT_TIMEOUT_MS, timeout_ms);
	set_option(h, CURLOPT_CONNECTTIMEOUT_MS, min_of(timeout_ms, CONNECT_TIMEOUT_S * 1000L));
	set_option(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->max_bytes);
	set_option(h, CURLOPT_PROXY, "");       /* a proxy would resolve names behind the address check */
	set_option(h, CURLOPT_USERAGENT, "pixelfleet/" VERSION);
	/* Without TLS there is nothing that offers: an "Upgrade" costs a round trip or the request's body. */
	set_option(h, CURLOPT_HTTP_VERSION, (long)(q->may_http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	if (q->ca_file && *q->ca_file)
		set_option(h, CURLOPT_CAINFO, q->ca_file);
	set_option(h, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	set_option(h, CURLOPT_OPENSOCKETDATA, t);
	set_option(h, CURLOPT_HEADERFUNCTION, on_header);
	set_option(h, CURLOPT_HEADERDATA, t);
	set_option(h, CURLOPT_WRITEFUNCTION, on_body);
	set_option(h, CURLOPT_WRITEDATA, t);
	set_option(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	set_option(h, CURLOPT_XFERINFODATA, t);
	set_option(h, CURLOPT_NOPROGRESS, 0L);
}

static struct curl_slist *add_header(struct curl_slist *list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(list, line);

	must(longer != NULL);
	return longer;
}

static struct curl_slist *make_headers(const struct http_request *q)
{
	struct curl_slist *list = add_header(NULL, "Expect:");  /* no round trip to ask whether a body is welcome */
	bool has_type = false;

	for (size_t i = 0; q->headers && q->headers[i]; i++) {
		has_type |= strncasecmp(q->headers[i], "content-type:", 13) == 0;
		list = add_header(list, q->headers[i]);
	}
	if (q->body && !has_type)
		list = add_header(list, "Content-Type: application/json");
	return list;
}

static void set_body(CURL *h, const struct http_request *q)
{
	if (q->body) {
		set_option(h, CURLOPT_POST, 1L);
		set_option(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
		set_option(h, CURLOPT_POSTFIELDS, q->body);
	}
	if (q->method && strcmp(q->method, "HEAD") == 0)
		set_option(h, CURLOPT_NOBODY, 1L);
	else if (q->method)
		set_option(h, CURLOPT_CUSTOMREQUEST, q->method);
}

static int explain(const struct transfer *t, CURLcode code, const char *error, struct err *err)
{
	char shown[320];
	const char *url = url_shown(t->q->url, shown, sizeof shown);

	if (t->is_stopped)
		return err_set(err, ERR_CANCEL, "'%.300s': stopped", url);
	if (t->is_too_large || code == CURLE_FILESIZE_EXCEEDED)
		return err_set(err, ERR_REJECT, "'%.300s' is larger than %zu bytes", url, t->max_bytes);
	if (t->header_bytes > HEADERS_MAX)
		return err_set(err, ERR_REJECT, "'%.300s' answers with more than %zu bytes of headers", url, HEADERS_MAX);
	if (t->write_errno)
		return err_set(err, ERR_RETRY, "'%.300s': cannot keep what came: %s", url, strerror(t->write_errno));
	if (t->refused[0])
		return err_set(err, ERR_REJECT, "'%.300s' leads to %s, which is not a public address "
			"(PIXELFLEET_ALLOW_PRIVATE_URLS=1 allows it)", url, t->refused);
	if (code == CURLE_LOGIN_DENIED)
		return err_set(err, ERR_REJECT, "'%.300s' leads to a URL with a user or password in it, which is not allowed", url);
	return err_set(err, kind_of(code), "'%.300s': %s", url, *error ? error : curl_easy_strerror(code));
}

static void read_head(CURL *h, const char *want, struct http_response *r)
{
	const char *type = NULL;
	struct curl_header *header;
	long status = 0;

	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(h, CURLINFO_CONTENT_TYPE, &type);
	r->status = (unsigned)status;
	snprintf(r->content_type, sizeof r->content_type, "%s", type ? type : "");
	if (want && curl_easy_header(h, want, 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
		snprintf(r->header, sizeof r->header, "%s", header->value);
}

int httpc_perform(struct httpc *c, const struct http_request *q, struct http_response *ret, struct err *err)
{
	CURL **h = q->public_only ? &c->public : &c->any;
	struct http_response response = { 0 };
	struct transfer t = { .q = q, .response = &response, .max_bytes = q->max_bytes ? q->max_bytes : ANSWER_MAX };
	struct curl_slist *headers;
	CURLcode code;

	if (!*h)
		*h = curl_easy_init();
	must(*h != NULL);
	c->error[0] = '\0';
	set_common(*h, q, &t, c->error);
	headers = make_headers(q);
	set_option(*h, CURLOPT_HTTPHEADER, headers);
	set_body(*h, q);
	code = curl_easy_setopt(*h, CURLOPT_URL, q->url);
	if (code == CURLE_OK)
		code = curl_easy_perform(*h);
	curl_slist_free_all(headers);
	if (code != CURLE_OK) {
		http_response_done(&response);
		return explain(&t, code, c->error, err);
	}
	read_head(*h, q->want_header, &response);
	*ret = response;
	return 0;
}

bool http_url_origin(const char *url, char *ret, size_t n)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	bool is_one = false;

	if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK && strlen(host) + strlen(port) + 2 <= n) {
		snprintf(ret, n, "%s:%s", host, port);
		for (char *c = ret; *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
		is_one = true;
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return is_one;
}
