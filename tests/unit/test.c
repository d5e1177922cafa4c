/* test.c - collects the tests, gives each its directory and its time limit, runs them. */
#include "test.h"

#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT_S = 120 };         /* for one test, sanitizers and a busy machine included */

static struct test *first, **last = &first;
static char dir[PATH_MAX];      /* of the running test; "" until it asks for one */

void test_register(struct test *t)
{
	*last = t;
	last = &t->next;
}

const char *test_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (!dir[0]) {
		snprintf(dir, sizeof dir, "%s/pixelfleet-unit.XXXXXX", tmp && *tmp ? tmp : "/tmp");
		must(mkdtemp(dir) != NULL);
	}
	return dir;
}

const char *test_path(const char *name)
{
	static char paths[4][PATH_MAX + 256];
	static unsigned next;
	char *path = paths[next++ % countof(paths)];

	snprintf(path, sizeof paths[0], "%s/%s", test_dir(), name);
	return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void too_slow(int sig)
{
	static const char text[] = "\n[  FAILED  ] the test above ran into its time limit\n";

	(void)sig;
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(EXIT_FAILURE);
}

static int before_test(void **state)
{
	(void)state;
	dir[0] = '\0';
	signal(SIGALRM, too_slow);
	alarm(LIMIT_S);
	return 0;
}

static int after_test(void **state)
{
	(void)state;
	alarm(0);
	return dir[0] ? nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) : 0;
}

/* NULL: all of them. "^WORD": names that begin with WORD. */
static bool is_wanted(const char *name, const char *want)
{
	if (!want)
		return true;
	if (*want == '^')
		return strncmp(name, want + 1, strlen(want + 1)) == 0;
	return strstr(name, want) != NULL;
}

int main(int argc, char **argv)
{
	struct CMUnitTest *tests = NULL;
	size_t n = 0, cap = 0;
	const char *want = NULL;
	bool list = false;
	int c, failed;

	while ((c = getopt(argc, argv, "k:l")) != -1) {
		if (c == '?') {
			fprintf(stderr, "usage: unit [-l] [-k WORD | -k ^WORD]\n");
			return 2;
		}
		if (c == 'k')
			want = optarg;
		else
			list = true;
	}
	for (const struct test *t = first; t; t = t->next) {
		if (!is_wanted(t->name, want))
			continue;
		tests = grow(tests, n + 1, &cap, sizeof *tests);
		tests[n++] = (struct CMUnitTest){ t->name, t->fn, before_test, after_test, NULL };
		if (list)
			puts(t->name);
	}
	if (!list && !n)
		fprintf(stderr, "unit: no test has '%s' in its name\n", want ? want : "");
	failed = list ? 0 : !n ? 1 : _cmocka_run_group_tests("pixelfleet", tests, n, NULL, NULL);
	free(tests);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
