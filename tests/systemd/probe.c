/* probe.c - what a process can see, reach and write where it runs: one line for each thing tried, "NAME<tab>ANSWER".
 *
 * Runs in the place of pixelfleet-worker in its unit, so that the answers are about the unit's settings as systemd
 * applied them, not about what somebody believes that they mean. It changes nothing, wherever it runs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, const char *about, const char *answer)
{
	printf("%s %s\t%s\n", what, about, answer);
}

static const char *outcome(long result)
{
	return result >= 0 ? "yes" : strerrorname_np(errno);
}

static void try_write(const char *folder)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s/pixelfleet-probe", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	say("write", folder, outcome(fd));
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
}

static void try_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char byte;
	ssize_t got = fd < 0 ? -1 : read(fd, &byte, 1);

	say("read", path, fd >= 0 && got < 0 && errno == EISDIR ? "listed" : outcome(got));
	if (fd >= 0)
		close(fd);
}

static void try_socket(const char *name, int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	say("socket", name, outcome(fd));
	if (fd >= 0)
		close(fd);
}

/* Each call asks for something impossible, in a way that the kernel looks at the permission first: an error other
 * than that of a refusal is the answer "yes", and nothing has happened. */
static const char *permitted(long result, int impossible)
{
	return result >= 0 || errno == impossible ? "yes" : strerrorname_np(errno);
}

/* In a child: the new namespace would give us all capabilities in it, and spoil what comes after. */
static const char *try_namespace(void)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : errno);
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		return "killed";
	return WEXITSTATUS(status) ? strerrorname_np(WEXITSTATUS(status)) : "yes";
}

static void try_calls(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	say("call", "mmap writable and executable", memory == MAP_FAILED ? strerrorname_np(errno) : "yes");
	say("call", "mount", permitted(mount("none", "/", "no such file system", 0, NULL), ENODEV));
	say("call", "unshare user namespace", try_namespace());
	say("call", "setuid 0", outcome(setuid(0)));
	say("call", "chroot", outcome(chroot("/")));
	say("call", "ptrace init", outcome(ptrace(PTRACE_SEIZE, 1, NULL, NULL)));
	say("call", "bpf", permitted(syscall(SYS_bpf, -1, NULL, 0), EINVAL));
	say("call", "perf_event_open", permitted(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0), EFAULT));
	say("call", "userfaultfd", outcome(syscall(SYS_userfaultfd, 0)));
	say("call", "init_module", permitted(syscall(SYS_init_module, NULL, 0, NULL), EFAULT));
	say("call", "reboot", permitted(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL), EINVAL));
	say("call", "settimeofday", outcome(syscall(SYS_settimeofday, NULL, NULL)));
	say("call", "personality", outcome(personality(ADDR_NO_RANDOMIZE)));
	say("call", "sethostname", permitted(syscall(SYS_sethostname, NULL, -1), EINVAL));
	say("call", "nice -5", outcome(setpriority(PRIO_PROCESS, 0, -5)));
	say("call", "set-uid file", outcome(open("/tmp/pixelfleet-probe", O_WRONLY | O_CREAT | O_CLOEXEC, 04755)));
	unlink("/tmp/pixelfleet-probe");
}

static void count_processes(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *one;
	char text[16];
	int n = 0;

	while (proc && (one = readdir(proc)))
		n += one->d_name[0] >= '0' && one->d_name[0] <= '9';
	if (proc)
		closedir(proc);
	snprintf(text, sizeof text, "%d", n);
	say("see", "processes", text);
}

/* The lines of /proc/self/status that say what the kernel thinks of us. */
static void tell_status(void)
{
	static const char *const wanted[] = { "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid" };
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	while (f && fgets(line, sizeof line, f)) {
		char *value = strchr(line, '\t');

		for (size_t i = 0; value && i < sizeof wanted / sizeof *wanted; i++) {
			size_t n = strlen(wanted[i]);

			if (strncmp(line, wanted[i], n) == 0 && line[n] == ':') {
				value[strcspn(value, "\n")] = '\0';
				for (char *c = value + 1; *c; c++)
					*c = *c == '\t' ? ' ' : *c;
				say("status", wanted[i], value + 1);
			}
		}
	}
	if (f)
		fclose(f);
}

static void tell_limit(const char *name, int what)
{
	struct rlimit limit = { 0 };
	char text[64] = "unlimited";

	if (getrlimit((__rlimit_resource_t)what, &limit) == 0 && limit.rlim_max != RLIM_INFINITY)
		snprintf(text, sizeof text, "%llu", (unsigned long long)limit.rlim_max);
	say("limit", name, text);
}

/* probe write DIR... read FILE...: the places to try; everything else is always tried. */
int main(int argc, char **argv)
{
	void (*attempt)(const char *) = try_write;

	/* Whoever may do anything learns nothing here. */
	if (geteuid() == 0 || !getenv("INVOCATION_ID")) {
		fputs("probe: runs as the user of a unit only, and started by systemd\n", stderr);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "write") == 0)
			attempt = try_write;
		else if (strcmp(argv[i], "read") == 0)
			attempt = try_read;
		else
			attempt(argv[i]);
	}
	try_socket("AF_INET", AF_INET, SOCK_STREAM);
	try_socket("AF_INET6", AF_INET6, SOCK_STREAM);
	try_socket("AF_UNIX", AF_UNIX, SOCK_STREAM);
	try_socket("AF_NETLINK", AF_NETLINK, SOCK_RAW);
	try_socket("AF_PACKET", AF_PACKET, SOCK_RAW);
	try_socket("AF_VSOCK", AF_VSOCK, SOCK_STREAM);
	try_socket("AF_ALG", AF_ALG, SOCK_SEQPACKET);
	count_processes();
	tell_status();
	tell_limit("NOFILE", RLIMIT_NOFILE);
	tell_limit("CORE", RLIMIT_CORE);
	tell_limit("NPROC", RLIMIT_NPROC);
	try_calls();
	return 0;
}
