#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool find_in_path(const char *name, char *path, size_t size)
{
	const char *dirs = getenv("PATH");

	for (const char *p = dirs; p && *p; p += *p == ':') {
		size_t n = strcspn(p, ":");

		snprintf(path, size, "%.*s/%s", (int)n, p, name);
		if (n && is_program(path))
			return true;
		p += n;
	}
	return false;
}

int program_find(const char *name, char *path, size_t size, struct err *err)
{
	static const char *const beside[] = { "", "/../lib/pixelfleet", "/../libexec/pixelfleet" };
	char self[1024] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n > 0 && strrchr(self, '/')) {
		*strrchr(self, '/') = '\0';
		for (size_t i = 0; i < countof(beside); i++) {
			snprintf(path, size, "%s%s/%s", self, beside[i], name);
			if (is_program(path))
				return 0;
		}
	}
	if (find_in_path(name, path, size))
		return 0;
	return err_set(err, ERR_RETRY, "the program %s is not in '%s', not in ../lib/pixelfleet or ../libexec/pixelfleet "
		"beside it, and not in PATH", name, self);
}
