/* pixelfleet watch ID...: the progress of jobs until they end. */
#include "watch.h"

int cmd_watch(struct cli *c, struct err *err)
{
	return cli_watch(c, c->args.words, c->args.nwords, c->out, &c->look, err);
}
