#include "http_auth.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <sodium.h>

#define TOKEN_MAX 4096

static void hash(struct auth_hash *to, const char *token, size_t n)
{
	must(crypto_generichash(to->bytes, sizeof to->bytes, (const uint8_t *)token, n, NULL, 0) == 0);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int add_line(struct auth *a, size_t *cap, const char *file, unsigned line, const char *s, size_t n, struct err *err)
{
	while (n && is_blank(s[n - 1]))
		n--;
	if (!n || (n >= 2 && memcmp(s, "# ", 2) == 0))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return err_set(err, ERR_REJECT, "PIXELFLEET_API_TOKENS_FILE: %s:%u: a token is printable ASCII without spaces", file, line);
	if (n < AUTH_TOKEN_MIN || n > TOKEN_MAX)
		return err_set(err, ERR_REJECT, "PIXELFLEET_API_TOKENS_FILE: %s:%u: a token of %zu characters; allowed are %d to %d",
			file, line, n, AUTH_TOKEN_MIN, TOKEN_MAX);
	if (a->napi == AUTH_TOKENS_MAX)
		return err_set(err, ERR_REJECT, "PIXELFLEET_API_TOKENS_FILE: %s:%u: more than %d tokens", file, line, AUTH_TOKENS_MAX);
	a->api = grow(a->api, a->napi + 1, cap, sizeof *a->api);
	hash(&a->api[a->napi++], s, n);
	return 0;
}

static int read_tokens(struct auth *a, const char *file, struct err *err)
{
	static const char end[] = "";
	enum { MOST = AUTH_TOKENS_MAX * 128 };
	scoped(free_p) char *text = xcalloc(1, MOST + 1);
	scoped(close_p) int fd = open(file, O_RDONLY | O_CLOEXEC);
	size_t len = 0, cap = 0;
	ssize_t n = 0;
	unsigned line = 1;
	int rc = 0;

	while (fd >= 0 && len < MOST && (n = read(fd, text + len, MOST - len)) > 0)
		len += (size_t)n;
	if (fd < 0 || n < 0)
		return err_set(err, ERR_REJECT, "PIXELFLEET_API_TOKENS_FILE: cannot read '%s': %s", file, strerror(errno));
	if (len == MOST)
		rc = err_set(err, ERR_REJECT, "PIXELFLEET_API_TOKENS_FILE: '%s' is larger than %d bytes", file, (int)MOST);
	for (const char *s = text; rc == 0 && *s; line++) {
		size_t k = strcspn(s, "\n");

		rc = add_line(a, &cap, file, line, s, k, err);
		s = s[k] ? s + k + 1 : end;
	}
	explicit_bzero(text, len);
	if (rc == 0 && !a->napi)
		rc = err_set(err, ERR_REJECT, "PIXELFLEET_API_TOKENS_FILE: '%s' has no token in it", file);
	return rc;
}

int auth_init(struct auth *ret, const struct conf *conf, struct err *err)
{
	scoped(auth_done) struct auth a = { 0 };

	if (conf_need_token(conf, err) < 0)
		return -1;
	hash(&a.internal[a.ninternal++], conf->internal_token, strlen(conf->internal_token));
	if (*conf->internal_token_previous)
		hash(&a.internal[a.ninternal++], conf->internal_token_previous, strlen(conf->internal_token_previous));
	if (*conf->api_tokens_file && read_tokens(&a, conf->api_tokens_file, err) < 0)
		return -1;
	*ret = a;
	a = (struct auth){ 0 };
	return 0;
}

void auth_done(struct auth *a)
{
	free(a->api);
	*a = (struct auth){ 0 };
}

static bool is_one_of(const struct auth_hash *known, size_t n, const char *token)
{
	struct auth_hash h;
	bool found = false;

	hash(&h, token, strlen(token));
	for (size_t i = 0; i < n; i++)
		found |= sodium_memcmp(known[i].bytes, h.bytes, sizeof h.bytes) == 0;
	return found;
}

bool auth_api(const struct auth *a, const char *authorization, const char *x_api_token)
{
	static const char scheme[] = "Bearer ";

	if (!a->napi)
		return true;
	if (authorization && strncasecmp(authorization, scheme, sizeof scheme - 1) == 0)
		return is_one_of(a->api, a->napi, authorization + sizeof scheme - 1);
	return x_api_token && is_one_of(a->api, a->napi, x_api_token);
}

bool auth_internal(const struct auth *a, const char *x_internal_token)
{
	return x_internal_token && is_one_of(a->internal, a->ninternal, x_internal_token);
}

/* "host", "host:port" or "[v6]:port". */
static bool is_local_name(const char *host)
{
	static const char *const names[] = { "localhost", "[::1]" };
	size_t n = strcspn(host, *host == '[' ? "]" : ":");

	n += host[n] == ']';
	if (host[n] && host[n] != ':')
		return false;
	for (size_t i = 0; i < countof(names); i++)
		if (strlen(names[i]) == n && strncasecmp(host, names[i], n) == 0)
			return true;
	return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n;
}

bool auth_is_local(const char *host, const char *origin, const char *fetch_site)
{
	if (host && !is_local_name(host))
		return false;
	if (fetch_site && strcmp(fetch_site, "cross-site") == 0)
		return false;
	if (!origin)
		return true;
	if (strncmp(origin, "http://", 7) == 0)
		return is_local_name(origin + 7);
	return strncmp(origin, "https://", 8) == 0 && is_local_name(origin + 8);
}

static bool is_loopback(const struct sockaddr *sa)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return sa->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

int auth_check_listen(const struct auth *a, const struct sockaddr *address, const char *text, struct err *err)
{
	if (is_loopback(address) || a->napi)
		return 0;
	return err_set(err, ERR_REJECT, "PIXELFLEET_LISTEN: '%s' can be reached from other machines: name a file of API tokens in "
		"PIXELFLEET_API_TOKENS_FILE, or listen on 127.0.0.1 or [::1]", text);
}
