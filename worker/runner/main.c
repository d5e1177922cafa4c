/* main.c - pixelfleet-runner: decodes pictures so that its parent, the worker, never has to. */
#include "direct.h"
#include "log.h"
#include "registry.h"
#include "serve.h"
#include "wire.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vips/vips.h>

/* Exit codes; see also --help. TEMPORARY is EX_TEMPFAIL of sysexits.h. */
enum { OK = 0, FAILED = 1, USAGE = 2, TEMPORARY = 75 };

static void help(void)
{
	puts("usage: pixelfleet-runner FD\n"
	     "       pixelfleet-runner --tool TOOL [--params JSON] IN [OUT]\n"
	     "\n"
	     "Runs the picture tools of pixelfleet, apart from the worker, so that a bad picture hurts\n"
	     "nothing but its own step. The worker starts it with FD, its end of a socket pair.\n"
	     "\n"
	     "By hand: one tool on the file IN. Pictures are written to the file OUT, or into the\n"
	     "directory OUT as NAME.FORMAT; data is printed as JSON.\n"
	     "\n"
	     "  --tool TOOL      which tool; `pixelfleet-worker --tools` lists them\n"
	     "  --params JSON    its parameters\n"
	     "  --version, --help\n"
	     "\n"
	     "Exit codes: 0 done, 1 it can never work, 2 wrong usage, 75 it may work later.\n"
	     "PIXELFLEET_LOG=json logs JSON to stderr.");
}

static int usage(const char *problem)
{
	fprintf(stderr, "pixelfleet-runner: %s; --help tells more\n", problem);
	return USAGE;
}

static int serve_worker(const char *arg)
{
	struct err err;
	int sock = wire_socket(arg);

	if (sock < 0)
		return usage("FD is the number of an open socket, given by the worker");
	/* The worker decides when tasks end; a Ctrl-C in a terminal reaches the whole group. */
	signal(SIGINT, SIG_IGN);
	if (serve(sock, getppid(), &err) == 0)
		return OK;
	log_error("runner.broken", "message=%s", log_quote(err.msg));
	return FAILED;
}

static int run_by_hand(const char *tool, const char *params, int argc, char **argv)
{
	struct err err;

	if (argc < 1 || argc > 2)
		return usage("name the picture to read, and the file or directory to write");
	if (direct_run(tool, params, argv[0], argc > 1 ? argv[1] : NULL, &err) == 0)
		return OK;
	fprintf(stderr, "pixelfleet-runner: %s: %s\n", tool, err.msg);
	return err.kind == ERR_RETRY ? TEMPORARY : FAILED;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "tool", required_argument, NULL, 't' }, { "params", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'v' }, { 0 },
	};
	const char *tool = NULL, *params = NULL, *log = getenv("PIXELFLEET_LOG"), *level = getenv("PIXELFLEET_LOG_LEVEL");
	struct err err;
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 't': tool = optarg; break;
		case 'p': params = optarg; break;
		case 'h': return help(), OK;
		case 'v': return puts("pixelfleet-runner " VERSION), OK;
		default: return USAGE;
		}
	if (!tool && (params || argc - optind != 1))
		return usage("give it the socket FD, or --tool");
	log_setup(level && strcmp(level, "debug") == 0 ? LOG_DEBUG_ : LOG_INFO_, log && strcmp(log, "json") == 0);
	if (runner_init(argv[0], &err) < 0) {
		log_error("runner.start", "message=%s", log_quote(err.msg));
		return TEMPORARY;
	}
	status = tool ? run_by_hand(tool, params, argc - optind, argv + optind) : serve_worker(argv[optind]);
	vips_shutdown();
	return status;
}
