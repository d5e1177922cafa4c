#include "test.h"

#include "store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct store opened(void)
{
	struct store s;
	struct err e;

	assert_int_equal(store_open(&s, test_path("deep/down/artifacts"), &e), 0);
	return s;
}

static bool yes(void *arg, const char *digest)
{
	snprintf(arg, DIGEST_TEXT, "%s", digest);
	return true;
}

static bool no(void *arg, const char *digest)
{
	(void)arg, (void)digest;
	return false;
}

TEST(store_gives_back_what_was_put_under_the_name_of_its_bytes)
{
	scoped(store_close) struct store s = opened();
	char digest[DIGEST_TEXT], again[DIGEST_TEXT], bytes[10], path[4096];
	scoped(close_p) int fd = -1;
	struct stat st;
	struct err e;
	size_t n;

	assert_int_equal(store_put(&s, "picture", 7, digest, &e), 0);
	assert_true(digest_is(digest));
	assert_int_equal(store_put(&s, "picture", 7, again, &e), 0);
	assert_string_equal(digest, again);
	assert_int_equal(store_get(&s, digest, &fd, &n, &e), 0);
	assert_int_equal(n, 7);
	assert_int_equal(read(fd, bytes, sizeof bytes), 7);
	assert_memory_equal(bytes, "picture", 7);
	store_path(&s, digest, path, sizeof path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0222, 0);
}

