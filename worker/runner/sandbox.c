#include "sandbox.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_FILES = 256 };

/* A sanitizer's shadow takes terabytes of address space. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { HAS_SHADOW = 1 };
#else
enum { HAS_SHADOW = 0 };
#endif

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
	(void)s;
	return limit(RLIMIT_NOFILE, MOST_FILES);
}

static int bounded_memory(const struct sandbox *s)
{
	return s->memory_mb && !HAS_SHADOW ? limit(RLIMIT_AS, (rlim_t)s->memory_mb << 20) : 0;
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

static const struct {
	const char *name;
	int (*apply)(const struct sandbox *);
} restrictions[] = {
	{ "no new privileges", no_new_privileges },
	{ "no core dump", no_core_dump },
	{ "few files", few_files },
	{ "bounded memory", bounded_memory },
	{ "die with the parent", die_with_parent },
};

int sandbox_enter(const struct sandbox *s, struct err *err)
{
	for (size_t i = 0; i < countof(restrictions); i++)
		if (restrictions[i].apply(s) < 0)
			return err_set(err, ERR_RETRY, "the runner cannot be restricted (%s): %s", restrictions[i].name,
				strerror(errno));
	return 0;
}
