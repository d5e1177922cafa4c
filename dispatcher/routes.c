#include "routes.h"

#include "submission.h"
#include "utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 2048

static const struct route routes[] = {
#define ROUTE(method, pattern, handler, auth, body, help) \
	{ #method, pattern, api_##handler, ROUTE_##auth, ROUTE_##body, help },
#include "routes.def"
#undef ROUTE
};

const struct route *routes_all(size_t *ret_n)
{
	*ret_n = countof(routes);
	return routes;
}

const char *route_auth_name(enum route_auth auth)
{
	switch (auth) {
	case ROUTE_NONE: return "none";
	case ROUTE_API: return "api";
	case ROUTE_INTERNAL: return "internal";
	}
	must(!"bad route_auth");
	return NULL;
}

size_t route_body_max(enum route_body body)
{
	switch (body) {
	case ROUTE_NOTHING: return 64u << 10;
	case ROUTE_SUBMISSION: return SUBMISSION_MAX_BYTES;
	case ROUTE_RESULTS: return 16u << 20;
	}
	must(!"bad route_body");
	return 0;
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : (tolower((unsigned char)c) - 'a') + 10;
}

/* One segment, percent-decoded; NULL when it is empty, too long, or not text. */
static char *decode(const char *s, size_t n)
{
	scoped(free_p) char *out = xcalloc(1, n + 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == '%') {
			if (n - i < 3 || !isxdigit((unsigned char)s[i + 1]) || !isxdigit((unsigned char)s[i + 2]))
				return NULL;
			c = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
			i += 2;
		}
		if (!c)
			return NULL;
		out[len++] = c;
	}
	if (!len || len > ROUTE_PARAM_MAX)
		return NULL;
	for (size_t i = 0, k; i < len; i += k)
		if (!(k = utf8_sequence(out + i, len - i)))
			return NULL;
	return steal(&out);
}

/* Whether the path has the pattern's shape; the spans are where its {x} are. */
static bool fits(const char *pattern, const char *path, const char *at[ROUTE_PARAMS], size_t len[ROUTE_PARAMS])
{
	size_t n = 0;

	while (*pattern && *path) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		must(n < ROUTE_PARAMS);
		at[n] = path;
		len[n] = strcspn(path, "/");
		if (!len[n])
			return false;
		path += len[n++];
		pattern = strchr(pattern, '}') + 1;
	}
	return !*pattern && !*path;
}

static void allow(struct route_match *m, const char *method)
{
	size_t n = strlen(m->allow);

	snprintf(m->allow + n, sizeof m->allow - n, "%s%s%s", n ? ", " : "", method, strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

void route_find(const char *method, const char *path, struct route_match *ret)
{
	const char *at[ROUTE_PARAMS] = { NULL };
	size_t len[ROUTE_PARAMS] = { 0 };

	*ret = (struct route_match){ .status = 404 };
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	if (strlen(path) > PATH_MAX_BYTES)
		return;
	for (size_t i = 0; i < countof(routes); i++) {
		memset(at, 0, sizeof at);
		if (!fits(routes[i].pattern, path, at, len))
			continue;
		if (strcmp(routes[i].method, method) != 0) {
			allow(ret, routes[i].method);
			ret->status = 405;
			continue;
		}
		for (size_t k = 0; k < ROUTE_PARAMS && at[k]; k++) {
			if (!(ret->params[k] = decode(at[k], len[k]))) {
				route_match_done(ret);
				ret->status = 400;
				return;
			}
		}
		ret->route = &routes[i];
		ret->status = 200;
		return;
	}
}

void route_match_done(struct route_match *m)
{
	for (size_t k = 0; k < ROUTE_PARAMS; k++) {
		free(m->params[k]);
		m->params[k] = NULL;
	}
	m->route = NULL;
}
