/* The environment, a setting a line. What is accepted can be printed, and what is printed accepted. */
#include "fuzz.h"

#include "conf.h"
#include "listener.h"
#include "redis_url.h"
#include "spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS 64

struct env {
	char *lines[SETTINGS + 1];
	size_t n;
};

static void env_free(struct env *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->lines[i]);
}

static int load(struct conf *ret, const char *text, size_t len)
{
	scoped(env_free) struct env env = { 0 };
	const uint8_t *data = (const uint8_t *)text;
	struct err err;

	while (len && env.n < SETTINGS) {
		char *line = fuzz_line(&data, &len);

		if (strncmp(line, "PROCESSING_INTERNAL_TOKEN_FILE=", 31) == 0)  /* would open any file */
			line[31] = '\0';
		env.lines[env.n++] = line;
	}
	if (conf_load(ret, (const char *const *)env.lines, &err) < 0) {
		fuzz_check_refusal(&err);
		return -1;
	}
	return 0;
}

static void check_parts(const struct conf *c)
{
	char host[LISTENER_HOST], port[LISTENER_PORT];
	struct redis_url url;
	struct spec spec;
	struct err err;
	int refused = 0;

	refused += conf_need_token(c, &err);
	refused += spec_parse(c->slots, &spec, &err);
	refused += listener_split(c->listen, host, port, &err);
	refused += redis_url_parse(c->redis_url, &url, &err);
	must(refused == 0 || err.kind == ERR_REJECT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(conf_done) struct conf c = { 0 }, again = { 0 };
	scoped(free_p) char *text = NULL;
	size_t len = 0;
	FILE *to;

	if (load(&c, (const char *)data, size) < 0)
		return 0;
	check_parts(&c);
	to = open_memstream(&text, &len);
	conf_print(&c, to);
	fclose(to);
	must(load(&again, text, len) == 0);
	must(strcmp(again.artifacts, c.artifacts) == 0 && again.max_file_size == c.max_file_size);
	must(!*c.internal_token || strcmp(again.internal_token, "***") == 0);
	return 0;
}
