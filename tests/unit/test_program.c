#include "program.h"
#include "test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void make(const char *name, mode_t mode)
{
	FILE *f = fopen(test_path(name), "we");

	assert_non_null(f);
	fputs("#!/bin/sh\n", f);
	fclose(f);
	assert_int_equal(chmod(test_path(name), mode), 0);
}

static int find_in(const char *dirs, const char *name, char *path, size_t size, struct err *err)
{
	scoped(free_p) char *before = xstrdup(getenv("PATH") ? getenv("PATH") : "");
	int rc;

	setenv("PATH", dirs, 1);
	rc = program_find(name, path, size, err);
	setenv("PATH", before, 1);
	return rc;
}

TEST(program_beside_this_one_is_found_before_those_of_the_path)
{
	char self[PATH_MAX] = "", path[PATH_MAX + 40];
	struct err err;

	assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
	make(strrchr(self, '/') + 1, 0755);
	assert_int_equal(find_in(test_dir(), strrchr(self, '/') + 1, path, sizeof path, &err), 0);
	assert_string_equal(path, self);
}

TEST(program_is_looked_for_in_the_path_where_it_can_be_run)
{
	scoped(free_p) char *dirs = NULL;
	char path[PATH_MAX];
	struct err err;

	mkdir(test_path("a"), 0777);
	mkdir(test_path("b"), 0777);
	mkdir(test_path("a/some-program"), 0777);
	make("b/some-program", 0755);
	make("a/no-program", 0644);
	dirs = xasprintf("%s::%s", test_path("a"), test_path("b"));
	assert_int_equal(find_in(dirs, "some-program", path, sizeof path, &err), 0);
	assert_string_equal(path, test_path("b/some-program"));
	assert_int_equal(find_in(dirs, "no-program", path, sizeof path, &err), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	assert_non_null(strstr(err.msg, "no-program"));
	assert_non_null(strstr(err.msg, "../lib/pixelfleet"));
}
