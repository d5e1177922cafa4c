#include "test.h"

#include "buf.h"
#include "reference.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct stage {
	struct conf conf;
	json_t *artifact;
	struct err err;
};

static void put(const char *path, const char *text)
{
	scoped(close_p) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static json_t *refer(const char *path)
{
	scoped(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct reference r;
	struct err err;
	json_t *a;

	assert_int_equal(reference_make(path, fd, &r, &err), 0);
	a = json_pack("{s:s, s:I}", "digest", r.digest, "bytes", (json_int_t)r.bytes);
	reference_describe(&r, path, a);
	return a;
}

/* The file "a" holds `text`, and was referred to. */
static void open_stage(struct stage *s, const char *text)
{
	scoped(free_p) char *roots = xasprintf("PIXELFLEET_ALLOWED_ROOTS=%s", test_dir());
	const char *const env[] = { roots, NULL };

	*s = (struct stage){ 0 };
	assert_int_equal(conf_load(&s->conf, env, &s->err), 0);
	put(test_path("a"), text);
	s->artifact = refer(test_path("a"));
}

static void close_stage(struct stage *s)
{
	json_decref(s->artifact);
	conf_done(&s->conf);
}

static int look(struct stage *s)
{
	scoped(close_p) int fd = -1;
	size_t size;

	return reference_open(&s->conf, s->artifact, &fd, &size, NULL, &s->err);
}

static void expect_reject(struct stage *s, const char *words)
{
	assert_int_equal(look(s), -1);
	assert_int_equal(s->err.kind, ERR_REJECT);
	if (!strstr(s->err.msg, words) || !strstr(s->err.msg, "by reference"))
		fail_msg("'%s' is not in '%s'", words, s->err.msg);
}

TEST(reference_open_gives_the_very_file)
{
	scoped(close_p) int fd = -1;
	char text[8] = "";
	struct stage s;
	size_t size;

	open_stage(&s, "abc");
	assert_true(reference_is(s.artifact));
	assert_int_equal(reference_open(&s.conf, s.artifact, &fd, &size, NULL, &s.err), 0);
	assert_int_equal(size, 3);
	assert_int_equal(read(fd, text, sizeof text), 3);
	assert_string_equal(text, "abc");
	close_stage(&s);
}

TEST(reference_open_says_that_a_file_is_gone)
{
	struct stage s;

	open_stage(&s, "abc");
	assert_int_equal(unlink(test_path("a")), 0);
	expect_reject(&s, "there is no file");
	close_stage(&s);
}

TEST(reference_open_says_how_a_file_has_changed)
{
	struct stage s;

	open_stage(&s, "abc");
	put(test_path("a"), "abcd");
	expect_reject(&s, "it had 3 bytes and has 4 now, last written at 2");
	close_stage(&s);
}

/* However soon after: a digest is not given out while a write could go unseen. */
TEST(reference_open_sees_every_later_write_of_as_many_bytes)
{
	for (int i = 0; i < 20; i++) {
		struct stage s;

		open_stage(&s, "abc");
		put(test_path("a"), "xyz");
		expect_reject(&s, "the file of 3 bytes that is there now was last written at 2");
		close_stage(&s);
	}
}

TEST(reference_open_sees_another_file_in_its_place)
{
	struct stage s;

	open_stage(&s, "abc");
	put(test_path("b"), "abd");
	assert_int_equal(rename(test_path("b"), test_path("a")), 0);
	expect_reject(&s, "has changed");
	close_stage(&s);
}

TEST(reference_open_sees_another_head_under_the_same_size_and_time)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	struct stat st;
	struct stage s;

	open_stage(&s, "abc");
	assert_int_equal(stat(test_path("a"), &st), 0);
	times[1] = st.st_mtim;
	put(test_path("a"), "abd");
	assert_int_equal(utimensat(AT_FDCWD, test_path("a"), times, 0), 0);
	expect_reject(&s, "has changed");
	close_stage(&s);
}

TEST(reference_open_follows_no_link_that_took_its_place)
{
	struct stage s;

	open_stage(&s, "abc");
	assert_int_equal(rename(test_path("a"), test_path("b")), 0);
	assert_int_equal(symlink("b", test_path("a")), 0);
	expect_reject(&s, "symbolic link");
	close_stage(&s);
}

TEST(reference_open_takes_a_file_that_was_moved_away_and_back_or_got_a_link_or_other_permissions)
{
	struct stage s;

	open_stage(&s, "abc");
	assert_int_equal(rename(test_path("a"), test_path("b")), 0);
	expect_reject(&s, "there is no file");
	assert_int_equal(rename(test_path("b"), test_path("a")), 0);
	assert_int_equal(look(&s), 0);
	assert_int_equal(link(test_path("a"), test_path("c")), 0);
	assert_int_equal(chmod(test_path("a"), 0400), 0);
	assert_int_equal(look(&s), 0);
	close_stage(&s);
}

TEST(reference_open_takes_a_copy_that_kept_its_times)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	struct stat st;
	struct stage s;

	open_stage(&s, "abc");
	assert_int_equal(stat(test_path("a"), &st), 0);
	times[1] = st.st_mtim;
	assert_int_equal(unlink(test_path("a")), 0);
	put(test_path("a"), "abc");
	assert_int_equal(utimensat(AT_FDCWD, test_path("a"), times, 0), 0);
	assert_int_equal(look(&s), 0);
	close_stage(&s);
}

