#include "test.h"

#include "seal.h"

#include <string.h>

#define OLD "the token before the last change, long"
#define NEW "the token after the last change, longer"

static void sealed(const char *token, struct buf *to)
{
	struct sealer s;

	sealer_init(&s, token, "");
	buf_puts(to, "{\"v\":1,\"tool\":\"noop\"");
	seal_add(&s, to, 0);
}

TEST(seal_of_our_own_token_is_accepted)
{
	scoped(buf_free) struct buf b = { 0 };
	struct sealer s;
	struct err e;

	sealed(NEW, &b);
	sealer_init(&s, NEW, "");
	assert_int_equal(seal_check(&s, b.text, b.len, &e), 0);
	assert_int_equal(b.text[b.len - 1], '}');
}

TEST(seal_of_the_previous_token_is_accepted_only_while_it_is_set)
{
	scoped(buf_free) struct buf b = { 0 };
	struct sealer s;
	struct err e;

	sealed(OLD, &b);
	sealer_init(&s, NEW, OLD);
	assert_int_equal(seal_check(&s, b.text, b.len, &e), 0);
	sealer_init(&s, NEW, "");
	assert_int_equal(seal_check(&s, b.text, b.len, &e), -1);
	assert_int_equal(e.kind, ERR_REJECT);
}

TEST(seal_covers_every_byte)
{
	scoped(buf_free) struct buf b = { 0 };
	struct sealer s;
	struct err e;

	sealed(NEW, &b);
	sealer_init(&s, NEW, "");
	for (size_t i = 0; i < b.len; i++) {
		b.text[i] ^= 1;
		assert_int_equal(seal_check(&s, b.text, b.len, &e), -1);
		b.text[i] ^= 1;
	}
	assert_int_equal(seal_check(&s, b.text, b.len, &e), 0);
}

TEST(seal_check_refuses_what_is_too_short_to_have_one)
{
	struct sealer s;
	struct err e;

	sealer_init(&s, NEW, "");
	for (size_t n = 0; n < 60; n++)
		assert_int_equal(seal_check(&s, "{\"v\":1}                                                        ", n, &e), -1);
}
