#include "test.h"

#include "beneath.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_it(const char *roots, const char *path, struct err *err)
{
	size_t size;
	int fd;

	if (beneath_open(roots, path, &fd, &size, err) < 0)
		return -1;
	close(fd);
	return (int)size;
}

static void put(const char *path)
{
	scoped(close_p) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, "abc", 3), 3);
}

TEST(beneath_opens_regular_files_under_any_root)
{
	scoped(free_p) char *roots = xasprintf("/nowhere:%s/:/elsewhere", test_dir());
	struct err err;

	assert_int_equal(mkdir(test_path("d"), 0700), 0);
	put(test_path("d/f"));
	assert_int_equal(open_it(roots, test_path("d/f"), &err), 3);
	assert_int_equal(open_it("/", test_path("d//f"), &err), 3);
}

TEST(beneath_takes_a_root_for_a_whole_directory_name)
{
	scoped(free_p) char *sister = xasprintf("%s-sister/f", test_dir());
	struct err err;

	assert_int_equal(open_it(test_dir(), sister, &err), -1);
	assert_non_null(strstr(err.msg, "not under an allowed directory"));
	assert_int_equal(open_it("", "/etc/hostname", &err), -1);
	assert_non_null(strstr(err.msg, "none"));
}

TEST(beneath_follows_no_link_even_on_the_way)
{
	struct err err;

	assert_int_equal(mkdir(test_path("real"), 0700), 0);
	put(test_path("real/f"));
	assert_int_equal(symlink("real", test_path("alias")), 0);
	assert_int_equal(open_it(test_dir(), test_path("alias/f"), &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_non_null(strstr(err.msg, "symbolic link"));
}

TEST(beneath_opens_directories_apart_from_files)
{
	struct err err;
	int fd;

	assert_int_equal(mkdir(test_path("album"), 0700), 0);
	assert_int_equal(symlink("album", test_path("link")), 0);
	put(test_path("file"));
	assert_int_equal(beneath_open_dir(test_dir(), test_path("album"), &fd, &err), 0);
	close(fd);
	assert_int_equal(beneath_open_dir(test_dir(), test_dir(), &fd, &err), 0);
	close(fd);
	assert_int_equal(beneath_open_dir(test_dir(), test_path("link"), &fd, &err), -1);
	assert_int_equal(beneath_open_dir(test_dir(), test_path("file"), &fd, &err), -1);
	assert_int_equal(beneath_open_dir(test_dir(), "/proc/self/root", &fd, &err), -1);
	assert_int_equal(open_it(test_dir(), test_path("album"), &err), -1);
}

TEST(beneath_says_that_a_root_has_vanished)
{
	scoped(free_p) char *root = xasprintf("%s/gone", test_dir()), *path = xasprintf("%s/f", root);
	struct err err;

	assert_int_equal(open_it(root, path, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_non_null(strstr(err.msg, "gone"));
}

static int open_as_nobody(const char *path)
{
	struct err err;

	if (getuid() == 0 && setuid(65534) < 0)
		return 2;
	return open_it(test_dir(), path, &err) == -1 && err.kind == ERR_REJECT && strstr(err.msg, "Permission denied") ? 0 : 1;
}

TEST(beneath_says_that_permission_is_denied)
{
	int status = 0;
	pid_t pid;

	put(test_path("locked"));
	assert_int_equal(chmod(test_path("locked"), 0), 0);
	assert_int_equal(chmod(test_dir(), 0711), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(open_as_nobody(test_path("locked")));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

TEST(beneath_refuses_dots_that_lead_up_and_only_these)
{
	struct err err;

	put(test_path("..x"));
	assert_int_equal(open_it(test_dir(), test_path("..x"), &err), 3);
	assert_int_equal(open_it(test_dir(), test_path("a/../..x"), &err), -1);
	assert_non_null(strstr(err.msg, "'..'"));
	assert_int_equal(open_it(test_dir(), test_path("a/.."), &err), -1);
}
