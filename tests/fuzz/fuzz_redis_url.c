/* REDIS_URL: every part is whole, or it is refused. */
#include "fuzz.h"

#include "redis_url.h"

#include <stdlib.h>
#include <string.h>

static void check_again(const struct redis_url *u)
{
	bool is_v6 = strchr(u->host, ':') != NULL;
	scoped(free_p) char *text = u->is_unix ? xasprintf("unix://%s?db=%d", u->host, u->db)
		: xasprintf("redis://%s%s%s:%d/%d", is_v6 ? "[" : "", u->host, is_v6 ? "]" : "", u->port, u->db);
	struct redis_url again;
	struct err err;

	if (strpbrk(u->host, "%/?@[]"))         /* was written as %2F and so on */
		return;
	must(redis_url_parse(text, &again, &err) == 0);
	must(strcmp(again.host, u->host) == 0 && again.port == u->port && again.db == u->db && again.is_unix == u->is_unix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *text = fuzz_text(data, size);
	struct redis_url u;
	struct err err;

	if (redis_url_parse(text, &u, &err) < 0) {
		fuzz_check_refusal(&err);
		return 0;
	}
	must(*u.host && u.db >= 0 && (u.is_unix || (u.port >= 1 && u.port <= 65535)));
	check_again(&u);
	return 0;
}
