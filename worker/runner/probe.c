#include "probe.h"

#include "base.h"

#ifndef FAULTS
json_t *probe(void)
{
	return NULL;
}
#else

#include "syscalls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct report {
	json_t *tried, *reached;
};

/* `result` as a system call gives it: under 0 is a refusal. */
static void note(struct report *r, const char *what, long result)
{
	const char *name = strerrorname_np(errno);

	if (result >= 0)
		json_array_append_new(r->reached, json_string(what));
	json_object_set_new(r->tried, what, json_string(result >= 0 ? "done" : name ? name : "?"));
}

static void try_files(struct report *r)
{
	static const char *const secrets[] = { "/etc/passwd", "/etc/shadow", "/etc/pixelfleet/internal-token",
		"/proc/1/environ", "/proc/self/environ", "/proc/self/mem", "/proc/self/fd/0", "/root/.ssh/id_rsa", "/dev/mem",
		"/etc/fonts/../passwd", "/usr/lib/../../etc/passwd", "/run", "/" };
	static const char *const places[] = { "/tmp/x", "/var/tmp/x", "/dev/shm/x", "/run/x", "x", "/usr/share/fonts/x",
		"/var/lib/pixelfleet/x", "/var/cache/fontconfig/x" };
	char what[100];
	struct stat st;

	for (size_t i = 0; i < countof(secrets); i++) {
		snprintf(what, sizeof what, "open %s", secrets[i]);
		note(r, what, open(secrets[i], O_RDONLY | O_CLOEXEC));
		snprintf(what, sizeof what, "stat %s", secrets[i]);
		note(r, what, stat(secrets[i], &st));
	}
	for (size_t i = 0; i < countof(places); i++) {
		snprintf(what, sizeof what, "create %s", places[i]);
		note(r, what, open(places[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		snprintf(what, sizeof what, "mkdir %s", places[i]);
		note(r, what, mkdir(places[i], 0700));
	}
	note(r, "open directory for a nameless file", open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	note(r, "unlink /tmp/x", unlink("/tmp/x"));
	note(r, "rename", rename("/usr/share/fonts", "/usr/share/fonts.x"));
	note(r, "symlink", symlink("/etc/passwd", "/tmp/x"));
	note(r, "link", link("/etc/passwd", "/tmp/x"));
	note(r, "chmod", chmod("/usr/share/fonts", 0777));
	note(r, "chdir", chdir("/tmp"));
	note(r, "chroot", chroot("/tmp"));
}

static void try_network(struct report *r)
{
	static const struct {
		const char *name;
		int family, type;
	} kinds[] = { { "AF_UNIX", AF_UNIX, SOCK_STREAM }, { "AF_INET", AF_INET, SOCK_STREAM }, { "AF_INET6", AF_INET6, SOCK_DGRAM },
		{ "AF_NETLINK", AF_NETLINK, SOCK_RAW }, { "AF_PACKET", AF_PACKET, SOCK_RAW }, { "AF_VSOCK", AF_VSOCK, SOCK_STREAM } };
	struct sockaddr_in home = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char what[60];
	int pair[2];

	for (size_t i = 0; i < countof(kinds); i++) {
		snprintf(what, sizeof what, "socket %s", kinds[i].name);
		note(r, what, socket(kinds[i].family, kinds[i].type, 0));
	}
	note(r, "socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	for (int fd = 0; fd < 8; fd++) {
		snprintf(what, sizeof what, "connect with descriptor %d", fd);
		note(r, what, connect(fd, (struct sockaddr *)&home, sizeof home));
	}
}

static void try_processes(struct report *r)
{
	char *const argv[] = { NULL };
	char byte;
	struct iovec here = { &byte, sizeof byte }, there = { &byte, 1 };

	note(r, "fork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	note(r, "execve", execve("/bin/true", argv, argv));
	note(r, "kill parent", kill(getppid(), 0));
	note(r, "kill 1", kill(1, 0));
	note(r, "kill all", kill(-1, 0));
	note(r, "tgkill parent", syscall(SYS_tgkill, getppid(), getppid(), 0));
	note(r, "process_vm_readv", process_vm_readv(getppid(), &here, 1, &there, 1, 0));
	note(r, "process_vm_writev", process_vm_writev(getppid(), &here, 1, &there, 1, 0));
	note(r, "pidfd_open", syscall(SYS_pidfd_open, getppid(), 0));
	note(r, "prlimit", syscall(SYS_prlimit64, getppid(), 0, NULL, here.iov_base));
	note(r, "setuid", syscall(SYS_setuid, 0));
	note(r, "setsid", setsid());
	note(r, "sched_setaffinity of parent", syscall(SYS_sched_setaffinity, getppid(), 8, "\1\0\0\0\0\0\0"));
}

#define CALL(name, ...) { #name, SYS_##name, { __VA_ARGS__ } }

static void try_kernel(struct report *r)
{
	static const struct {
		const char *name;
		long call, arg[5];
	} calls[] = {
		CALL(unshare, CLONE_NEWUSER), CALL(setns), CALL(keyctl, 0, -3, 1), CALL(add_key), CALL(bpf), CALL(perf_event_open),
		CALL(io_uring_setup, 8), CALL(userfaultfd, 1), CALL(open_by_handle_at, AT_FDCWD), CALL(name_to_handle_at, AT_FDCWD),
		CALL(pivot_root), CALL(umount2), CALL(fsopen), CALL(init_module), CALL(kexec_load), CALL(reboot), CALL(swapon),
		CALL(acct), CALL(personality, 0xffffffff), CALL(seccomp, 1), CALL(syslog, 3), CALL(quotactl), CALL(mq_open),
		CALL(shmget, 0, 4096, 01600), CALL(semget, 0, 1, 01600), CALL(msgget, 0, 01600), CALL(sethostname),
		CALL(clock_settime), CALL(ptrace, PTRACE_TRACEME), CALL(fanotify_init), CALL(prctl, PR_SET_DUMPABLE, 1),
		CALL(vmsplice), CALL(splice), CALL(landlock_create_ruleset, 0, 0, 1),
	};

	for (size_t i = 0; i < countof(calls); i++)
		note(r, calls[i].name, syscall(calls[i].call, calls[i].arg[0], calls[i].arg[1], calls[i].arg[2], calls[i].arg[3],
			calls[i].arg[4]));
	note(r, "mount", mount("none", "/tmp", "tmpfs", 0, NULL));
}

/* Which descriptors are open: 0, 1, 2, the socket, and those of the task. */
static json_t *open_descriptors(void)
{
	json_t *list = json_array();

	for (int fd = 0; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			json_array_append_new(list, json_integer(fd));
	return list;
}

json_t *probe(void)
{
	struct report r = { json_object(), json_array() };
	json_t *fds = open_descriptors();

	syscalls_spare(true);
	try_files(&r);
	try_network(&r);
	try_processes(&r);
	try_kernel(&r);
	syscalls_spare(false);
	return json_pack("{s:o, s:o, s:o, s:o}", "reached", r.reached, "tried", r.tried, "fds", fds,
		"fds_after", open_descriptors());
}

#endif
