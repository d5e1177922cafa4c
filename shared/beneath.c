#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_dotdot(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return true;
	return false;
}

/* The longest root that `path` is in; NULL: none. */
static const char *find_root(const char *roots, const char *path, size_t *ret_len)
{
	const char *best = NULL;

	*ret_len = 0;
	for (const char *p = roots; *p; p += *p == ':') {
		const char *root = p;
		size_t n = strcspn(p, ":");

		p += n;
		while (n > 1 && root[n - 1] == '/')
			n--;
		if (n == 0 || *root != '/' || strncmp(path, root, n) != 0 || (n > 1 && path[n] != '/' && path[n] != '\0'))
			continue;
		if (n > *ret_len)
			best = root, *ret_len = n;
	}
	return best;
}

static int explain(const char *path, struct err *err)
{
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		return err_set(err, ERR_REJECT, "there is no file '%.600s'", path);
	case ELOOP:
		return err_set(err, ERR_REJECT, "'%.600s' leads through a symbolic link; they are not followed", path);
	case EXDEV:
		return err_set(err, ERR_REJECT, "'%.600s' leads out of the allowed directory", path);
	case EACCES:
	case EPERM:
	case ENAMETOOLONG:
	case ENXIO:
		return err_set(err, ERR_REJECT, "cannot open '%.600s': %s", path, strerror(errno));
	default:
		return err_set(err, ERR_RETRY, "cannot open '%.600s': %s", path, strerror(errno));
	}
}

static int open_in(int dir, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)(O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | flags),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static int open_any(const char *roots, const char *path, int flags, int *ret_fd, struct err *err)
{
	scoped(free_p) char *root_path = NULL;
	scoped(close_p) int dir = -1;
	const char *root, *inside;
	size_t n;
	int fd;

	if (*path != '/')
		return err_set(err, ERR_REJECT, "'%.600s' is not an absolute path", path);
	if (has_dotdot(path))
		return err_set(err, ERR_REJECT, "'%.600s' has '..' in it, which is not allowed", path);
	root = find_root(roots, path, &n);
	if (!root)
		return err_set(err, ERR_REJECT, "'%.400s' is not under an allowed directory (PIXELFLEET_ALLOWED_ROOTS: %.400s)", path,
			*roots ? roots : "none");
	root_path = xstrndup(root, n);
	dir = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return explain(root_path, err);
	inside = path + n;
	inside += strspn(inside, "/");
	fd = open_in(dir, *inside ? inside : ".", flags);
	if (fd < 0)
		return explain(path, err);
	*ret_fd = fd;
	return 0;
}

int beneath_open(const char *roots, const char *path, int *ret_fd, size_t *ret_size, struct err *err)
{
	scoped(close_p) int fd = -1;
	struct stat st;

	if (open_any(roots, path, 0, &fd, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return explain(path, err);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_REJECT, "'%.600s' is not a regular file", path);
	*ret_fd = fd;
	*ret_size = (size_t)st.st_size;
	fd = -1;
	return 0;
}

int beneath_open_dir(const char *roots, const char *path, int *ret_fd, struct err *err)
{
	return open_any(roots, path, O_DIRECTORY, ret_fd, err);
}
