#include "syscalls.h"

#include "builds.h"
#include "refused.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define WRITING (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY))

static const int allowed[] = {
#define ALLOW(name) SCMP_SYS(name),
#define QUIET(name, number)
#define LOOK(name, n)
#define CHANGE(name, n)
#include "syscalls.def"
#undef ALLOW
#undef QUIET
};

static const struct {
	int call, number;
} quiet[] = {
#define ALLOW(name)
#define QUIET(name, number) { SCMP_SYS(name), number },
#include "syscalls.def"
#undef ALLOW
#undef QUIET
#undef LOOK
};

static const int looks[] = {
#define ALLOW(name)
#define QUIET(name, number)
#define LOOK(name, n) SCMP_SYS(name),
#include "syscalls.def"
#undef ALLOW
#undef QUIET
#undef LOOK
#undef CHANGE
};

/* What sanitizers and counters do at the end; see builds.h. */
static const int of_sanitizers[] = { SCMP_SYS(ptrace), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(prctl), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(stat), SCMP_SYS(newfstatat), SCMP_SYS(tgkill), SCMP_SYS(open), SCMP_SYS(getdents) };
static const int of_coverage[] = { SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(mkdir), SCMP_SYS(fcntl), SCMP_SYS(access) };

/* One rule, of any number of conditions. A call that this machine's kernel never had needs none. */
#define RULE(ctx, call, ...) rule(ctx, call, countof(((struct scmp_arg_cmp[]){ __VA_ARGS__ })), (struct scmp_arg_cmp[]){ __VA_ARGS__ })

static int rule(scmp_filter_ctx ctx, int call, size_t n, const struct scmp_arg_cmp *conditions)
{
	int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, call, (unsigned)n, conditions);

	return rc == -EDOM || rc == -EEXIST ? 0 : rc;
}

static int allow_all(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = rule(ctx, calls[i], 0, NULL);
	return rc;
}

static int add_quiet(scmp_filter_ctx ctx)
{
	int rc = 0;

	for (size_t i = 0; i < countof(quiet) && rc == 0; i++) {
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)quiet[i].number), quiet[i].call, 0);
		rc = rc == -EDOM ? 0 : rc;
	}
	return rc;
}

/* The handler's own: the secret is in the sixth argument, which none of these has. */
static int add_secret(scmp_filter_ctx ctx, uint64_t secret, bool may_open)
{
	const struct scmp_arg_cmp knows = SCMP_A5(SCMP_CMP_EQ, secret, 0);
	int rc = 0;

	for (size_t i = 0; i < countof(looks) && rc == 0; i++)
		rc = RULE(ctx, looks[i], knows);
	if (rc == 0 && may_open)
		rc = RULE(ctx, SCMP_SYS(openat), knows, SCMP_A2(SCMP_CMP_MASKED_EQ, WRITING, O_RDONLY));
	return rc;
}

/* Handlers for all signals but those two that end it. */
static int add_sigaction(scmp_filter_ctx ctx)
{
	int rc = RULE(ctx, SCMP_SYS(rt_sigaction), SCMP_A0(SCMP_CMP_LT, SIGXCPU, 0));

	for (unsigned sig = SIGXCPU + 1; sig < SIGSYS && rc == 0; sig++)
		rc = RULE(ctx, SCMP_SYS(rt_sigaction), SCMP_A0(SCMP_CMP_EQ, sig, 0));
	return rc ? rc : RULE(ctx, SCMP_SYS(rt_sigaction), SCMP_A0(SCMP_CMP_GT, SIGSYS, 0));
}

static int add_conditional(scmp_filter_ctx ctx)
{
	static const unsigned fcntls[] = { F_GETFD, F_SETFD, F_GETFL, F_DUPFD, F_DUPFD_CLOEXEC }, timeouts[] = { SO_RCVTIMEO, SO_SNDTIMEO };
	int rc = 0;

	for (size_t i = 0; i < countof(fcntls) && rc == 0; i++)
		rc = RULE(ctx, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, fcntls[i], 0));
	if (rc == 0)
		rc = RULE(ctx, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	if (rc == 0)
		rc = RULE(ctx, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
	if (rc == 0)            /* abort() */
		rc = RULE(ctx, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
	if (rc == 0)            /* asking, not setting */
		rc = RULE(ctx, SCMP_SYS(prlimit64), SCMP_A0(SCMP_CMP_EQ, 0, 0), SCMP_A2(SCMP_CMP_EQ, 0, 0));
	for (size_t i = 0; i < countof(timeouts) && rc == 0; i++)       /* of its sockets */
		rc = RULE(ctx, SCMP_SYS(setsockopt), SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET, 0), SCMP_A2(SCMP_CMP_EQ, timeouts[i], 0));
	if (rc == 0)            /* to its peer, to no address */
		rc = RULE(ctx, SCMP_SYS(sendto), SCMP_A4(SCMP_CMP_EQ, 0, 0));
	return rc ? rc : add_sigaction(ctx);
}

static int add_for_builds(scmp_filter_ctx ctx)
{
	int rc = 0;

	if (IS_SANITIZED)
		rc = allow_all(ctx, of_sanitizers, countof(of_sanitizers));
	if (IS_SANITIZED && rc == 0)    /* LeakSanitizer's tracer */
		rc = RULE(ctx, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_UNTRACED, CLONE_UNTRACED));
	if (IS_SANITIZED && rc == 0)
		rc = RULE(ctx, SCMP_SYS(rt_sigaction), SCMP_A0(SCMP_CMP_EQ, SIGXCPU, 0));
	if (IS_SANITIZED && rc == 0)
		rc = RULE(ctx, SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, WRITING, O_RDONLY));
	if (IS_COVERAGE && rc == 0)
		rc = allow_all(ctx, of_coverage, countof(of_coverage));
	return rc;
}

static int fill(scmp_filter_ctx ctx, uint64_t secret, bool may_open)
{
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = add_for_builds(ctx);
	if (rc == 0)
		rc = allow_all(ctx, allowed, countof(allowed));
	if (rc == 0)
		rc = add_quiet(ctx);
	if (rc == 0)
		rc = add_secret(ctx, secret, may_open);
	return rc ? rc : add_conditional(ctx);
}

int syscalls_restrict(bool may_open, struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	uint64_t secret;
	int rc = -ENOMEM;

	/* Without, a secret of zeros opens nothing but what Landlock lets be read. */
	if (getrandom(&secret, sizeof secret, 0) != (ssize_t)sizeof secret)
		secret = 0;
	if (ctx)
		rc = fill(ctx, secret, may_open);
	if (rc == 0) {
		refused_begin(secret, may_open);
		rc = seccomp_load(ctx);
	}
	seccomp_release(ctx);
	if (rc < 0)
		return err_set(err, ERR_RETRY, "the kernel takes no filter of system calls (seccomp: %s)", strerror(-rc));
	return 0;
}

void syscalls_spare(bool spare)
{
	refused_spare(spare);
}
