/* The headers that decide who may ask, a line each (Host, Origin, Sec-Fetch-Site, Authorization, X-Api-Token), then the
 * file of API tokens. */
#include "fuzz.h"

#include "http_auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

/* What a browser would call this machine: the name, then nothing or a port. */
static bool is_ours(const char *host)
{
	size_t n = strncasecmp(host, "localhost", 9) == 0 ? 9 : strncmp(host, "[::1]", 5) == 0 ? 5 : strspn(host, "0123456789.");

	return (n == 9 || n == 5 || strncmp(host, "127.", 4) == 0) && (host[n] == '\0' || host[n] == ':');
}

static void check_local(const char *host, const char *origin, const char *site)
{
	must(auth_is_local(host, NULL, NULL) <= is_ours(host));
	if (!auth_is_local(host, origin, site))
		return;
	must(is_ours(host) && strcmp(site, "cross-site") != 0);
	must(strncmp(origin, "http", 4) == 0 && is_ours(strstr(origin, "://") + 3));
}

static void check_tokens(const char *authorization, const char *x_api_token, const uint8_t *file, size_t size)
{
	scoped(close_p) int fd = memfd_create("tokens", MFD_CLOEXEC);
	scoped(free_p) char *path = xasprintf("/proc/self/fd/%d", fd);
	struct conf conf = { .internal_token = (char *)(uintptr_t)"a token of at least 32 characters",
		.internal_token_previous = (char *)(uintptr_t)"", .api_tokens_file = path };
	scoped(auth_done) struct auth a = { 0 };
	struct err err;

	must(fd >= 0 && write(fd, file, size) == (ssize_t)size);
	if (auth_init(&a, &conf, &err) < 0) {
		fuzz_check_refusal(&err);
		must(a.napi == 0);
		return;
	}
	must(a.napi >= 1 && a.ninternal == 1);
	must(!auth_api(&a, NULL, NULL));
	if (auth_api(&a, authorization, x_api_token))
		must(memmem(file, size, x_api_token, strlen(x_api_token)) || strncasecmp(authorization, "Bearer ", 7) == 0);
	must(!auth_internal(&a, x_api_token) || strcmp(x_api_token, conf.internal_token) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *host = fuzz_line(&data, &size), *origin = fuzz_line(&data, &size), *site = fuzz_line(&data, &size);
	scoped(free_p) char *authorization = fuzz_line(&data, &size), *token = fuzz_line(&data, &size);

	check_local(host, origin, site);
	check_tokens(authorization, token, data, size);
	return 0;
}
