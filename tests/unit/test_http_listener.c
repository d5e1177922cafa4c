#include "test.h"

#include "listener.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

TEST(port_0_listens_on_a_free_port_and_says_which)
{
	static const char *const texts[] = { "127.0.0.1:0", "localhost:0" };
	struct auth open = { 0 };
	struct listener l;
	struct err err;

	for (size_t i = 0; i < countof(texts); i++) {
		assert_int_equal(listener_open(&l, texts[i], &open, &err), 0);
		assert_true(l.port > 0);
		assert_true(strcmp(l.address, "127.0.0.1") == 0 || strcmp(l.address, "::1") == 0);
		close(l.fd);
	}
}

TEST(an_address_in_use_is_an_error_that_may_pass)
{
	struct auth open = { 0 };
	struct listener one, two;
	struct err err;
	char text[64];

	assert_int_equal(listener_open(&one, "127.0.0.1:0", &open, &err), 0);
	snprintf(text, sizeof text, "127.0.0.1:%u", one.port);
	assert_int_equal(listener_open(&two, text, &open, &err), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	assert_non_null(strstr(err.msg, text));
	close(one.fd);
}

TEST(a_port_may_begin_with_zeros)
{
	char host[LISTENER_HOST], port[LISTENER_PORT];
	struct err err;

	assert_int_equal(listener_split("[::1]:00005800", host, port, &err), 0);
	assert_string_equal(host, "::1");
	assert_string_equal(port, "5800");
}

TEST(what_is_not_address_and_port_is_refused)
{
	static const char *const texts[] = { "", "5800", ":5800", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536",
		"127.0.0.1:-1", "::1:5800", "[]:5800x", "[]:5800", "[:5800" };
	struct auth open = { 0 };
	struct listener l;
	struct err err;

	for (size_t i = 0; i < countof(texts); i++) {
		assert_int_equal(listener_open(&l, texts[i], &open, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		assert_non_null(strstr(err.msg, "PIXELFLEET_LISTEN"));
	}
}

TEST(listening_for_other_machines_without_tokens_is_refused)
{
	struct auth open = { 0 };
	struct listener l;
	struct err err;

	assert_int_equal(listener_open(&l, "0.0.0.0:0", &open, &err), -1);
	assert_non_null(strstr(err.msg, "other machines"));
}
