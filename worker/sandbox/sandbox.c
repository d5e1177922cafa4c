#include "sandbox.h"

#include "builds.h"
#include "landlock.h"
#include "lastwords.h"
#include "readable.h"
#include "syscalls.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_FILES = 256 };

/* Lowers the soft and the hard limit; one that is lower already stays. */
static int limit(int what, rlim_t most)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)what, &now) < 0)
		return -1;
	now.rlim_max = min_of(now.rlim_max, most);
	now.rlim_cur = min_of(now.rlim_cur, now.rlim_max);
	return setrlimit((__rlimit_resource_t)what, &now);
}

static int no_new_privileges(const struct sandbox *s)
{
	(void)s;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* A dump would hold people's pictures. */
static int no_core_dump(const struct sandbox *s)
{
	(void)s;
	return limit(RLIMIT_CORE, 0);
}

static int few_files(const struct sandbox *s)
{
	return limit(RLIMIT_NOFILE, s->files ? s->files : MOST_FILES);
}

static int bounded_memory(const struct sandbox *s)
{
	return s->memory_mb && !IS_SANITIZED ? limit(RLIMIT_AS, (rlim_t)s->memory_mb << 20) : 0;
}

static int bounded_files(const struct sandbox *s)
{
	if (!s->file_mb)
		return 0;
	signal(SIGXFSZ, SIG_IGN);
	return limit(RLIMIT_FSIZE, (rlim_t)s->file_mb << 20);
}

/* The parent may have died before the request for its signal. */
static int die_with_parent(const struct sandbox *s)
{
	if (!s->parent)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -1;
	errno = ESRCH;
	return getppid() == s->parent ? 0 : -1;
}

static int few_paths(const struct sandbox *s)
{
	return landlock_enter(s->gpu);
}

static const struct {
	const char *name;
	int (*apply)(const struct sandbox *);
} restrictions[] = {
	{ "no new privileges", no_new_privileges },
	{ "no core dump", no_core_dump },
	{ "few files", few_files },
	{ "bounded memory", bounded_memory },
	{ "bounded files", bounded_files },
	{ "die with the parent", die_with_parent },
	{ "Landlock", few_paths },
};

int sandbox_enter(const struct sandbox *s, struct sandbox_state *ret, struct err *err)
{
	int landlock = IS_COVERAGE ? 0 : landlock_abi();

	readable_init();
	if (s->opens_files)
		readable_show_way();
	lastwords_on_abort();
	for (size_t i = 0; i < countof(restrictions); i++)
		if (restrictions[i].apply(s) < 0)
			return err_set(err, ERR_RETRY, "the process cannot be restricted (%s): %s", restrictions[i].name,
				strerror(errno));
	if (!s->gpu && syscalls_restrict(landlock > 0 || s->opens_files, err) < 0)
		return err_wrap(err, "the process cannot be restricted");
	*ret = (struct sandbox_state){ .landlock = landlock, .seccomp = !s->gpu };
	return 0;
}
