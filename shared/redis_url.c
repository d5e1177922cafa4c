#include "redis_url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT 6379
#define DB_MAX       1000000

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : (tolower((unsigned char)c) - 'a') + 10;
}

/* Copies [from, to) with %xx decoded; -1 when it does not fit, or is no text. */
static int decode(const char *from, const char *to, char *out, size_t size)
{
	for (; from < to; from++) {
		char c = *from;

		if (c == '%' && to - from > 2 && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2])) {
			c = (char)(hex(from[1]) * 16 + hex(from[2]));
			from += 2;
		}
		if (size < 2 || !c)
			return -1;
		*out++ = c;
		size--;
	}
	*out = '\0';
	return 0;
}

/* All of [from, to) is a number up to `most`. */
static int number(const char *from, const char *to, int most, int *ret)
{
	int n = 0;

	if (from == to)
		return -1;
	for (; from < to; from++) {
		if (!isdigit((unsigned char)*from) || (n = n * 10 + (*from - '0')) > most)
			return -1;
	}
	*ret = n;
	return 0;
}

static int parse_user(const char *s, const char *at, struct redis_url *u)
{
	const char *colon = memchr(s, ':', (size_t)(at - s));

	if (decode(s, colon ? colon : at, u->user, sizeof u->user) < 0)
		return -1;
	return colon ? decode(colon + 1, at, u->password, sizeof u->password) : 0;
}

static int parse_tcp(const char *s, struct redis_url *u)
{
	const char *end = s + strcspn(s, "/?"), *at = memrchr(s, '@', (size_t)(end - s)), *host, *host_end;

	if (at && parse_user(s, at, u) < 0)
		return -1;
	host = at ? at + 1 : s;
	if (*host == '[') {
		host_end = memchr(host, ']', (size_t)(end - host));
		if (!host_end || decode(host + 1, host_end++, u->host, sizeof u->host) < 0)
			return -1;
	} else {
		host_end = host + strcspn(host, ":/?");
		if (decode(host, host_end, u->host, sizeof u->host) < 0)
			return -1;
	}
	u->port = DEFAULT_PORT;
	if (host_end < end && (*host_end != ':' || number(host_end + 1, end, 65535, &u->port) < 0))
		return -1;
	if (*end == '?' || (*end == '/' && end[1] && number(end + 1, end + strlen(end), DB_MAX, &u->db) < 0))
		return -1;
	return *u->host && u->port > 0 ? 0 : -1;
}

static int parse_unix(const char *s, struct redis_url *u)
{
	const char *end = s + strcspn(s, "?");

	u->is_unix = true;
	if (*end && (strncmp(end, "?db=", 4) != 0 || number(end + 4, end + strlen(end), DB_MAX, &u->db) < 0))
		return -1;
	return decode(s, end, u->host, sizeof u->host) < 0 || !*u->host ? -1 : 0;
}

int redis_url_parse(const char *url, struct redis_url *ret, struct err *err)
{
	struct redis_url u = { 0 };

	if ((strncmp(url, "redis://", 8) == 0 && parse_tcp(url + 8, &u) == 0) ||
	    (strncmp(url, "unix://", 7) == 0 && parse_unix(url + 7, &u) == 0)) {
		*ret = u;
		return 0;
	}
	return err_set(err, ERR_REJECT, "REDIS_URL: not understood; allowed are redis://[user:password@]host[:port][/db] "
		"and unix:///path/to/socket[?db=N]");
}
