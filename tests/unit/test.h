/*
 * test.h - a test is a function that registers itself; its name is a sentence.
 *
 *	TEST(err_wrap_keeps_the_kind)
 *	{
 *		assert_int_equal(e.kind, ERR_REJECT);
 *	}
 *
 * Assertions are cmocka's. test_dir() is an empty directory of this test alone, removed
 * with all that is in it when the test ends. `unit -k WORD` runs the tests whose name has
 * WORD in it, `-k ^WORD` those that begin with it, `-l` lists. Tests whose name begins
 * with threads_ also run under ThreadSanitizer.
 */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base.h"

struct test {
	const char *name;
	void (*fn)(void **state);
	struct test *next;
};

void test_register(struct test *t);

/* The test's own directory; made at the first call in a test. */
const char *test_dir(void);

/* "<test_dir()>/<name>", valid until the 4th next call. */
const char *test_path(const char *name);

#define TEST(id)                                                                   \
	static void test_##id(void **test_state);                                  \
	static struct test entry_##id = { #id, test_##id, NULL };                  \
	__attribute__((constructor)) static void register_##id(void)               \
	{                                                                          \
		test_register(&entry_##id);                                        \
	}                                                                          \
	static void test_##id(void **test_state __attribute__((unused)))

#endif
