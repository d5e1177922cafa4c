#include "url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* RFC 3986, 3.2: what is between "//" and the first of / ? #; and a \ that some readers take for a /. */
static const char *authority(const char *url, size_t *ret_len)
{
	const char *start = strstr(url, "://");

	start = start ? start + 3 : url + strlen(url);
	*ret_len = strcspn(start, "/\\?#");
	return start;
}

bool url_is_http(const char *text)
{
	return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

/* The last @ counts: a password may hold others. */
static size_t user_length(const char *host, size_t n)
{
	const char *at = memrchr(host, '@', n);

	return at ? (size_t)(at - host) + 1 : 0;
}

static bool has_blank(const char *url)
{
	for (; *url; url++)
		if ((unsigned char)*url <= 0x20 || *url == 0x7f)
			return true;
	return false;
}

const char *url_problem(const char *url)
{
	const char *host;
	size_t n;

	if (!url_is_http(url))
		return "http://... or https://...";
	host = authority(url, &n);
	if (n == 0 || *host == ':')
		return "a URL with a host: http://host/path";
	if (user_length(host, n))
		return "a URL without user and password";
	if (host[n] == '\\')
		return "a URL without \\ in its host";
	if (has_blank(url))
		return "a URL without blanks and control characters";
	return NULL;
}

const char *url_shown(const char *url, char *ret, size_t size)
{
	size_t n;
	const char *host = authority(url, &n);
	size_t user = user_length(host, n);

	if (user)
		snprintf(ret, size, "%.*s***@%s", (int)min_of((size_t)(host - url), size), url, host + user);
	else
		snprintf(ret, size, "%s", url);
	return ret;
}
