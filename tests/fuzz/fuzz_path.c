/* A path in a submission: what opens is a regular file under an allowed root. "@" at the beginning stands for the root. */
#include "fuzz.h"

#include "beneath.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_file(int fd, size_t size, const char *root)
{
	scoped(free_p) char *link = xasprintf("/proc/self/fd/%d", fd);
	size_t n = strlen(root);
	char real[4096];
	struct stat st;
	ssize_t len = readlink(link, real, sizeof real - 1);

	must(len > 0);
	real[len] = '\0';
	must(strncmp(real, root, n) == 0 && real[n] == '/' && !strstr(real, "secret"));
	must(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *text = fuzz_text(data, size), *root = xasprintf("%s/root", fuzz_dir());
	scoped(free_p) char *roots = xasprintf("relative::/nowhere:%s//", root);
	scoped(free_p) char *path = *text == '@' ? xasprintf("%s%s", root, text + 1) : xstrdup(text);
	scoped(close_p) int fd = -1;
	size_t bytes = 0;
	struct err err;

	if (beneath_open(roots, path, &fd, &bytes, &err) == 0)
		check_file(fd, bytes, root);
	else
		fuzz_check_refusal(&err);
	return 0;
}
