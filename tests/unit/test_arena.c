#include "arena.h"
#include "test.h"

#include <string.h>

TEST(an_arena_gives_zeroed_memory_of_any_size)
{
	struct arena a = { 0 };

	for (size_t n = 0; n < 200000; n = n * 2 + 1) {
		char *p = arena_zeroed(&a, n);

		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);             /* nobody else's */
	}
	arena_done(&a);
	assert_null(a.chunks);
}

TEST(texts_in_an_arena_stay_what_they_are)
{
	struct arena a = { 0 };
	char *texts[3000];

	for (int k = 0; k < 3000; k++) {
		scoped(free_p) char *text = xasprintf("text %d", k);

		texts[k] = arena_strdup(&a, text);
	}
	for (int k = 0; k < 3000; k++) {
		scoped(free_p) char *text = xasprintf("text %d", k);

		assert_string_equal(texts[k], text);
	}
	arena_done(&a);
}