TEST(reference_open_believes_no_path_outside_of_the_allowed_directories)
{
	struct stage s;

	open_stage(&s, "abc");
	json_decref(s.artifact);
	s.artifact = refer("/etc/hostname");
	expect_reject(&s, "not under an allowed directory");
	json_object_set_new(s.artifact, "path", json_sprintf("%s/../etc/hostname", test_dir()));
	expect_reject(&s, "'..'");
	json_object_del(s.artifact, "path");
	expect_reject(&s, "not an absolute path");
	close_stage(&s);
}

TEST(reference_open_takes_the_digest_of_no_other_path)
{
	struct stage s;

	open_stage(&s, "abc");
	put(test_path("b"), "xyz");
	json_object_set_new(s.artifact, "path", json_string(test_path("b")));
	expect_reject(&s, "has changed");
	close_stage(&s);
}

TEST(reference_recheck_sees_a_write_but_minds_no_removal)
{
	scoped(close_p) int fd = -1;
	struct reference_watch watch;
	struct stage s;
	size_t size;

	open_stage(&s, "abc");
	assert_int_equal(reference_open(&s.conf, s.artifact, &fd, &size, &watch, &s.err), 0);
	assert_int_equal(link(test_path("a"), test_path("b")), 0);
	assert_int_equal(unlink(test_path("a")), 0);
	assert_int_equal(reference_recheck(&watch, s.artifact, &s.err), 0);
	put(test_path("b"), "xyz");
	assert_int_equal(reference_recheck(&watch, s.artifact, &s.err), -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "while this step read it"));
	close_stage(&s);
}

TEST(artifact_open_finds_what_is_stored_and_has_nothing_to_watch_there)
{
	scoped(store_close) struct store store = { .dir = -1 };
	scoped(close_p) int fd = -1;
	struct reference_watch watch;
	char digest[DIGEST_TEXT];
	struct stage s;
	size_t size;

	open_stage(&s, "abc");
	assert_int_equal(store_open(&store, test_path("store"), &s.err), 0);
	assert_int_equal(store_put(&store, "stored", 6, digest, &s.err), 0);
	json_object_del(s.artifact, "by");
	json_object_set_new(s.artifact, "digest", json_string(digest));
	assert_int_equal(artifact_open(&s.conf, &store, s.artifact, &fd, &size, &watch, &s.err), 0);
	assert_int_equal(size, 6);
	assert_int_equal(watch.fd, -1);
	close_stage(&s);
}

TEST(reference_make_names_the_same_version_alike_and_each_other_one_differently)
{
	struct stage s;
	scoped(json_decref_p) json_t *same = NULL, *other = NULL;

	open_stage(&s, "abc");
	same = refer(test_path("a"));
	assert_true(json_equal(same, s.artifact));
	assert_true(digest_is(json_string_value(json_object_get(same, "digest"))));
	assert_int_equal(link(test_path("a"), test_path("b")), 0);
	other = refer(test_path("b"));
	assert_string_not_equal(json_string_value(json_object_get(same, "digest")), json_string_value(json_object_get(other, "digest")));
	close_stage(&s);
}
