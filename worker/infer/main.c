/* main.c - pixelfleet-infer: holds the models and runs them, so that its parent, the worker, never has to. */
#include "by_hand.h"
#include "log.h"
#include "service.h"
#include "wire.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Exit codes; see also --help. The last two are EX_UNAVAILABLE and EX_TEMPFAIL of sysexits.h. */
enum { OK = 0, FAILED = 1, USAGE = 2, MISSING = 69, TEMPORARY = 75 };

static void help(void)
{
	puts("usage: pixelfleet-infer FD\n"
	     "       pixelfleet-infer --check FILE.onnx\n"
	     "       pixelfleet-infer --bench FILE.onnx [--callers N] [--seconds S] [--batch N]\n"
	     "\n"
	     "Holds the models of a worker and runs them with ONNX Runtime, for all of its slots. The worker\n"
	     "starts it with FD, its end of a socket pair.\n"
	     "\n"
	     "By hand, with one line of JSON on standard output:\n"
	     "\n"
	     "  --check FILE     load a model: what it takes and gives, how long that took, and its memory\n"
	     "  --bench FILE     run it on random tensors: runs a second, how long one takes\n"
	     "  --callers N      threads that run it at once; 1 unless it is said\n"
	     "  --seconds S      for so long; 5\n"
	     "  --batch N        rows in one run, where the model leaves its first axis free; 1\n"
	     "  --version, --help\n"
	     "\n"
	     "Exit codes: 0 done, 1 it can never work, 2 wrong usage, 69 there is no ONNX Runtime or not the\n"
	     "device that is asked for, 75 it may work later.\n"
	     "By hand it heeds PIXELFLEET_ONNXRUNTIME, PIXELFLEET_DEVICE, PIXELFLEET_INTRA_OP_THREADS,\n"
	     "PIXELFLEET_INFER_MEMORY_MB, PIXELFLEET_LOG and PIXELFLEET_LOG_LEVEL.");
}

static int usage(const char *problem)
{
	fprintf(stderr, "pixelfleet-infer: %s; --help tells more\n", problem);
	return USAGE;
}

static int serve_worker(const char *arg)
{
	struct err err;
	int sock = wire_socket(arg);

	if (sock < 0)
		return usage("FD is the number of an open socket, given by the worker");
	/* The worker decides when it ends; a Ctrl-C in a terminal reaches the whole group. */
	signal(SIGINT, SIG_IGN);
	if (service_run(sock, getppid(), &err) == 0)
		return OK;
	log_error("infer.broken", "message=%s", log_quote(err.msg));
	return FAILED;
}

static int run_by_hand(const struct by_hand *what)
{
	bool is_missing;
	struct err err;

	if (by_hand(what, &is_missing, &err) == 0)
		return OK;
	fprintf(stderr, "pixelfleet-infer: %s\n", err.msg);
	return err.kind == ERR_RETRY ? TEMPORARY : is_missing ? MISSING : FAILED;
}

static bool read_number(const char *text, unsigned most, unsigned *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || n < 1 || n > most)
		return false;
	*ret = (unsigned)n;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "check", required_argument, NULL, 'k' }, { "bench", required_argument, NULL, 'b' }, { "callers", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 's' }, { "batch", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'v' }, { 0 },
	};
	const char *log = getenv("PIXELFLEET_LOG"), *level = getenv("PIXELFLEET_LOG_LEVEL");
	struct by_hand what = { .callers = 1, .seconds = 5, .batch = 1 };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'k': what.file = optarg; what.is_bench = false; break;
		case 'b': what.file = optarg; what.is_bench = true; break;
		case 'c': if (!read_number(optarg, 256, &what.callers)) return usage("--callers takes 1 to 256"); break;
		case 's': if (!read_number(optarg, 3600, &what.seconds)) return usage("--seconds takes 1 to 3600"); break;
		case 'n': if (!read_number(optarg, 4096, &what.batch)) return usage("--batch takes 1 to 4096"); break;
		case 'h': return help(), OK;
		case 'v': return puts("pixelfleet-infer " VERSION), OK;
		default: return USAGE;
		}
	if (argc - optind != (what.file ? 0 : 1))
		return usage("give it the socket FD, --check FILE or --bench FILE");
	log_setup(level && strcmp(level, "debug") == 0 ? LOG_DEBUG_ : LOG_INFO_, log && strcmp(log, "json") == 0);
	heap_setup(0);
	return what.file ? run_by_hand(&what) : serve_worker(argv[optind]);
}
