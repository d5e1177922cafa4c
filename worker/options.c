#include "options.h"

#include "conf.h"

#include <string.h>

static const struct option {
	const char *name, *arg, *help;
	enum worker_mode mode;
} options[] = {
	{ "--slots", "SPEC", "queues to serve and tasks of each at once, as QUEUE=N,QUEUE=N", WORKER_RUN },
	{ "--once", NULL, "run one task from any served queue, then leave", WORKER_ONCE },
	{ "--task", "FILE", "run a task envelope from a file (-: standard input) without Redis; print its report", WORKER_TASK },
	{ "--check", NULL, "ask Redis, a dispatcher, the artifact store and the runner, and say how each is", WORKER_CHECK },
	{ "--config", NULL, "print all settings", WORKER_CONFIG },
	{ "--tools", NULL, "print the tools and their parameters; --tools --json for programs", WORKER_TOOLS },
	{ "--json", NULL, "with --tools", WORKER_RUN },
	{ "--faults", NULL, "print the named fault points (they work in builds with -DFAULTS only)", WORKER_FAULTS },
	{ "--help", NULL, "print this", WORKER_HELP },
	{ "--version", NULL, "print the version", WORKER_VERSION },
};

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < countof(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

int worker_options_parse(int argc, char *const *argv, struct worker_options *ret, struct err *err)
{
	struct worker_options o = { .mode = WORKER_RUN };

	for (int i = 1; i < argc; i++) {
		const struct option *opt = find(argv[i]);

		if (!opt)
			return err_set(err, ERR_REJECT, "unknown option '%.100s' (--help lists the known ones)", argv[i]);
		if (opt->arg && i + 1 == argc)
			return err_set(err, ERR_REJECT, "%s needs a %s", opt->name, opt->arg);
		if (opt->mode != WORKER_RUN && o.mode != WORKER_RUN && o.mode != opt->mode)
			return err_set(err, ERR_REJECT, "%s cannot be combined with another command", opt->name);
		if (opt->mode != WORKER_RUN)
			o.mode = opt->mode;
		if (strcmp(opt->name, "--slots") == 0)
			o.slots = argv[++i];
		else if (opt->arg)
			o.task_file = argv[++i];
		else if (strcmp(opt->name, "--json") == 0)
			o.json = true;
	}
	*ret = o;
	return 0;
}

void worker_options_help(FILE *to)
{
	fprintf(to, "usage: pixelfleet-worker [OPTIONS]\n\n"
		"Claims tasks from the queues in Redis, runs them, and reports to a dispatcher.\n\noptions:\n");
	for (size_t i = 0; i < countof(options); i++) {
		char left[40];

		snprintf(left, sizeof left, "%s%s%s", options[i].name, options[i].arg ? " " : "", options[i].arg ? options[i].arg : "");
		fprintf(to, "  %-14s %s\n", left, options[i].help);
	}
	fprintf(to, "\nexit status:\n"
		"  0  left after SIGTERM or SIGINT; --once, --task: the task succeeded; --check: all is well\n"
		"  1  trouble: the message says which\n"
		"  2  the command line or a setting is wrong\n"
		"  3  --once, --task: failed, and may pass later (retry)\n"
		"  4  --once, --task: failed, and can never pass (reject)\n"
		"  5  --once, --task: stopped (cancel)\n"
		"\nsignals:\n"
		"  SIGTERM, SIGINT  claim no more, let running steps end for PIXELFLEET_DRAIN_S, then put them back; again: at once\n"
		"  SIGUSR1          log what each slot does\n"
		"\nsettings (environment):\n");
	conf_help(to);
}
