#include "test.h"

#include "beneath.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
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

TEST(beneath_refuses_dots_that_lead_up_and_only_these)
{
	struct err err;

	put(test_path("..x"));
	assert_int_equal(open_it(test_dir(), test_path("..x"), &err), 3);
	assert_int_equal(open_it(test_dir(), test_path("a/../..x"), &err), -1);
	assert_non_null(strstr(err.msg, "'..'"));
	assert_int_equal(open_it(test_dir(), test_path("a/.."), &err), -1);
}
