#include "refused.h"

#include "lastwords.h"
#include "readable.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { MOST_CALLS = 512, NAME_BYTES = 28, SHOWN = 160 };

struct call {
	int number;
	long arg[6];
};

static char names[MOST_CALLS][NAME_BYTES];      /* libseccomp allocates, which a handler cannot */
static uint64_t pass;
static bool can_open;
static volatile sig_atomic_t is_spared;

static const struct {
	int call, path;
} looks[] = {
#define ALLOW(name)
#define QUIET(name, number)
#define LOOK(name, n) { SCMP_SYS(name), n },
#define CHANGE(name, n)
#include "syscalls.def"
#undef LOOK
#undef CHANGE
}, changes[] = {
#define LOOK(name, n)
#define CHANGE(name, n) { SCMP_SYS(name), n },
#include "syscalls.def"
#undef ALLOW
#undef QUIET
#undef LOOK
#undef CHANGE
};

/* Told no: a condition of the filter was not met, and that is no attack. */
static const struct {
	int call, number;
} refused_kindly[] = {
	{ SCMP_SYS(prctl), EPERM }, { SCMP_SYS(fcntl), EPERM }, { SCMP_SYS(rt_sigaction), EINVAL }, { SCMP_SYS(prlimit64), EPERM },
};

#if defined(__x86_64__)
static void read_call(const ucontext_t *u, struct call *ret)
{
	static const int registers[] = { REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9 };

	for (size_t i = 0; i < countof(registers); i++)
		ret->arg[i] = u->uc_mcontext.gregs[registers[i]];
}

static void answer(ucontext_t *u, long result)
{
	u->uc_mcontext.gregs[REG_RAX] = result;
}
#elif defined(__aarch64__)
static void read_call(const ucontext_t *u, struct call *ret)
{
	for (size_t i = 0; i < countof(ret->arg); i++)
		ret->arg[i] = (long)u->uc_mcontext.regs[i];
}

static void answer(ucontext_t *u, long result)
{
	u->uc_mcontext.regs[0] = (unsigned long)result;
}
#else
#error "how a system call's arguments are passed on this machine is not known here"
#endif

static const char *text_at(const struct call *c, int arg)
{
	return c->arg[arg] ? (const char *)c->arg[arg] : "";
}

/* Again, past the filter. */
static long repeat(const struct call *c)
{
	long rc = syscall(c->number, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4], pass);

	return rc < 0 ? -errno : rc;
}

/* ---- its name and arguments ---- */

static const char *family_name(long family)
{
	switch (family) {
	case AF_UNIX:    return "AF_UNIX";
	case AF_INET:    return "AF_INET";
	case AF_INET6:   return "AF_INET6";
	case AF_NETLINK: return "AF_NETLINK";
	case AF_PACKET:  return "AF_PACKET";
	default:         return NULL;
	}
}

static bool is_writing(const struct call *c)
{
	return (c->number == SCMP_SYS(openat) && c->arg[2] & (O_ACCMODE | O_CREAT | O_TRUNC)) ||
		(c->number == SCMP_SYS(open) && c->arg[1] & (O_ACCMODE | O_CREAT | O_TRUNC));
}

static const char *path_of(const struct call *c)
{
	if (c->number == SCMP_SYS(openat))
		return text_at(c, 1);
	for (size_t i = 0; i < countof(changes); i++)
		if (changes[i].call == c->number)
			return text_at(c, changes[i].path);
	return NULL;
}

static void describe(const struct call *c, char *text, size_t size)
{
	const char *name = c->number >= 0 && c->number < MOST_CALLS && *names[c->number] ? names[c->number] : NULL;
	const char *path = path_of(c);

	if (!name)
		snprintf(text, size, "system call %d", c->number);
	else if (path)
		snprintf(text, size, "%s(\"%.*s\"%s)", name, SHOWN, path, is_writing(c) ? ", for writing" : "");
	else if (c->number == SCMP_SYS(socket) && family_name(c->arg[0]))
		snprintf(text, size, "%s(%s)", name, family_name(c->arg[0]));
	else if (c->number == SCMP_SYS(clone))
		snprintf(text, size, "%s(a new process)", name);
	else if (c->number == SCMP_SYS(kill))
		snprintf(text, size, "%s(%ld, %ld)", name, c->arg[0], c->arg[1]);
	else
		snprintf(text, size, "%s()", name);
}

/* ---- the verdict ---- */

enum { FATAL = 1 << 20 };       /* no errno */

static long judge_open(const struct call *c)
{
	const char *path = text_at(c, 1), *slash = strrchr(path, '/');

	if (is_writing(c) && strncmp(slash ? slash + 1 : path, "orcexec.", 8) == 0) {
		long fd = memfd_create("orcexec", MFD_CLOEXEC);

		return fd < 0 ? -errno : fd;
	}
	if (is_writing(c))
		return readable_has(path) ? -EACCES : -FATAL;
	if (can_open && readable_has(path))
		return repeat(c);
	return readable_is_harmless(path) ? -EACCES : -FATAL;
}

static long judge_change(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash && strncmp(slash + 1, "orcexec.", 8) == 0)
		return 0;               /* there was no file to unlink */
	return readable_has(path) ? -EACCES : -FATAL;
}

/* No path: the descriptor itself. */
static bool may_look(const char *path)
{
	return !*path || readable_has(path) || readable_leads_to(path);
}

static bool is_exec(const struct call *c)
{
	return c->number == SCMP_SYS(execve) || c->number == SCMP_SYS(execveat);
}

/* -FATAL, or what the call gives. */
static long judge(const struct call *c)
{
	if (c->number == SCMP_SYS(openat))
		return judge_open(c);
	for (size_t i = 0; i < countof(looks); i++)
		if (looks[i].call == c->number)
			return may_look(text_at(c, looks[i].path)) ? repeat(c) : -EACCES;
	for (size_t i = 0; i < countof(changes); i++)
		if (changes[i].call == c->number && !is_exec(c))
			return judge_change(text_at(c, changes[i].path));
	for (size_t i = 0; i < countof(refused_kindly); i++)
		if (refused_kindly[i].call == c->number)
			return -refused_kindly[i].number;
	return -FATAL;
}

/* SIGSYS is blocked in its own handler: one more refused call is the end. */
static _Noreturn void die(void)
{
	syscall(SYS_setns, -1, 0);
	_exit(128 + SIGSYS);
}

static void on_refused(int sig, siginfo_t *info, void *context)
{
	struct call c = { .number = info->si_syscall };
	char text[NAME_BYTES + SHOWN + 40];
	int saved = errno;
	long result;

	(void)sig;
	read_call(context, &c);
	result = judge(&c);
	if (result == -FATAL && !is_spared) {
		describe(&c, text, sizeof text);
		lastwords("it called %s, which the sandbox refuses", text);
		die();
	}
	answer(context, result == -FATAL ? -EPERM : result);
	errno = saved;
}

void refused_begin(uint64_t secret, bool may_open)
{
	struct sigaction act = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO };

	pass = secret;
	can_open = may_open;
	for (int i = 0; i < MOST_CALLS; i++) {
		scoped(free_p) char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);

		snprintf(names[i], sizeof names[i], "%s", name ? name : "");
	}
	sigaction(SIGSYS, &act, NULL);
}

void refused_spare(bool spare)
{
	is_spared = spare;
}
