/* test_sandbox.c - each in a child, for there is no way back. */
#include "sandbox.h"
#include "builds.h"
#include "child.h"
#include "landlock.h"
#include "lastwords.h"
#include "readable.h"
#include "test.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the last child: wait(2)'s status and its last words. */
static int status;
static char said[WIRE_LAST_WORDS];
static int words = -1;

/* The child's exit code; -1: it died. */
static int in_child(int (*fn)(void))
{
	int pipe_of[2];
	pid_t pid;

	assert_int_equal(pipe2(pipe_of, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(pipe_of[1], STDOUT_FILENO);
		_exit(fn());
	}
	close(pipe_of[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pipe_of[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Its last words are in said when it has died; the memory is one that both have. */
static int in_sandbox(int (*fn)(void))
{
	int rc;

	words = lastwords_open();
	assert_true(words >= 0);
	rc = in_child(fn);
	memset(said, 0, sizeof said);
	assert_true(pread(words, said, sizeof said - 1, 0) >= 0);
	close(words);
	return rc;
}

static void lives_through(int (*fn)(void))
{
	int rc = in_sandbox(fn);

	if (rc != 0)
		fail_msg("at %d (status %#x): '%s'", rc, (unsigned)status, said);
}

static bool is_entered(unsigned memory_mb)
{
	const struct sandbox s = { .memory_mb = memory_mb, .file_mb = 1, .parent = getppid() };
	struct sandbox_state state;
	struct err err;

	return sandbox_enter(&s, &state, &err) == 0 && state.seccomp;
}

static int check_limits(void)
{
	struct rlimit core, files, memory, size;

	if (!is_entered(100000))
		return 1;
	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_AS, &memory);
	getrlimit(RLIMIT_FSIZE, &size);
	if (core.rlim_cur || core.rlim_max || files.rlim_cur > 256 || files.rlim_max > 256)
		return 2;
	if (size.rlim_max != 1 << 20)
		return 3;
	if (!IS_SANITIZED && memory.rlim_max != (rlim_t)100000 << 20)
		return 4;
	return 0;
}

TEST(sandbox_sets_every_limit)
{
	lives_through(check_limits);
}

static int refuses_another_parent(void)
{
	const struct sandbox s = { .parent = getpid() };
	struct sandbox_state state;
	struct err err;

	return sandbox_enter(&s, &state, &err) == -1 && err.kind == ERR_RETRY ? 0 : 1;
}

TEST(sandbox_notices_that_the_parent_is_gone)
{
	assert_int_equal(in_child(refuses_another_parent), 0);
}

/* ---- death ---- */

#define TRY(name, act) static int name(void) { if (!is_entered(4096)) return 1; act; return 0; }

TRY(talks, close(socket(AF_INET6, SOCK_DGRAM, 0)))
TRY(runs, execl("/bin/true", "true", NULL))
TRY(forks, fork())
TRY(clones, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))
TRY(writes, close(open("/tmp/sandbox-was-here", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)))
TRY(reads, close(open("/etc/hostname", O_RDONLY | O_CLOEXEC)))
TRY(makes, mkdir("/tmp/sandbox-was-here", 0700))
TRY(kills, kill(getppid(), 0))
TRY(signs, kill(getpid(), SIGSYS))

static void dies_of(int (*fn)(void), const char *call)
{
	char want[100];

	snprintf(want, sizeof want, "it called %s, which the sandbox refuses", call);
	assert_int_equal(in_sandbox(fn), -1);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	if (strcmp(said, want) != 0)
		fail_msg("want '%s', it said '%s'", want, said);
}

TEST(sandbox_kills_what_talks_and_names_the_call)
{
	dies_of(talks, "socket(AF_INET6)");
}

TEST(sandbox_kills_what_starts_a_program_or_a_process)
{
	dies_of(runs, "execve(\"/bin/true\")");
	dies_of(clones, "clone(a new process)");
	assert_int_equal(in_sandbox(forks), -1);        /* unnamed where glibc blocks signals first */
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

TEST(sandbox_kills_what_makes_files)
{
	if (IS_COVERAGE)
		skip();
	dies_of(writes, "openat(\"/tmp/sandbox-was-here\", for writing)");
	dies_of(makes, "mkdir(\"/tmp/sandbox-was-here\")");
}

TEST(sandbox_kills_what_opens_something_else)
{
	if (IS_SANITIZED || IS_COVERAGE)
		skip();
	dies_of(reads, "openat(\"/etc/hostname\")");
}

TEST(sandbox_kills_what_sends_signals)
{
	char call[40];

	snprintf(call, sizeof call, "kill(%d, 0)", (int)getpid());
	dies_of(kills, call);
	assert_int_equal(in_sandbox(signs), -1);
}

static int needs_memory(void)
{
	if (!is_entered(1024))
		return 1;
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			abort();
	}
}

TEST(sandbox_names_memory_when_there_is_no_more)
{
	if (IS_SANITIZED)
		skip();
	assert_int_equal(in_sandbox(needs_memory), -1);
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_string_equal(said, "it needs more memory than a runner may have (1024 MiB)");
}

/* ---- life ---- */

static void *count(void *arg)
{
	++*(int *)arg;
	return NULL;
}

static int lives(void)
{
	pthread_t thread;
	int n = 0, pair[2], fd;
	char text[4] = "";
	struct stat st;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || (fd = memfd_create("x", 0)) < 0 || !is_entered(4096))
		return 1;
	if (pthread_create(&thread, NULL, count, &n) != 0 || pthread_join(thread, NULL) != 0 || n != 1)
		return 2;
	if (send(pair[0], "ab", 2, 0) != 2 || recv(pair[1], text, 2, 0) != 2 || strcmp(text, "ab") != 0)
		return 3;
	if (write(fd, "abc", 3) != 3 || fstat(fd, &st) < 0 || st.st_size != 3)
		return 4;
	if (pwrite(fd, "abc", 3, 2 << 20) != -1 || errno != EFBIG)
		return 5;
	if (prctl(PR_SET_NAME, "other") != 0 || prctl(PR_SET_DUMPABLE, 0) == (IS_SANITIZED ? -1 : 0))
		return 6;
	if (signal(SIGSYS, SIG_IGN) != SIG_ERR || (!IS_SANITIZED && signal(SIGXCPU, SIG_IGN) != SIG_ERR) || signal(SIGUSR1, SIG_IGN) == SIG_ERR)
		return 7;
	if (stat("/etc/passwd", &st) == 0 || (!IS_SANITIZED && errno != EACCES))
		return IS_SANITIZED || IS_COVERAGE ? 0 : 8;
	return 0;
}

TEST(sandbox_leaves_threads_memory_and_what_is_open)
{
	lives_through(lives);
	assert_string_equal(said, "");
}

/* What happens for a label in letters that no font has. */
static int warns_like_pango(void)
{
	char here[4096];

	if (!is_entered(4096))
		return 1;
	if (!getcwd(here, sizeof here))
		return 2;
	g_log_structured("Pango", G_LOG_LEVEL_WARNING, "MESSAGE", "%s", "this warning belongs to a test");
	return 0;
}

TEST(sandbox_lets_fontconfig_name_its_folder_and_pango_warn)
{
	lives_through(warns_like_pango);
	assert_string_equal(said, "");
}

static int reads_fonts(void)
{
	int fd, landlock = landlock_abi();

	if (!is_entered(4096))
		return 1;
	fd = open("/etc/fonts/fonts.conf", O_RDONLY | O_CLOEXEC);
	if (landlock && fd < 0 && errno != ENOENT)
		return 2;
	if (open("/etc/fonts/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) != -1)
		return 3;
	fd = open("/tmp/orcexec.abcdef", O_RDWR | O_CREAT | O_EXCL, 0600);
	return fd >= 0 && write(fd, "x", 1) == 1 && unlink("/tmp/orcexec.abcdef") == 0 ? 0 : 4;
}

TEST(sandbox_lets_fonts_be_read_and_orc_have_memory_for_its_file)
{
	if (IS_COVERAGE)
		skip();
	lives_through(reads_fonts);
	assert_int_equal(access("/tmp/orcexec.abcdef", F_OK), -1);
}

TEST(sandbox_reads_fonts_and_models_and_libraries_only)
{
	setenv("PIXELFLEET_MODELS_DIR", "/srv/models/", 1);
	readable_init();
	assert_true(readable_has("/usr/share/fonts/truetype/a.ttf") && readable_has("/srv/models/yolo/model.onnx"));
	assert_true(readable_has("/srv/models") && !readable_has("/srv/models2/x") && !readable_has("/srv"));
	assert_false(readable_has("/etc/passwd") || readable_has("/usr/share/fonts/../../../etc/passwd") || readable_has(""));
	assert_true(readable_is_harmless("/sys/devices/system/cpu/online") && readable_is_harmless("/usr/share/x"));
	assert_false(readable_is_harmless("/etc/shadow") || readable_is_harmless("/proc/1/environ"));
	assert_false(readable_leads_to("/srv") || readable_leads_to("/"));
	readable_show_way();
	assert_true(readable_leads_to("/srv") && readable_leads_to("/") && !readable_leads_to("/sr") && !readable_has("/srv"));
	unsetenv("PIXELFLEET_MODELS_DIR");
	readable_init();
	assert_false(readable_has("/srv/models/yolo") || readable_leads_to("/srv"));
}

/* ---- the parent's limit ---- */

TEST(child_that_spins_is_ended_by_the_kernel)
{
	struct child c = { .pid = fork(), .peak = -1, .words = -1 };
	char text[64];
	int how;

	assert_true(c.pid >= 0);
	if (c.pid == 0)
		for (volatile unsigned long n = 0;;)
			n++;
	child_limit_cpu(&c, 0);         /* what is left are the seconds on top */
	assert_int_equal(waitpid(c.pid, &how, 0), c.pid);
	child_describe_end(how, text, sizeof text);
	assert_string_equal(text, "killed by SIGXCPU (out of CPU time)");
}
