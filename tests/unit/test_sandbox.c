/* test_sandbox.c - each in a child, for there is no way back. */
#include "sandbox.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's exit code; -1: it died. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int check_limits(void)
{
	const struct sandbox s = { .memory_mb = 100000, .parent = getppid() };
	struct rlimit core, files, memory;
	struct err err;
	int signal_of_parent = 0;

	if (sandbox_enter(&s, &err) < 0)
		return 1;
	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_AS, &memory);
	prctl(PR_GET_PDEATHSIG, &signal_of_parent);
	if (core.rlim_cur || core.rlim_max || files.rlim_cur > 256 || files.rlim_max > 256)
		return 2;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || signal_of_parent != SIGKILL)
		return 3;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	if (memory.rlim_max != (rlim_t)100000 << 20)
		return 4;
#endif
	return 0;
}

static int refuses_another_parent(void)
{
	const struct sandbox s = { .parent = getpid() };
	struct err err;

	return sandbox_enter(&s, &err) == -1 && err.kind == ERR_RETRY ? 0 : 1;
}

TEST(sandbox_sets_every_limit)
{
	assert_int_equal(in_child(check_limits), 0);
}

TEST(sandbox_notices_that_the_parent_is_gone)
{
	assert_int_equal(in_child(refuses_another_parent), 0);
}
