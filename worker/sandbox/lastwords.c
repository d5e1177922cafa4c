#include "lastwords.h"

#include "wire.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* When not even this can be had, the process died of that. */
#define SCARCE ((size_t)16 << 20)

static char *page;
static atomic_flag is_said = ATOMIC_FLAG_INIT;
static const char *name = "a runner";
static _Thread_local const char *doing;

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
	lastwords("it needs more memory than %s may have%s%s%s%s%.200s", name, limit, doing ? " " : "", doing ? doing : "",
		detail ? ": " : "", detail ? detail : "");
}

/* The handler was for once: now it kills, whether it was our own doing or sent by somebody. */
static void die_of(int sig)
{
	raise(sig);
}

static void on_abort(int sig)
{
	void *p = mmap(NULL, SCARCE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		lastwords_memory(NULL);
	else if (munmap(p, SCARCE) == 0 && doing)
		lastwords("it was ended by SIGABRT %s", doing);
	die_of(sig);
}

static void on_crash(int sig)
{
	lastwords("it was ended by SIG%s%s%s", sigabbrev_np(sig) ? sigabbrev_np(sig) : "?", doing ? " " : "", doing ? doing : "");
	die_of(sig);
}

static void once(int sig, void (*handler)(int))
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = (int)SA_RESETHAND };

	sigaction(sig, &act, NULL);
}

void lastwords_on_abort(void)
{
	once(SIGABRT, on_abort);
}

void lastwords_on_crash(void)
{
	once(SIGSEGV, on_crash);
	once(SIGBUS, on_crash);
	once(SIGFPE, on_crash);
	once(SIGILL, on_crash);
}

void lastwords_doing(const char *what)
{
	doing = what;
}

void lastwords_name(const char *who)
{
	name = who;
}
