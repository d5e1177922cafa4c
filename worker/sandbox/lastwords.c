#include "lastwords.h"

#include "wire.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* When not even this can be had, the process died of that. */
#define SCARCE ((size_t)16 << 20)

static char *page;
static atomic_flag is_said = ATOMIC_FLAG_INIT;

int lastwords_open(void)
{
	int fd = memfd_create("last words", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p;

	if (fd < 0)
		return -1;
	p = ftruncate(fd, WIRE_LAST_WORDS) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0
		? mmap(NULL, WIRE_LAST_WORDS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (p == MAP_FAILED) {
		close(fd);
		return -1;
	}
	page = p;
	return fd;
}

void lastwords(const char *fmt, ...)
{
	va_list ap;

	if (!page || atomic_flag_test_and_set(&is_said))
		return;
	va_start(ap, fmt);
	vsnprintf(page, WIRE_LAST_WORDS, fmt, ap);
	va_end(ap);
}

void lastwords_memory(const char *detail)
{
	struct rlimit most = { .rlim_cur = RLIM_INFINITY };
	char limit[40] = "";

	getrlimit(RLIMIT_AS, &most);
	if (most.rlim_cur != RLIM_INFINITY)
		snprintf(limit, sizeof limit, " (%llu MiB)", (unsigned long long)most.rlim_cur >> 20);
	lastwords("it needs more memory than a runner may have%s%s%.200s", limit, detail ? ": " : "", detail ? detail : "");
}

static void on_abort(int sig)
{
	void *p = mmap(NULL, SCARCE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)sig;
	if (p == MAP_FAILED)
		lastwords_memory(NULL);
	else
		munmap(p, SCARCE);
}

void lastwords_on_abort(void)
{
	/* Once: abort() raises it again, and then it kills. */
	struct sigaction act = { .sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGABRT, &act, NULL);
}
