#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(grow_makes_room_and_keeps_what_was_there)
{
	int *items = NULL;
	size_t cap = 0;

	for (size_t n = 0; n < 1000; n++) {
		items = grow(items, n + 1, &cap, sizeof *items);
		items[n] = (int)n;
	}
	for (int n = 0; n < 1000; n++)
		assert_int_equal(items[n], n);
	assert_true(cap >= 1000 && cap < 4000);
	free(items);
}

TEST(steal_moves_a_pointer_out)
{
	char *a = xstrdup("x"), *b = steal(&a);

	assert_null(a);
	assert_string_equal(b, "x");
	free(b);
}

TEST(scoped_descriptors_are_closed_at_the_end_of_their_block)
{
	int seen;
	{
		scoped(close_p) int fd = open("/dev/null", O_RDONLY);

		seen = fd;
		assert_true(fd >= 0);
	}
	assert_int_equal(fcntl(seen, F_GETFD), -1);
}

TEST(xasprintf_and_xstrndup_make_texts)
{
	scoped(free_p) char *a = xasprintf("%d-%s", 7, "x"), *b = xstrndup("abcdef", 3);

	assert_string_equal(a, "7-x");
	assert_string_equal(b, "abc");
}

TEST(must_ends_the_process_when_it_is_not_so)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(STDERR_FILENO);
		must(1 + 1 == 3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
