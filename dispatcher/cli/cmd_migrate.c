/* pixelfleet migrate: brings the database to this version's schema. */
#include "cli.h"
#include "migrate.h"

#include <stdlib.h>
#include <string.h>

/* {"migrated":true,"log":[lines]} */
static void print_json(struct cli *c, const char *log)
{
	scoped(json_decref_p) json_t *lines = json_array(), *all = NULL;

	for (const char *at = log; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (strcspn(at, "\n") > 0)
			json_array_append_new(lines, json_stringn(at, strcspn(at, "\n")));
	all = json_pack("{s:b, s:O}", "migrated", 1, "log", lines);
	cli_print_json(c, all);
}

int cmd_migrate(struct cli *c, struct err *err)
{
	scoped(free_p) char *log = NULL;
	size_t len = 0;
	FILE *to;
	int rc;

	if (cli_settings(c, err) < 0)
		return -1;
	if (!c->json)
		return migrate_run(c->conf.database_url, c->out, err) < 0 ? -1 : CLI_OK;
	to = open_memstream(&log, &len);
	must(to != NULL);
	rc = migrate_run(c->conf.database_url, to, err);
	fclose(to);
	if (rc < 0)
		return -1;
	print_json(c, log);
	return CLI_OK;
}
