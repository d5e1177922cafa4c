#include "test.h"

#include "http_auth.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define INTERNAL "internal-token-0123456789-0123456789"
#define PREVIOUS "previous-token-0123456789-0123456789"
#define ALICE    "alice-token-0123456789-0123456789"
#define BOB      "bob-token-0123456789-0123456789-bob"

static char internal[] = INTERNAL, previous[] = PREVIOUS, none[] = "";

static const char *tokens_file(const char *text)
{
	const char *path = test_path("tokens");
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static int start(struct auth *a, const char *file, struct err *err)
{
	struct conf conf = { .internal_token = internal, .internal_token_previous = previous, .api_tokens_file = (char *)(uintptr_t)file };

	return auth_init(a, &conf, err);
}

TEST(the_internal_token_and_the_previous_one_are_accepted)
{
	scoped(auth_done) struct auth a = { 0 };
	struct err err;

	assert_int_equal(start(&a, "", &err), 0);
	assert_true(auth_internal(&a, INTERNAL));
	assert_true(auth_internal(&a, PREVIOUS));
	assert_false(auth_internal(&a, INTERNAL "x"));
	assert_false(auth_internal(&a, ""));
	assert_false(auth_internal(&a, NULL));
}

TEST(an_empty_previous_token_opens_nothing)
{
	struct conf conf = { .internal_token = internal, .internal_token_previous = none, .api_tokens_file = none };
	scoped(auth_done) struct auth a = { 0 };
	struct err err;

	assert_int_equal(auth_init(&a, &conf, &err), 0);
	assert_false(auth_internal(&a, ""));
}

TEST(a_short_internal_token_refuses_to_start)
{
	char brief[] = "short";
	struct conf conf = { .internal_token = brief, .internal_token_previous = none, .api_tokens_file = none };
	struct auth a;
	struct err err;

	assert_int_equal(auth_init(&a, &conf, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
}

TEST(without_api_tokens_the_api_is_open)
{
	scoped(auth_done) struct auth a = { 0 };
	struct err err;

	assert_int_equal(start(&a, "", &err), 0);
	assert_true(auth_api(&a, NULL, NULL));
}

TEST(any_line_of_the_tokens_file_opens_the_api)
{
	scoped(auth_done) struct auth a = { 0 };
	struct err err;

	assert_int_equal(start(&a, tokens_file("# people\n" ALICE "\n\n" BOB "  \r\n"), &err), 0);
	assert_int_equal(a.napi, 2);
	assert_true(auth_api(&a, "Bearer " ALICE, NULL));
	assert_true(auth_api(&a, "bearer " BOB, NULL));
	assert_true(auth_api(&a, NULL, BOB));
	assert_false(auth_api(&a, NULL, NULL));
	assert_false(auth_api(&a, "Bearer ", NULL));
	assert_false(auth_api(&a, ALICE, NULL));
	assert_false(auth_api(&a, "Basic " ALICE, NULL));
	assert_false(auth_api(&a, "Bearer " ALICE " ", NULL));
	assert_false(auth_api(&a, "Bearer # people", NULL));
	assert_false(auth_api(&a, "Bearer " INTERNAL, NULL));
}

TEST(a_tokens_file_with_a_bad_line_says_which)
{
	static const struct { const char *text, *says; } bad[] = {
		{ "short\n", ":1: a token of 5 characters" },
		{ ALICE "\nwith a space 0123456789 0123456789 0123\n", ":2: a token is printable ASCII" },
		{ "\n\n", "has no token" },
		{ "", "has no token" },
	};
	struct auth a;
	struct err err;

	for (size_t i = 0; i < countof(bad); i++) {
		assert_int_equal(start(&a, tokens_file(bad[i].text), &err), -1);
		assert_non_null(strstr(err.msg, bad[i].says));
	}
	assert_int_equal(start(&a, test_path("missing"), &err), -1);
	assert_non_null(strstr(err.msg, "cannot read"));
}

TEST(other_addresses_than_loopback_need_api_tokens)
{
	static const struct { const char *address; bool loopback; } cases[] = {
		{ "127.0.0.1", true }, { "127.9.9.9", true }, { "0.0.0.0", false }, { "10.0.0.1", false }, { "128.0.0.1", false },
	};
	scoped(auth_done) struct auth open = { 0 }, closed = { 0 };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct err err;

	assert_int_equal(start(&open, "", &err), 0);
	assert_int_equal(start(&closed, tokens_file(ALICE), &err), 0);
	for (size_t i = 0; i < countof(cases); i++) {
		struct sockaddr_in sa = { .sin_family = AF_INET };

		assert_int_equal(inet_pton(AF_INET, cases[i].address, &sa.sin_addr), 1);
		assert_int_equal(auth_check_listen(&open, (void *)&sa, cases[i].address, &err), cases[i].loopback ? 0 : -1);
		assert_int_equal(auth_check_listen(&closed, (void *)&sa, cases[i].address, &err), 0);
	}
	assert_int_equal(auth_check_listen(&open, (void *)&v6, "::1", &err), 0);
	v6.sin6_addr = in6addr_any;
	assert_int_equal(auth_check_listen(&open, (void *)&v6, "::", &err), -1);
	assert_non_null(strstr(err.msg, "PIXELFLEET_API_TOKENS_FILE"));
}

TEST(a_web_page_of_another_host_is_not_local)
{
	assert_true(auth_is_local("127.0.0.1:5800", NULL, NULL));
	assert_true(auth_is_local("localhost", NULL, NULL));
	assert_true(auth_is_local("LOCALHOST:1", NULL, "same-origin"));
	assert_true(auth_is_local("[::1]:5800", "http://localhost:3000", NULL));
	assert_true(auth_is_local(NULL, NULL, NULL));
	assert_false(auth_is_local("rebound.example:5800", NULL, NULL));
	assert_false(auth_is_local("127.0.0.1.example.com", NULL, NULL));
	assert_false(auth_is_local("localhost.example.com", NULL, NULL));
	assert_false(auth_is_local("[::1].example.com", NULL, NULL));
	assert_false(auth_is_local("[::1", NULL, NULL));
	assert_false(auth_is_local("127.0.0.1:5800", "http://evil.example", NULL));
	assert_false(auth_is_local("127.0.0.1:5800", "https://evil.example", NULL));
	assert_false(auth_is_local("127.0.0.1:5800", "null", NULL));
	assert_false(auth_is_local("127.0.0.1:5800", NULL, "cross-site"));
}
