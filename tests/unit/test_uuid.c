#include "test.h"

#include "clock.h"
#include "uuid.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(uuid_new_is_a_version_7_of_now)
{
	char text[UUID_TEXT], least[UUID_TEXT], most[UUID_TEXT];

	uuid_at(clock_wall_us() / 1000, least);
	uuid_new(text);
	uuid_at(clock_wall_us() / 1000 + 1000, most);
	assert_true(uuid_is(text));
	assert_int_equal(text[14], '7');
	assert_non_null(strchr("89ab", text[19]));
	assert_true(strcmp(least, text) <= 0 && strcmp(text, most) < 0);
}

TEST(uuid_new_ascends)
{
	char before[UUID_TEXT] = "", now[UUID_TEXT];

	for (int i = 0; i < 100000; i++) {
		uuid_new(now);
		if (strcmp(before, now) >= 0)
			fail_msg("%s comes after %s", now, before);
		memcpy(before, now, sizeof before);
	}
}

enum { THREADS = 4, EACH = 5000 };

static void *make_ids(void *to)
{
	for (int i = 0; i < EACH; i++)
		uuid_new((char *)to + i * UUID_TEXT);
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

TEST(threads_never_get_the_same_uuid)
{
	pthread_t threads[THREADS];
	scoped(free_p) char *ids = xcalloc((size_t)THREADS * EACH, UUID_TEXT);

	for (int t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, make_ids, ids + t * EACH * UUID_TEXT), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	qsort(ids, (size_t)THREADS * EACH, UUID_TEXT, by_text);
	for (int i = 1; i < THREADS * EACH; i++)
		assert_string_not_equal(ids + (i - 1) * UUID_TEXT, ids + i * UUID_TEXT);
}

TEST(a_child_process_makes_other_uuids_than_its_parent)
{
	scoped(free_p) char *ids = xcalloc((size_t)2 * EACH, UUID_TEXT);
	int fds[2], status;
	pid_t child;

	uuid_new(ids);                  /* random bytes for more of them are there now */
	assert_int_equal(pipe(fds), 0);
	child = fork();
	make_ids(ids);
	if (child == 0)
		_exit(write(fds[1], ids, (size_t)EACH * UUID_TEXT) != (ssize_t)EACH * UUID_TEXT);
	close(fds[1]);
	for (size_t n = 0, all = (size_t)EACH * UUID_TEXT; n < all;) {
		ssize_t got = read(fds[0], ids + all + n, all - n);

		assert_true(got > 0);
		n += (size_t)got;
	}
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	qsort(ids, (size_t)2 * EACH, UUID_TEXT, by_text);
	for (int i = 1; i < 2 * EACH; i++)
		assert_string_not_equal(ids + (i - 1) * UUID_TEXT, ids + i * UUID_TEXT);
}

TEST(uuid_is_knows_what_is_none)
{
	assert_true(uuid_is("01900000-0000-7000-8000-000000000000"));
	assert_false(uuid_is(""));
	assert_false(uuid_is("01900000-0000-7000-8000-00000000000"));
	assert_false(uuid_is("01900000-0000-7000-8000-0000000000000"));
	assert_false(uuid_is("01900000-0000-7000-8000-00000000000G"));
	assert_false(uuid_is("01900000-0000-7000-8000-00000000000A"));
	assert_false(uuid_is("01900000x0000-7000-8000-000000000000"));
}

TEST(a_uuid_is_the_same_after_it_was_bytes)
{
	char text[UUID_TEXT], back[UUID_TEXT];
	uint8_t raw[16];

	for (int k = 0; k < 100; k++) {
		uuid_new(text);
		uuid_raw(text, raw);
		uuid_text(raw, back);
		assert_string_equal(back, text);
	}
}

TEST(what_is_too_short_for_a_uuid_is_read_no_further_than_its_end)
{
	uint8_t raw[16], nothing[16] = { 0 };

	uuid_raw("", raw);
	assert_memory_equal(raw, nothing, sizeof raw);
	uuid_raw("0197a000-", raw);
	assert_memory_equal(raw + 4, nothing, 12);
}