/* On NFS it has a name. */
TEST(store_leaves_nothing_of_a_file_that_was_discarded)
{
	scoped(store_close) struct store s = opened();
	int fd = -1, none = -1;
	struct err e;

	store_discard(&s, &none);
	assert_int_equal(store_create(&s, &fd, &e), 0);
	store_discard(&s, &fd);
	assert_int_equal(fd, -1);
	assert_int_equal(mkdirat(s.dir, "tmp", 0700), 0);
	fd = openat(s.dir, "tmp/0", O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	store_discard(&s, &fd);
	assert_int_equal(faccessat(s.dir, "tmp/0", F_OK, 0), -1);
}

/* What a runner has when it was given an output, and has kept it. */
TEST(store_own_is_out_of_reach_of_who_can_still_write)
{
	scoped(store_close) struct store s = opened();
	char digest[DIGEST_TEXT], kept[8] = "";
	scoped(close_p) int fd = -1, others = -1, stored = -1;
	struct err e;
	size_t n;

	assert_int_equal(store_create(&s, &fd, &e), 0);
	others = dup(fd);
	assert_int_equal(write(others, "before", 6), 6);
	assert_int_equal(store_own(&s, &fd, &e), 0);
	assert_int_equal(store_commit(&s, fd, digest, &n, &e), 0);
	assert_int_equal(pwrite(others, "after!", 6, 0), 6);
	assert_int_equal(n, 6);
	assert_int_equal(store_get(&s, digest, &stored, &n, &e), 0);
	assert_int_equal(read(stored, kept, sizeof kept), 6);
	assert_string_equal(kept, "before");
}

TEST(store_own_copies_nothing_that_nobody_else_has)
{
	scoped(store_close) struct store s = opened();
	scoped(close_p) int fd = -1;
	char digest[DIGEST_TEXT];
	struct stat was, is;
	struct err e;
	size_t n;

	assert_int_equal(store_create(&s, &fd, &e), 0);
	assert_int_equal(write(fd, "mine", 4), 4);
	assert_int_equal(fstat(fd, &was), 0);
	assert_int_equal(store_own(&s, &fd, &e), 0);
	assert_int_equal(fstat(fd, &is), 0);
	assert_int_equal(is.st_ino, was.st_ino);
	assert_true(write(fd, "x", 1) < 0);
	assert_int_equal(store_commit(&s, fd, digest, &n, &e), 0);
}

TEST(store_names_are_blake2b_of_32_bytes)
{
	scoped(store_close) struct store s = opened();
	char digest[DIGEST_TEXT];
	struct err e;

	assert_int_equal(store_put(&s, "", 0, digest, &e), 0);
	assert_string_equal(digest, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

TEST(store_makes_files_again_that_a_power_cut_left_short)
{
	scoped(store_close) struct store s = opened();
	char digest[DIGEST_TEXT], path[4096];
	struct stat st;
	struct err e;

	assert_int_equal(store_put(&s, "picture", 7, digest, &e), 0);
	store_path(&s, digest, path, sizeof path);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 3), 0);
	assert_int_equal(store_put(&s, "picture", 7, digest, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 7);
}

TEST(store_get_names_the_path_of_what_is_not_there)
{
	scoped(store_close) struct store s = opened();
	struct err e;
	size_t n;
	int fd;

	assert_int_equal(store_get(&s, "0000000000000000000000000000000000000000000000000000000000000000", &fd, &n, &e), -1);
	assert_int_equal(e.kind, ERR_REJECT);
	assert_non_null(strstr(e.msg, "deep/down/artifacts/00/0000"));
	assert_int_equal(store_get(&s, "../../etc/passwd", &fd, &n, &e), -1);
	assert_non_null(strstr(e.msg, "64 hexadecimal"));
}

TEST(store_collects_only_what_is_old_and_not_wanted)
{
	scoped(store_close) struct store s = opened();
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	char a[DIGEST_TEXT], b[DIGEST_TEXT], seen[DIGEST_TEXT] = "", path[4096];
	struct err e;

	assert_int_equal(store_put(&s, "old", 3, a, &e), 0);
	assert_int_equal(store_put(&s, "new", 3, b, &e), 0);
	store_path(&s, a, path, sizeof path);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(store_collect(&s, 3600, no, NULL), 0);
	assert_int_equal(store_collect(&s, 3600, yes, seen), 1);
	assert_string_equal(seen, a);
	assert_int_equal(access(path, F_OK), -1);
	store_path(&s, b, path, sizeof path);
	assert_int_equal(access(path, F_OK), 0);
}

TEST(store_touches_what_is_stored_again_so_that_it_stays)
{
	scoped(store_close) struct store s = opened();
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	char digest[DIGEST_TEXT], seen[DIGEST_TEXT], path[4096];
	struct err e;

	assert_int_equal(store_put(&s, "x", 1, digest, &e), 0);
	store_path(&s, digest, path, sizeof path);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(store_put(&s, "x", 1, digest, &e), 0);
	assert_int_equal(store_collect(&s, 3600, yes, seen), 0);
}

TEST(store_open_says_which_directory_it_cannot_make)
{
	FILE *f = fopen(test_path("file"), "w");
	struct store s;
	struct err e;

	fclose(f);
	assert_int_equal(store_open(&s, test_path("file/below"), &e), -1);
	assert_non_null(strstr(e.msg, "file"));
	assert_int_equal(store_open(&s, "", &e), -1);
}

/* ---- in two halves ---- */

static void prepare(struct store *s, const char *text, struct store_item *ret)
{
	struct err e;
	int fd;

	assert_int_equal(store_create(s, &fd, &e), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(store_prepare(s, &fd, ret, &e), 0);
	assert_int_equal(fd, -1);
}

static bool is_there(struct store *s, const char *digest)
{
	scoped(close_p) int fd = -1;
	struct err e;
	size_t n;

	return store_get(s, digest, &fd, &n, &e) == 0;
}

TEST(store_sync_makes_artifacts_of_all_that_was_prepared_and_of_nothing_before)
{
	struct store_item a, b, twin, old, *all[] = { &a, &b, &twin, &old };
	char digest[DIGEST_TEXT];
	struct store s;
	struct err e;

	assert_int_equal(store_open(&s, test_path("store"), &e), 0);
	assert_int_equal(store_put(&s, "old", 3, digest, &e), 0);
	prepare(&s, "first", &a);
	prepare(&s, "second", &b);
	prepare(&s, "first", &twin);
	prepare(&s, "old", &old);
	assert_false(is_there(&s, a.digest));
	assert_int_equal(old.fd, -1);
	store_sync(&s, all, countof(all));
	for (size_t i = 0; i < countof(all); i++) {
		assert_int_equal(all[i]->error, 0);
		assert_int_equal(all[i]->fd, -1);
		assert_true(is_there(&s, all[i]->digest));
	}
	assert_string_equal(a.digest, twin.digest);
	assert_string_equal(old.digest, digest);
	store_close(&s);
}

TEST(store_sync_says_which_artifact_could_not_be_kept)
{
	struct store_item good, bad, *both[] = { &bad, &good };
	struct store s;
	struct err e;
	char dir[3];

	assert_int_equal(store_open(&s, test_path("store"), &e), 0);
	prepare(&s, "first", &bad);
	prepare(&s, "second", &good);
	snprintf(dir, sizeof dir, "%.2s", bad.digest);
	assert_int_not_equal(memcmp(bad.digest, good.digest, 2), 0);
	assert_int_equal(symlinkat("nowhere", s.dir, dir), 0);
	store_sync(&s, both, 2);
	assert_int_not_equal(bad.error, 0);
	assert_int_equal(good.error, 0);
	assert_true(is_there(&s, good.digest));
	store_close(&s);
}

/* ---- hashed while it comes ---- */

TEST(store_writer_gives_the_name_that_the_same_bytes_have_in_one_piece)
{
	scoped(store_writer_free_p) struct store_writer *w = NULL, *left = NULL;
	char one[DIGEST_TEXT], many[DIGEST_TEXT], head[4];
	struct store s;
	struct err e;
	size_t size;

	assert_int_equal(store_open(&s, test_path("store"), &e), 0);
	assert_int_equal(store_writer_new(&s, &left, &e), 0);
	assert_int_equal(store_write(left, "nobody", 6, &e), 0);
	assert_int_equal(store_writer_new(&s, &w, &e), 0);
	assert_int_equal(store_write(w, "pic", 3, &e), 0);
	assert_int_equal(store_writer_head(w, head, sizeof head), 3);
	assert_int_equal(store_write(w, "ture", 4, &e), 0);
	assert_int_equal(store_writer_head(w, head, sizeof head), 4);
	assert_memory_equal(head, "pict", 4);
	assert_int_equal(store_writer_commit(w, many, &size, &e), 0);
	assert_int_equal(size, 7);
	assert_true(is_there(&s, many));
	assert_int_equal(store_put(&s, "picture", 7, one, &e), 0);
	assert_string_equal(one, many);
	store_close(&s);
}
