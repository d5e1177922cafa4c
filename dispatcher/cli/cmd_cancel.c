/* pixelfleet cancel ID...: ends jobs. */
#include "api.h"

static int cancel(struct cli *c, const char *id, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL, *nothing = json_object();
	scoped(free_p) char *part = cli_url_part(id), *path = xasprintf("/api/v1/jobs/%s/cancel", part);

	if (cli_call(c, "POST", path, nothing, &answer, err) < 0)
		return err_wrap(err, "job %.100s", id);
	if (c->json)
		cli_print_json(c, answer);
	else
		fprintf(c->out, "%s %s\n", id, *cli_str(answer, "state") ? cli_str(answer, "state") : "cancelled");
	return 0;
}

/* One that is over or unknown does not keep the others running. */
int cmd_cancel(struct cli *c, struct err *err)
{
	int code = CLI_OK;

	for (size_t i = 0; i < c->args.nwords; i++) {
		if (cancel(c, c->args.words[i], err) == 0)
			continue;
		if (c->args.nwords == 1 || c->code == CLI_TROUBLE || c->code == CLI_USAGE)
			return -1;
		cli_complain(c, err);
		code = (int)c->code;
	}
	return code;
}
