/* pixelfleet pipelines list|put|show|validate: the stored definitions. */
#include "api.h"
#include "clock.h"
#include "input.h"
#include "table.h"

#include <string.h>

int cmd_pipelines_list(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(cli_table_done) struct cli_table t = { 0 };
	const json_t *p;
	size_t i;

	if (cli_get(c, &answer, err, "/api/v1/pipelines") < 0)
		return -1;
	if (c->json) {
		cli_print_json(c, answer);
		return CLI_OK;
	}
	cli_column(&t, "PIPELINE", false);
	cli_column(&t, "STEPS", true);
	cli_column(&t, "AGE", true);
	json_array_foreach(json_object_get(answer, "pipelines"), i, p) {
		cli_cell(&t, CLI_PLAIN, "%s", cli_str(p, "name"));
		cli_cell(&t, CLI_PLAIN, "%" JSON_INTEGER_FORMAT, cli_int(p, "steps"));
		cli_cell_age(&t, cli_str(p, "created_at"), clock_wall_us());
	}
	cli_table_print(&t, c->out, &c->look);
	return CLI_OK;
}

/* Sends the definition of the file; what is wrong with it is said of the file. */
static int send(struct cli *c, const char *file, const char *name, const char *to, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *body = NULL;

	if (cli_read_object(c, file, &body, err) < 0)
		return -1;
	if (name && json_object_set_new(body, "name", json_string(name)) < 0)
		return cli_usage(c, err, "--name: not UTF-8");
	if (cli_call(c, "POST", to, body, ret, err) < 0) {
		c->source = xstrdup(strcmp(file, "-") == 0 ? "standard input" : file);
		return -1;
	}
	return 0;
}

int cmd_pipelines_put(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;

	if (send(c, c->args.words[0], cli_value(&c->args, "name"), "/api/v1/pipelines", &answer, err) < 0)
		return -1;
	if (c->json)
		cli_print_json(c, answer);
	else
		fprintf(c->out, "%s\n", cli_str(answer, "name"));
	return CLI_OK;
}

int cmd_pipelines_show(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(free_p) char *part = cli_url_part(c->args.words[0]);

	if (cli_get(c, &answer, err, "/api/v1/pipelines/%s", part) < 0)
		return -1;
	if (c->json) {
		cli_print_json(c, answer);
	} else {
		scoped(free_p) char *text = cli_pretty(answer);

		fprintf(c->out, "%s\n", text);
	}
	return CLI_OK;
}

int cmd_pipelines_validate(struct cli *c, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	const char *file = c->args.words[0];
	size_t n;

	if (send(c, file, NULL, "/api/v1/pipelines/validate", &answer, err) < 0)
		return -1;
	if (c->json) {
		cli_print_json(c, answer);
		return CLI_OK;
	}
	n = json_array_size(json_object_get(json_object_get(answer, "definition"), "steps"));
	fprintf(c->out, "%s: valid, %zu step%s\n", strcmp(file, "-") == 0 ? "standard input" : file, n, n == 1 ? "" : "s");
	return CLI_OK;
}
