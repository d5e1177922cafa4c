#include "misbehave.h"

#ifndef FAULTS
bool misbehave(const char *step, json_t **ret_data)
{
	(void)step, (void)ret_data;
	return false;
}
#else

#include "probe.h"

#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIX "misbehave-"

static void talk(void)
{
	close(socket(AF_INET, SOCK_STREAM, 0));
}

static void run_shell(void)
{
	char *const argv[] = { (char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c", (char *)(uintptr_t)"id", NULL };

	execv("/bin/sh", argv);
}

static void read_secret(void)
{
	close(open("/etc/shadow", O_RDONLY | O_CLOEXEC));
}

static void write_file(void)
{
	close(open("/tmp/runner-was-here", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void fork_bomb(void)
{
	for (int i = 0; i < 1000; i++)
		if (fork() == 0)
			pause();
}

static void trace_parent(void)
{
	ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static void kill_parent(void)
{
	kill(getppid(), SIGKILL);
}

static void take_memory(void)
{
	char *volatile p = g_malloc((size_t)8 << 30);

	memset(p, 1, 1);
	g_free(p);
}

static void spin(void)
{
	for (volatile unsigned long n = 0;;)
		n++;
}

static void fall(void)
{
	raise(SIGSEGV);
}

static const struct {
	const char *what;
	void (*act)(void);
} acts[] = {
	{ "socket", talk }, { "execve", run_shell }, { "open", read_secret }, { "write", write_file }, { "fork", fork_bomb },
	{ "ptrace", trace_parent }, { "kill", kill_parent }, { "memory", take_memory }, { "loop", spin }, { "segv", fall },
	{ "abort", abort },
};

bool misbehave(const char *step, json_t **ret_data)
{
	if (strncmp(step, PREFIX, strlen(PREFIX)) != 0)
		return false;
	step += strlen(PREFIX);
	if (strcmp(step, "probe") == 0) {
		*ret_data = probe();
		return true;
	}
	for (size_t i = 0; i < countof(acts); i++)
		if (strcmp(acts[i].what, step) == 0) {
			acts[i].act();
			*ret_data = json_pack("{s:s}", "survived", step);
			return true;
		}
	return false;
}

#endif
