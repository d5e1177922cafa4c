/* test_direct.c - the runner by hand: one tool, one file. */
#include "direct.h"
#include "studio.h"
#include "test.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int files_in(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
	closedir(d);
	return n;
}

TEST(direct_writes_the_file_named)
{
	struct err err;
	const char *in = test_path("in.jpg"), *out = test_path("out.jpg");

	close(studio_file(studio_photo(60, 40), "in.jpg"));
	assert_int_equal(direct_run("resize", "{\"width\":30}", in, out, &err), 0);
	assert_int_equal(access(out, R_OK), 0);
	assert_int_equal(files_in(test_dir()), 2);
}

TEST(direct_writes_many_into_a_directory)
{
	struct err err;
	const char *in = test_path("in.jpg"), *out = test_path("out");

	close(studio_file(studio_photo(60, 40), "in.jpg"));
	assert_int_equal(mkdir(out, 0777), 0);
	assert_int_equal(direct_run("thumbnail", "{\"sizes\":[{\"width\":30},{\"width\":20,\"name\":\"icon\",\"format\":\"png\"}]}", in, out, &err), 0);
	assert_int_equal(access(test_path("out/30x30.jpeg"), R_OK), 0);
	assert_int_equal(access(test_path("out/icon.png"), R_OK), 0);
	assert_int_equal(files_in(out), 2);
}

TEST(direct_leaves_nothing_behind_when_it_fails)
{
	struct err err;
	const char *in = test_path("in.jpg"), *out = test_path("out.jpg");

	close(studio_file(studio_photo(60, 40), "in.jpg"));
	assert_int_equal(direct_run("thumbnail", "{\"sizes\":[{\"width\":30},{\"width\":20}]}", in, out, &err), -1);
	assert_non_null(strstr(err.msg, "name a directory"));
	assert_int_equal(direct_run("resize", "{\"width\":30}", in, NULL, &err), -1);
	assert_int_equal(direct_run("resize", "{\"width\":30}", in, "/nowhere/out.jpg", &err), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	assert_int_equal(direct_run("resize", "[]", in, out, &err), -1);
	assert_int_equal(direct_run("resize", "{", in, out, &err), -1);
	assert_int_equal(direct_run("resize", "{}", test_path("none.jpg"), out, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_int_equal(direct_run("thumbnail", "{\"sizes\":[{\"width\":9,\"name\":\"../x\"}]}", in, test_dir(), &err), -1);
	assert_non_null(strstr(err.msg, "no file name"));
	unlink(out);
	assert_int_equal(files_in(test_dir()), 1);
}
