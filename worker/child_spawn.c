#include "child_spawn.h"

#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHILD_FD 3

/* What a child may know of the world. The sanitizers' and fault settings matter in test builds only. */
static const char *const passed[] = { "PATH", "LANG", "LC_ALL", "TZ", "HOME", "PIXELFLEET_LOG", "PIXELFLEET_LOG_LEVEL",
	"LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "TESSDATA_PREFIX", "ASAN_OPTIONS", "UBSAN_OPTIONS",
	"LSAN_OPTIONS", "TSAN_OPTIONS", "FAULT", "FAULT_PAGE" };
/* One task, one core: more threads and arenas cost memory and gain nothing. A decoded picture is tens of megabytes, which in
 * small pages costs thousands of page faults each time. */
static const char *const fixed[] = { "MALLOC_ARENA_MAX=1", "OMP_THREAD_LIMIT=1", "VIPS_CONCURRENCY=1",
	"GLIBC_TUNABLES=glibc.malloc.hugetlb=1" };

struct environment {
	char *vars[countof(passed) + countof(fixed) + 2];
	size_t n;
};

static void environment_free(struct environment *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->vars[i]);
}

static void fill(struct environment *e, const char *models_dir)
{
	e->vars[e->n++] = xasprintf("PIXELFLEET_MODELS_DIR=%s", models_dir);
	for (size_t i = 0; i < countof(passed); i++)
		if (getenv(passed[i]))
			e->vars[e->n++] = xasprintf("%s=%s", passed[i], getenv(passed[i]));
	for (size_t i = 0; i < countof(fixed); i++)
		e->vars[e->n++] = xstrdup(fixed[i]);
}

static void describe(posix_spawn_file_actions_t *files, posix_spawnattr_t *attr, int child_end)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	must(posix_spawn_file_actions_init(files) == 0);
	must(posix_spawn_file_actions_adddup2(files, child_end, CHILD_FD) == 0);
	must(posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0);
	must(posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0);
	must(posix_spawn_file_actions_addclosefrom_np(files, CHILD_FD + 1) == 0);
	must(posix_spawnattr_init(attr) == 0);
	must(posix_spawnattr_setsigmask(attr, &none) == 0);
	must(posix_spawnattr_setsigdefault(attr, &all) == 0);
	must(posix_spawnattr_setpgroup(attr, 0) == 0);
	must(posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP) == 0);
}

static int spawn(const char *path, const char *models_dir, int child_end, pid_t *ret_pid)
{
	char fd_text[] = { '0' + CHILD_FD, '\0' };
	scoped(free_p) char *name = xstrdup(path);
	char *argv[] = { name, fd_text, NULL };
	scoped(environment_free) struct environment env = { 0 };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc;

	fill(&env, models_dir);
	describe(&files, &attr, child_end);
	rc = posix_spawn(ret_pid, path, &files, &attr, argv, env.vars);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return rc;
}

int child_spawn(const char *path, const char *models_dir, pid_t *ret_pid, int *ret_sock, struct err *err)
{
	int ends[2], rc;

	if (fault("worker.spawn"))
		return err_set(err, ERR_RETRY, "fault: a child cannot be started");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, ERR_RETRY, "cannot make a socket for '%s': %s", path, strerror(errno));
	rc = spawn(path, models_dir, ends[1], ret_pid);
	close(ends[1]);
	if (rc != 0) {
		close(ends[0]);
		return err_set(err, ERR_RETRY, "cannot start '%s': %s", path, strerror(rc));
	}
	*ret_sock = ends[0];
	return 0;
}
