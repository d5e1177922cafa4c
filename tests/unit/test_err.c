#include "test.h"

#include "err.h"

#include <string.h>

TEST(err_set_returns_minus_one_and_keeps_kind_and_text)
{
	struct err e;

	assert_int_equal(err_set(&e, ERR_REJECT, "no %s", "tool"), -1);
	assert_int_equal(e.kind, ERR_REJECT);
	assert_string_equal(e.msg, "no tool");
}

TEST(err_wrap_puts_context_in_front_and_keeps_the_kind)
{
	struct err e;

	err_set(&e, ERR_CANCEL, "stopping");
	assert_int_equal(err_wrap(&e, "step '%s'", "small"), -1);
	assert_string_equal(e.msg, "step 'small': stopping");
	assert_int_equal(e.kind, ERR_CANCEL);
}

TEST(err_wrap_of_a_long_message_stays_within_its_room)
{
	struct err e;
	char context[2000];

	memset(context, 'x', sizeof context - 1);
	context[sizeof context - 1] = '\0';
	err_set(&e, ERR_RETRY, "%s", context);
	err_wrap(&e, "%s", context);
	assert_true(strlen(e.msg) < sizeof e.msg);
}

TEST(err_messages_are_utf8_whatever_they_quote)
{
	struct err e;

	err_set(&e, ERR_REJECT, "'%.3s' \xff", "a\xc3\xa9\xc3\xa9");
	assert_string_equal(e.msg, "'a\xc3\xa9' ?");
	err_wrap(&e, "'%.2s'", "a\xc3\xa9");
	assert_string_equal(e.msg, "'a?': 'a\xc3\xa9' ?");
}

TEST(err_kinds_have_names_that_can_be_read_back)
{
	for (enum err_kind k = ERR_RETRY; k <= ERR_CANCEL; k++) {
		enum err_kind back;

		assert_int_equal(err_kind_parse(err_kind_name(k), &back), 0);
		assert_int_equal(back, k);
	}
}

TEST(err_kind_parse_refuses_other_words)
{
	enum err_kind k;

	assert_int_equal(err_kind_parse("perhaps", &k), -1);
	assert_int_equal(err_kind_parse("", &k), -1);
}
