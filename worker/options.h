/* options.h - the worker's command line. */
#ifndef WORKER_OPTIONS_H
#define WORKER_OPTIONS_H

#include "err.h"

#include <stdio.h>

enum worker_mode { WORKER_RUN, WORKER_ONCE, WORKER_TASK, WORKER_CHECK, WORKER_CONFIG, WORKER_TOOLS, WORKER_FAULTS,
	WORKER_HELP, WORKER_VERSION };

struct worker_options {
	enum worker_mode mode;
	const char *slots;      /* NULL: as configured */
	const char *task_file;  /* with WORKER_TASK; "-": standard input */
	bool json;
};

int worker_options_parse(int argc, char *const *argv, struct worker_options *ret, struct err *err) must_use;
void worker_options_help(FILE *to);

#endif
